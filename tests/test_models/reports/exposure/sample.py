"""Ways to hold exposure as their page shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.studies.exposure.measure import measure_exposure
from tests.test_models.studies.exposure.worlds import market, random_days, way

RUN: dict[str, Any] = {
    "title": "Exposure", "span": "s", "data": "d", "simulated": True, "model": "Volatility",
    "mean_exposure": 1.0, "first_ms": 1_700_000_000_000,
}  # fmt: skip


def rows(subject: str) -> list[dict[str, Any]]:
    moves, wild = random_days()
    ways = [way("careful", np.where(wild > 0, 0.4, 1.0)), way("constant", np.ones(len(moves)))]
    ways.sort(key=lambda w: w.name != subject)
    return measure_exposure(ways, market(moves), 0.0, subject=subject, draws=200)
