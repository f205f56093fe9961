"""Measured hazards as the cascade study's page shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.studies.cascades.baselines import BASELINES, CONSTANT
from models.studies.cascades.chosen import hour_by_hour, measure_chosen
from models.studies.cascades.measure import measure_hazards
from tests.test_models.studies.cascades.worlds import EDGES, ROWS, coin

_SPLIT = {"coin": "A", "side": -1, "close_only": 0, "both": 3, "excursion_only": 17}
RUN: dict[str, Any] = {
    "title": "T", "span": "s", "seed": 0, "counts": [], "agreement": [_SPLIT], "tiers": [],
    "trainings": [],
}  # fmt: skip


def sample() -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Return tables of two hazards, how one stands against the other, and their scores."""
    coins = [coin("A", 0), coin("B", 1)]
    train = {c.name: np.arange(ROWS) < 3000 for c in coins}
    hazard = BASELINES[CONSTANT](coins, train, EDGES)
    scores = {name: {c.name: hazard(c) for c in coins} for name in (CONSTANT, "Hedge")}
    rows = measure_hazards(coins, scores, EDGES)
    against = [
        {"side": side, "rival": CONSTANT, "value": 0.0, "low": -0.1, "high": 0.1}
        for side in (-1, 1)
    ]
    rate = {c.name: np.full((ROWS, 2), 0.5) for c in coins}
    warned = dict.fromkeys(scores, rate)
    chosen = measure_chosen(coins, scores, warned, EDGES)
    hours = hour_by_hour(coins[:1], scores, warned, int(coins[0].time_ms[-48]))
    tables = [{"scheme": "walk-forward", "coin": "all coins", "rows": rows, "chosen": chosen,
               "against": against, "hours": hours}]  # fmt: skip
    return tables, against, scores
