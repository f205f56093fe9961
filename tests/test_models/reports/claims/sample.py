"""Tested claims as their page shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.studies.claims.claimed import claim_answers, delay_tests
from tests.test_models.studies.claims.worlds import evidence, trends

RUN: dict[str, Any] = {
    "title": "Claims", "data": "d", "simulated": True, "folds": 1, "seeds": [0],
}  # fmt: skip
CLOSE = np.exp(np.cumsum(0.001 * np.random.default_rng(0).normal(size=3_000)))


def rows() -> list[dict[str, Any]]:
    made = evidence(2, trends(), 0.95, 0.6, 1)
    short = {tf: e.__class__(models={}, truth=e.truth, cost_frac=0.1) for tf, e in made.items()}
    found = (*claim_answers(2, made), *claim_answers(2, short), *delay_tests(CLOSE))
    return [answer.as_dict() for answer in found]
