"""A crowd's falls as their page shows them: few copies, few falls, every lever."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from models.reports.crowding.page import write_crowding
from models.studies.crowding.levers import CrowdSize
from models.studies.crowding.measure import (
    CrowdRow,
    lever_cells,
    measure_crowds,
    seeds_from,
    world_cells,
)
from tests.test_models.studies.crowding.worlds import crowded

RUN: dict[str, Any] = {
    "title": "What a crowd of copies does to a fall", "simulated": True, "agents": "4",
    "falls": 2, "market": "a fall of 6 % in 5 min, square-root impact, 20 % of the usual depth",
}  # fmt: skip
FALLS = {
    "without copies": np.linspace(1.0, 0.94, 90), "adoption 50 %": np.linspace(1.0, 0.9, 90)
}  # fmt: skip


@cache
def rows() -> tuple[list[CrowdRow], list[CrowdRow]]:
    """Return the levers' rows and the worlds'."""
    world = crowded(fall_min=5, before_min=5, after_min=20)
    size, seeds = CrowdSize(agents=4), seeds_from(0, 2)
    levers, worlds = lever_cells(world, size, seeds), world_cells(world, size, seeds)
    found = measure_crowds([*levers, *worlds])
    return found[: len(levers)], found[len(levers) :]


def write(folder: Path, created_ms: int) -> Path:
    levers, worlds = rows()
    return write_crowding(levers, worlds, FALLS, RUN, folder, created_ms)
