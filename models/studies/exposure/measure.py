"""What ways to hold exposure lost and earned, and their differences day by day.

All hold the same mean exposure over the same candles, so a lower loss is not bought by holding
less. Intervals come from blocks of days drawn for all of them at once: most of what happens to one
happens to the others, and only the difference is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.evaluate.metrics.equity import DAYS_PER_YEAR
from models.evaluate.metrics.resampling import DRAWS, with_interval
from models.studies.exposure.walk import ExposureMarket, HeldExposure

WORST: Final = 0.01  # share of the days whose mean loss is "the worst day"
_BLOCK_DAYS: Final = 20.0  # mean block: what is calm or wild stays so for weeks
_CHUNK: Final = 250  # draws at a time; all at once would take a gigabyte


def measure_exposure(
    entries: Sequence[HeldExposure],
    market: ExposureMarket,
    cost_frac: float,
    *,
    subject: str,
    seed: int = 0,
    draws: int = DRAWS,
) -> list[dict[str, Any]]:
    """Return one row of numbers per entry; estimates have 95 % intervals.

    Parameters
    ----------
    cost_frac
        Of what is traded: fee and slippage. Everything is measured at it and at twice as much.
    subject
        Name of the entry that is held against the others: `against` of theirs is the subject's
        number minus theirs, over the same days.

    Raises
    ------
    InputError
        If the subject is not among the entries, or an account is lost.
    """
    names = [entry.name for entry in entries]
    if subject not in names:
        raise InputError(f"expected {subject!r} among the entries, got {names}")
    once = np.stack([daily_log(entry, market, cost_frac) for entry in entries])  # (E, D)
    twice = np.stack([daily_log(entry, market, 2 * cost_frac) for entry in entries])
    days = once.shape[1]
    index = stationary_indices(days, min(_BLOCK_DAYS, days), draws, np.random.default_rng(seed))
    value, drawn = _numbers(once, twice), _drawn(once, twice, index)
    at = names.index(subject)
    return [
        {
            **_held(entry, market, cost_frac),
            **{key: with_interval(float(value[key][i]), drawn[key][i]).as_dict() for key in value},
            "against": {
                key: with_interval(
                    float(value[key][at] - value[key][i]), drawn[key][at] - drawn[key][i]
                ).as_dict()
                for key in value
            },
        }
        for i, entry in enumerate(entries)
    ]


def daily_log(entry: HeldExposure, market: ExposureMarket, cost_frac: float) -> FloatArray:
    """Return the log return of equity on each UTC day, after costs and funding, (N,) -> (D,).

    Funding is paid at a candle's open by what was held before it.

    Raises
    ------
    InputError
        If a candle takes all there is.
    """
    before = np.concatenate(([0.0], entry.exposure[:-1]))
    simple = entry.exposure * market.moves() - before * market.funding - cost_frac * entry.traded
    if not (simple > -1).all():
        raise InputError(f"the account of {entry.title} is lost", cure="hold a lower mean exposure")
    day = market.time_ms // DAY_MS
    first = np.flatnonzero(np.concatenate(([True], np.diff(day) != 0)))
    out: FloatArray = np.add.reduceat(np.log1p(simple), first)
    return out


def worst_day(log_return: FloatArray) -> FloatArray:
    """Return the mean loss of the worst hundredth of days, a fraction > 0, (..., D) -> (...,).

    Examples
    --------
    >>> worst_day(np.log(np.array([0.9, 0.8] + [1.0] * 98))).round(3).item()
    0.2
    """
    count = max(1, int(np.ceil(WORST * log_return.shape[-1] - 1e-9)))
    lowest = np.partition(log_return, count - 1, axis=-1)[..., :count]
    out: FloatArray = -np.expm1(lowest).mean(axis=-1)
    return out


def deepest_fall(log_return: FloatArray) -> FloatArray:
    """Return the largest loss from a peak, a fraction in [0, 1], (..., D) -> (...,).

    Examples
    --------
    >>> deepest_fall(np.log(np.array([0.5, 2.0, 0.9, 0.5]))).round(3).item()
    0.55
    """
    path = np.cumsum(log_return, axis=-1)
    peak = np.maximum(np.maximum.accumulate(path, axis=-1), 0.0)
    out: FloatArray = -np.expm1((path - peak).min(axis=-1))
    return out


def _numbers(once: FloatArray, twice: FloatArray) -> dict[str, FloatArray]:
    """Return every number of daily log returns (..., D) at costs and at twice the costs."""
    return {
        "worst_day": worst_day(once),
        "drawdown": deepest_fall(once),
        "net": once.sum(axis=-1),
        "worst_day_twice": worst_day(twice),
        "drawdown_twice": deepest_fall(twice),
        "net_twice": twice.sum(axis=-1),
    }


def _drawn(once: FloatArray, twice: FloatArray, index: Any) -> dict[str, FloatArray]:
    """Return the numbers of each draw, key -> (E, draws); the same days for every entry."""
    parts = [
        _numbers(once[:, rows], twice[:, rows])
        for rows in np.array_split(index, max(1, len(index) // _CHUNK))
    ]
    return {key: np.concatenate([part[key] for part in parts], axis=1) for key in parts[0]}


def _held(entry: HeldExposure, market: ExposureMarket, cost_frac: float) -> dict[str, Any]:
    span_ms = float(market.time_ms[-1] - market.time_ms[0])
    years = span_ms / DAY_MS / DAYS_PER_YEAR
    turnover = float(entry.traded.sum()) / years
    return {
        "name": entry.name,
        "title": entry.title,
        "mean_exposure": float(entry.exposure.mean()),
        "turnover_year": turnover,
        "cost_year_frac": turnover * cost_frac,
        "orders_year": float((entry.traded > 0).sum()) / years,
    }
