"""Verdicts: what an interval has to be for each, and that nothing is read out of no interval."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate.metrics.resampling import UNKNOWN, Estimate
from models.studies.claims.verdict import claim_verdict


@pytest.mark.parametrize(
    ("low", "high", "least", "none", "said"),
    [
        (0.31, 0.39, 0.30, 0.0, "confirmed"),
        (0.45, 0.60, 0.30, 0.0, "confirmed"),  # more than is claimed
        (0.05, 0.20, 0.30, 0.0, "not confirmed"),  # some, and less than is claimed
        (-0.1, 0.5, 0.30, 0.0, "not confirmed"),
        (-0.3, -0.1, 0.30, 0.0, "contradicted"),
        (0.86, 0.99, 0.85, 0.85, "confirmed"),
        (0.5, 0.84, 0.85, 0.85, "contradicted"),  # of a ratio: below what is claimed
        (0.0, 0.0, 0.0, 0.0, "not confirmed"),  # two that are alike
    ],
)
def test_verdict_when_the_interval_lies_there_then_it_is_so(
    low: float, high: float, least: float, none: float, said: str
) -> None:
    assert claim_verdict(Estimate((low + high) / 2, low, high), least, none).value == said


def test_verdict_when_there_is_no_interval_then_nothing_is_confirmed_or_contradicted() -> None:
    assert claim_verdict(UNKNOWN, 0.0, 0.0).value == "not confirmed"
    assert claim_verdict(Estimate(0.9, np.nan, np.nan), 0.3, 0.0).value == "not confirmed"
