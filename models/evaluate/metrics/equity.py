"""Equity-curve metrics: return, risk and how sure one can be of either."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.evaluate.metrics.resampling import (
    DRAWS,
    UNKNOWN,
    Estimate,
    with_interval,
)

DAYS_PER_YEAR: Final = 365.25  # these markets never close
_MONTH_DAYS: Final = 30
_SHORTEST_YEARLY_DAYS: Final = 30  # a yearly figure from less is noise times twelve


def period_closes(
    time_ms: IntArray, equity: FloatArray, period_ms: int
) -> tuple[IntArray, FloatArray]:
    """Return (start of period, equity at its last candle's close), gaps skipped.

    Parameters
    ----------
    time_ms
        (N,) candle open times, sorted; a candle belongs to the period it opens in.
    equity
        (N,) quote units at each candle's close.
    period_ms
        Length of the period, aligned to midnight UTC.
    """
    if len(time_ms) != len(equity):
        raise InputError(f"expected equal lengths, got {len(time_ms)} and {len(equity)}")
    period = time_ms // period_ms
    last = np.flatnonzero(np.append(np.diff(period) != 0, True)) if len(period) else period
    return period[last] * period_ms, equity[last]


def period_returns(equity: FloatArray, start: float) -> FloatArray:
    """Return simple returns from `start` on, (P,) -> (P,); 0 after equity reached 0 or less.

    The period that ruins the account returns -1 (not less): money beyond the wallet is not lost
    twice.

    Examples
    --------
    >>> period_returns(np.array([110.0, -5.0, -5.0]), 100.0).round(3)
    array([ 0.1, -1. ,  0. ])
    """
    before = np.concatenate(([start], equity[:-1]))
    alive = np.minimum.accumulate(before) > 0
    out = np.zeros(len(equity))
    np.divide(equity, before, out=out, where=alive)
    return np.where(alive, np.maximum(out - 1.0, -1.0), 0.0)


def daily_returns(time_ms: IntArray, equity: FloatArray, start: float) -> FloatArray:
    """Return the simple return of each UTC day that has a candle."""
    return period_returns(period_closes(time_ms, equity, DAY_MS)[1], start)


def sharpe(returns: FloatArray, axis: int = -1) -> FloatArray:
    """Return the yearly Sharpe ratio of daily returns (rate of cash: 0); NaN without variance.

    Examples
    --------
    >>> float(sharpe(np.array([0.01, -0.01, 0.02])).round(3))
    8.341
    """
    if returns.shape[axis] < 2:
        return np.asarray(np.nan)
    sd = returns.std(axis=axis, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            np.where(sd > 1e-15, returns.mean(axis=axis) / sd, np.nan) * np.sqrt(DAYS_PER_YEAR)
        )


def sortino(returns: FloatArray) -> float:
    """Return the yearly Sortino ratio of daily returns, target 0; NaN without a losing day."""
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else 0.0
    if downside == 0.0:
        return float("nan")
    return float(returns.mean() / downside * np.sqrt(DAYS_PER_YEAR))


def drawdown(equity: FloatArray, start: float) -> FloatArray:
    """Return the loss from the running peak as a fraction in [0, 1], (N,) -> (N,)."""
    peak = np.maximum.accumulate(np.concatenate(([start], equity)))[1:]
    out: FloatArray = np.minimum(1.0 - equity / peak, 1.0)
    return out


def expected_shortfall(returns: FloatArray, tail: float = 0.01) -> float:
    """Return the mean loss of the worst `tail` share of returns, positive = loss; NaN if none.

    Examples
    --------
    >>> expected_shortfall(np.array([-0.5, -0.1] + [0.0] * 98), 0.02)
    0.3
    """
    if not len(returns):
        return float("nan")
    worst = np.sort(returns)[: max(1, int(np.ceil(tail * len(returns) - 1e-9)))]
    return float(-worst.mean())


def equity_metrics(
    time_ms: IntArray,
    equity: FloatArray,
    start: float,
    candle_ms: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Return return, ratio and risk metrics of one equity curve.

    Parameters
    ----------
    time_ms, equity
        (N,) candle open times and equity at their closes, quote units.
    start
        Equity before the first candle, quote units, > 0.
    candle_ms
        Candle length; hourly figures are NaN for candles longer than an hour.

    Returns
    -------
    dict
        ``total_return_frac`` and ``sharpe`` are value/low/high with a stationary-bootstrap 95 %
        interval over days; the rest are numbers, fractions unless named otherwise.
    """
    if not start > 0:
        raise InputError(f"expected a starting equity > 0, got {start}")
    days, closes = period_closes(time_ms, equity, DAY_MS)
    r = period_returns(closes, start)
    total = float(np.prod(1.0 + r) - 1.0)
    span_days = (int(time_ms[-1]) + candle_ms - int(time_ms[0])) / DAY_MS if len(time_ms) else 0.0
    yearly = span_days >= _SHORTEST_YEARLY_DAYS
    ratio, outcome = _bootstrapped(r, total, rng, draws)
    worst = int(np.argmin(r)) if len(r) else -1
    fall = drawdown(equity, start)
    hourly = period_returns(period_closes(time_ms, equity, HOUR_MS)[1], start)
    return {
        "days": span_days,
        "final_quote": float(equity[-1]) if len(equity) else start,
        "total_return_frac": outcome.as_dict(),
        "cagr_frac": (1.0 + total) ** (DAYS_PER_YEAR / span_days) - 1.0 if yearly else np.nan,
        "sharpe": ratio.as_dict(),
        "sortino": sortino(r),
        "volatility_year_frac": float(r.std(ddof=1) * np.sqrt(DAYS_PER_YEAR))
        if len(r) > 1
        else np.nan,
        "max_drawdown_frac": float(fall.max()) if len(fall) else np.nan,
        "longest_drawdown_days": _longest_underwater(fall) * candle_ms / DAY_MS,
        "es99_hour_frac": expected_shortfall(hourly) if candle_ms <= HOUR_MS else np.nan,
        "worst_day_frac": float(r[worst]) if len(r) else np.nan,
        "worst_day_ms": int(days[worst]) if len(r) else None,
        "worst_month_frac": _worst_window(r, _MONTH_DAYS),
    }


def excess_return(
    returns: FloatArray,
    benchmark: FloatArray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Estimate:
    """Return total return minus the benchmark's, days drawn in pairs, as a fraction.

    Parameters
    ----------
    returns, benchmark
        (D,) simple returns of the same days.
    """
    if len(returns) != len(benchmark):
        raise InputError(f"expected equal lengths, got {len(returns)} and {len(benchmark)}")
    if len(returns) < 2:
        return UNKNOWN
    rows = stationary_indices(len(returns), _mean_block(len(returns)), draws, rng)
    gap = _compound(returns[rows]) - _compound(benchmark[rows])
    return with_interval(float(_compound(returns) - _compound(benchmark)), gap)


def _bootstrapped(
    r: FloatArray, total: float, rng: np.random.Generator, draws: int
) -> tuple[Estimate, Estimate]:
    if len(r) < 2:
        return UNKNOWN, Estimate(total, np.nan, np.nan)
    rows = stationary_indices(len(r), _mean_block(len(r)), draws, rng)
    return (
        with_interval(float(sharpe(r)), sharpe(r[rows])),
        with_interval(total, _compound(r[rows])),
    )


def _compound(r: FloatArray) -> FloatArray:
    return np.asarray(np.prod(1.0 + r, axis=-1) - 1.0)


def _mean_block(days: int) -> float:
    return max(5.0, float(np.cbrt(days)))  # a week of dependence at least


def _longest_underwater(fall: FloatArray) -> int:
    """Return the longest run of candles below a former peak."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (fall > 1e-12).astype(int), [0]))))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _worst_window(r: FloatArray, days: int) -> float:
    """Return the worst compound return of any `days` consecutive days; NaN if fewer exist."""
    if len(r) < days:
        return float("nan")
    windows = np.lib.stride_tricks.sliding_window_view(r, days)
    return float(_compound(windows).min())
