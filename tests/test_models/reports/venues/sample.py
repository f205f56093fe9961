"""Three exchanges as their page shows them, measured once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from models.reports.venues.page import write_venues
from models.studies.venues.loop import LoopRun, VenueLoop, loop_run
from models.studies.venues.measure import BREAKERS, VenueRow, measure_venues, outside_fall

LOOP = VenueLoop()
OUTSIDE = outside_fall(LOOP, 0.06, 10.0)
RUN: dict[str, Any] = {
    "title": "Three exchanges that push each other down", "simulated": True,
    "market": "a fall of 6 % in 10 min, marks by the index of 3", "threshold": "1.45",
    "shown_factor": "1", "shown_steps": 120, "step_s": 10.0,
}  # fmt: skip


@cache
def rows() -> list[VenueRow]:
    """Return the measured rows; a process measures them once."""
    found, _ = measure_venues(LOOP, 0.06, 10.0)
    return found


def runs() -> dict[str, LoopRun]:
    """Return what is drawn."""
    return {
        BREAKERS[name][0]: loop_run(LOOP, OUTSIDE, BREAKERS[name][1])
        for name in ("nothing", "partial")
    }


def write(folder: Path, created_ms: int) -> Path:
    return write_venues(rows(), runs(), OUTSIDE, RUN, folder, created_ms)
