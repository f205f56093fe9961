"""Equity metrics at their edges: the shortest histories, the thresholds, the interval's blocks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.evaluate.metrics.equity import (
    daily_returns,
    equity_metrics,
    excess_return,
    period_returns,
    sharpe,
    sortino,
)
from models.evaluate.metrics.resampling import UNKNOWN, with_interval

NOON = 20_000 * DAY_MS + 12 * HOUR_MS
YEAR = 365.25**0.5


def metrics(*equity: float, step_ms: int = DAY_MS, start: float = 100.0) -> dict[str, Any]:
    """Metrics of a curve whose first candle opens at a noon, without a warning."""
    time_ms = NOON + step_ms * np.arange(len(equity), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return equity_metrics(
            time_ms, np.array(equity), start, step_ms, np.random.default_rng(0), draws=100
        )


def noise(days: int, seed: int = 0) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).standard_normal(days)


# -- returns --------------------------------------------------------------------------------------


def test_period_returns_when_equity_is_exactly_zero_then_nothing_is_earned_after_it() -> None:
    np.testing.assert_array_equal(period_returns(np.array([0.0, 5.0]), 100.0), [-1.0, 0.0])


def test_period_returns_when_equity_is_below_one_then_it_still_earns() -> None:
    np.testing.assert_allclose(period_returns(np.array([0.5, 0.75]), 1.0), [-0.5, 0.5])


def test_daily_returns_when_candles_are_hourly_then_each_days_last_close_counts() -> None:
    time_ms = NOON + 6 * HOUR_MS * np.arange(5, dtype=np.int64)  # 12, 18 | 0, 6, 12 o'clock
    equity = np.array([150.0, 110.0, 70.0, 80.0, 99.0])
    np.testing.assert_allclose(daily_returns(time_ms, equity, 100.0), [0.1, -0.1])


# -- ratios ---------------------------------------------------------------------------------------


def test_sharpe_when_there_are_two_returns_then_it_is_known_and_of_one_it_is_not() -> None:
    # Mean 0.02, deviation 0.01 * sqrt(2).
    assert float(sharpe(np.array([0.01, 0.03]))) == pytest.approx(2**0.5 * YEAR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(sharpe(np.array([0.01])))


def test_sharpe_when_returns_differ_only_by_rounding_then_it_is_unknown() -> None:
    at = np.array([0.0, 1e-15, -1e-15])
    assert at.std(ddof=1) == 1e-15
    assert np.isnan(sharpe(at))
    assert float(sharpe(1.2 * at + 1.2e-15)) == pytest.approx(YEAR)


def test_sortino_when_there_is_no_return_then_it_is_unknown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(sortino(np.empty(0)))


# -- one curve ------------------------------------------------------------------------------------


def test_equity_metrics_when_there_is_no_candle_then_all_but_the_start_is_unknown() -> None:
    m = metrics()
    assert (m["days"], m["final_quote"], m["longest_drawdown_days"]) == (0.0, 100.0, 0.0)
    assert m["worst_day_ms"] is None
    for name in ("cagr_frac", "sortino", "volatility_year_frac", "max_drawdown_frac",
                 "es99_hour_frac", "worst_day_frac", "worst_month_frac"):  # fmt: skip
        assert np.isnan(m[name]), name


def test_equity_metrics_when_there_is_one_day_then_what_needs_two_is_unknown() -> None:
    m = metrics(110.0)
    assert m["days"] == 1.0
    assert m["total_return_frac"]["value"] == pytest.approx(0.1)
    assert np.isnan([m["sharpe"]["value"], m["total_return_frac"]["low"]]).all()
    assert np.isnan(m["volatility_year_frac"])


def test_equity_metrics_when_there_are_two_days_then_ratio_volatility_and_intervals_are_known() -> (
    None
):
    m = metrics(110.0, 132.0)  # +10 %, +20 %
    assert m["days"] == 2.0
    assert m["final_quote"] == 132.0
    # Deviation 0.05 * sqrt(2), mean 0.15.
    assert m["volatility_year_frac"] == pytest.approx(0.05 * 2**0.5 * YEAR)
    assert m["sharpe"]["value"] == pytest.approx(3 / 2**0.5 * YEAR)
    # Twice the worse day, twice the better one.
    assert m["total_return_frac"]["low"] == pytest.approx(0.21)
    assert m["total_return_frac"]["high"] == pytest.approx(0.44)


def test_equity_metrics_when_the_start_is_not_above_zero_then_refused() -> None:
    assert metrics(0.75, start=0.5)["total_return_frac"]["value"] == pytest.approx(0.5)
    with pytest.raises(InputError, match=r"starting equity > 0, got 0\.0"):
        metrics(1.0, start=0.0)


def test_equity_metrics_when_thirty_days_are_there_then_they_make_a_month_and_a_yearly_rate() -> (
    None
):
    falling = 100.0 * 0.99 ** np.arange(1, 31)
    month = metrics(*falling)
    assert month["worst_month_frac"] == pytest.approx(0.99**30 - 1)
    assert month["cagr_frac"] == pytest.approx(0.99**365.25 - 1)
    shorter = metrics(*falling[:29])
    assert np.isnan(shorter["worst_month_frac"])
    assert np.isnan(shorter["cagr_frac"])


@pytest.mark.parametrize(
    ("equity", "days"),
    [
        ((101.0, 102.0, 103.0), 0),
        ((90.0, 95.0, 99.0), 3),
        ((110.0, 100.0, 105.0, 109.0, 111.0, 110.0, 109.0), 3),
        ((110.0, 109.0, 111.0, 100.0, 105.0), 2),  # still under at the end
    ],
)
def test_drawdown_when_it_lasts_then_its_longest_run_is_counted(
    equity: tuple[float, ...], days: int
) -> None:
    assert metrics(*equity)["longest_drawdown_days"] == days


@pytest.mark.parametrize(("below", "days"), [(0.8e-12, 0), (1.2e-12, 1)])
def test_drawdown_when_it_is_no_more_than_rounding_then_it_is_none(below: float, days: int) -> None:
    assert metrics(100.0 * (1 - below))["longest_drawdown_days"] == days


def test_shortfall_when_candles_are_hourly_then_it_is_known_and_of_longer_ones_not() -> None:
    assert metrics(110.0, 88.0, step_ms=HOUR_MS)["es99_hour_frac"] == pytest.approx(0.2)
    assert np.isnan(metrics(110.0, 88.0, step_ms=2 * HOUR_MS)["es99_hour_frac"])


# -- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "block"), [(60, 5.0), (343, 7.0)])
def test_intervals_when_drawn_then_blocks_are_of_five_days_and_of_the_cube_root_beyond(
    days: int, block: float
) -> None:
    r, other = noise(days), noise(days, seed=1)
    rows = stationary_indices(days, block, 100, np.random.default_rng(0))

    m = metrics(*(100.0 * np.cumprod(1 + r)))
    total = np.prod(1 + r) - 1
    grown = with_interval(float(total), np.prod(1 + r[rows], axis=1) - 1)
    assert tuple(m["total_return_frac"].values()) == pytest.approx(grown)
    ratio = with_interval(float(sharpe(r)), sharpe(r[rows]))
    assert tuple(m["sharpe"].values()) == pytest.approx(ratio)

    gap = np.prod(1 + r[rows], axis=1) - np.prod(1 + other[rows], axis=1)
    expected = with_interval(float(np.prod(1 + r) - np.prod(1 + other)), gap)
    drawn = excess_return(r, other, np.random.default_rng(0), draws=100)
    assert tuple(drawn) == pytest.approx(tuple(expected))


def test_excess_return_when_there_are_two_days_then_it_is_known_and_of_one_it_is_not() -> None:
    r, other = np.array([0.1, 0.2]), np.array([0.0, 0.1])
    rng = np.random.default_rng(0)
    assert excess_return(r, other, rng, draws=100).value == pytest.approx(1.32 - 1.1)
    assert excess_return(r[:1], other[:1], rng) is UNKNOWN
    with pytest.raises(InputError, match="equal lengths, got 2 and 1"):
        excess_return(r, other[:1], rng)
