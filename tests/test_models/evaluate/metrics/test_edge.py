"""Claimed against realised: the three groups, the slope, and what it can be told from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.types import FloatArray
from models.evaluate.metrics import Claims, edge_metrics

BAR = 0.0014
HOUR = 3_600_000


def claims(claimed: FloatArray, realised: FloatArray, **changes: Any) -> Claims:
    """Claims that are believed whole, one an hour, none of them entered."""
    rows = len(claimed)
    whole = Claims(
        time_ms=HOUR * np.arange(rows, dtype=np.int64), claimed=claimed, edge=claimed,
        edge_low=claimed, realised=realised, entered=np.zeros(rows, dtype=np.int64),
        horizon_candles=4,
    )  # fmt: skip
    return replace(whole, **changes)


def measure(c: Claims) -> dict[str, Any]:
    return edge_metrics(c, BAR, np.random.default_rng(0))


def test_edge_when_worked_by_hand_then_the_groups_are_what_they_say() -> None:
    claimed = np.array([0.002, -0.004, 0.001, 0.004, -0.002])
    came = np.array([0.001, -0.001, 0.5, np.nan, 0.003])
    believed = np.array([1.0, 0.5, 1.0, 0.5, 0.5]) * claimed
    entered = np.array([0, -1, 0, 1, 1])
    c = claims(claimed, came, edge=believed, edge_low=0.9 * believed, entered=entered)
    n = measure(c)
    assert (n["stated"], n["bar_bps"]) == (5, pytest.approx(14.0))
    assert (n["alone"]["rows"], n["alone"]["rows_known"]) == (4, 3)
    assert n["alone"]["claimed_bps"]["value"] == pytest.approx((20 + 40 + 20) / 3)
    assert n["alone"]["realised_bps"]["value"] == pytest.approx((10 + 10 - 30) / 3)
    # 18 bp pass, long and short, 9 do not.
    assert (n["passed"]["rows"], n["passed"]["rows_known"]) == (3, 2)
    assert n["passed"]["claimed_bps"]["value"] == pytest.approx(20.0)
    assert n["passed"]["low_bps"]["value"] == pytest.approx(18.0)
    assert n["passed"]["slope"]["value"] == pytest.approx(0.5)
    # An entry counts at the side it took: the last one went against its claim.
    assert (n["entries"]["rows"], n["entries"]["rows_known"]) == (3, 2)
    assert n["entries"]["claimed_bps"]["value"] == pytest.approx((20 - 10) / 2)
    assert n["entries"]["realised_bps"]["value"] == pytest.approx((10 + 30) / 2)


@pytest.mark.parametrize(("slope", "has_one"), [(1.0, True), (0.2, False), (-0.5, False)])
def test_slope_when_planted_then_it_is_found_and_told_from_one(slope: float, has_one: bool) -> None:
    rng = np.random.default_rng(1)
    claimed = 0.003 * rng.standard_t(4, size=4_000)
    n = measure(claims(claimed, slope * claimed + 0.005 * rng.standard_t(3, size=4_000)))
    found = n["passed"]["slope"]
    assert found["low"] <= slope <= found["high"]
    assert found["high"] - found["low"] < 0.4
    assert n["passed"]["slope_has_one"] is has_one


def test_slope_when_outcomes_overlap_then_its_interval_holds_95_times_in_a_hundred() -> None:
    rng, held = np.random.default_rng(2), []
    for _ in range(200):
        step = rng.normal(size=1_504) * 0.002
        claimed = np.convolve(rng.normal(size=1_503), np.ones(4), "valid")[:1_500] * 0.002
        came = np.convolve(step, np.ones(4), "valid")[:1_500] + claimed
        held.append(measure(claims(claimed, came))["alone"]["slope_has_one"])
    assert 0.88 <= np.mean(held) <= 0.99


def test_edge_when_nothing_passes_then_there_is_a_count_of_zero_and_nothing_else() -> None:
    claimed = np.full(200, 0.002)
    n = measure(claims(claimed, claimed, edge_low=0.0 * claimed))
    assert n["passed"]["rows"] == n["entries"]["rows"] == 0
    assert np.isnan(n["passed"]["slope"]["value"])
    assert n["passed"]["slope_has_one"] is None
    assert n["alone"]["rows"] == 200


@pytest.mark.parametrize(("apart", "told"), [(1, False), (4, False), (5, True)])
def test_slope_when_few_candles_pass_then_its_interval_is_not_known(apart: int, told: bool) -> None:
    """One candle, drawn again and again, has the same slope each time: that is no certainty."""
    claimed, passing = np.full(2000, 0.002), np.zeros(2000)
    passing[200 * np.arange(apart) + 7] = 0.002
    n = measure(claims(claimed, 2.7 * claimed, edge_low=passing))["passed"]
    assert n["rows"] == apart
    assert n["slope"]["value"] == pytest.approx(2.7)
    assert np.isfinite(n["slope"]["low"]) == told
    assert (n["slope_has_one"] is not None) == told
    assert np.isfinite(n["claimed_bps"]["low"]) == told


def test_claims_when_pooled_then_they_are_in_order_of_time_and_one_time_is_one_draw() -> None:
    rng = np.random.default_rng(3)
    one = claims(0.003 * rng.normal(size=300), 0.003 * rng.normal(size=300))
    both = Claims.pooled([one, one])
    assert (np.diff(both.time_ms) >= 0).all()
    assert both.time_ms[:4].tolist() == [0, 0, HOUR, HOUR]
    alone, twice = measure(one)["alone"], measure(both)["alone"]
    assert twice["rows"] == 2 * alone["rows"]
    # The second pair adds nothing that is not known: the interval is as wide as with one.
    assert twice["slope"] == pytest.approx(alone["slope"])
