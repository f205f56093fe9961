"""Each model's forecasts of the same rows, from several seeds, scored and compared in pairs.

A model is scored by the mean over its seeds, row by row; intervals come from blocks of candles of
that mean, so they hold for "one seed picked blindly". The spread over seeds stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.types import BoolArray, FloatArray
from models.evaluate.metrics.equity import sharpe
from models.evaluate.metrics.resampling import (
    UNKNOWN,
    Estimate,
    block_length,
    circular_ratio,
    with_interval,
)
from models.evaluate.metrics.skill import SplitGain, split_gain
from models.studies.compare.money import by_day, entries_of, row_returns, sides_taken
from models.studies.compare.promises import kept_promises
from models.studies.compare.records import ComparedModel, Trading, Truth

_TOP: Final = 0.1  # share of rows that count as "most confident"
_DAY_BLOCK: Final = 5.0  # mean block of the daily bootstrap, days
_DRAWS: Final = 2_000


def measure_models(
    entries: Sequence[ComparedModel], truth: Truth, trading: Trading, reference: str, seed: int = 0
) -> list[dict[str, Any]]:
    """Return one row of numbers per entry; estimates are value/low/high with 95 % intervals.

    Parameters
    ----------
    reference
        Name of the entry every other one's gain is compared with, candle by candle.

    Raises
    ------
    InputError
        If the reference is not among the entries, or lengths differ.
    """
    by_name = {entry.name: entry for entry in entries}
    if reference not in by_name:
        raise InputError(f"expected {reference!r} among the models, got {sorted(by_name)}")
    n = len(truth.time_ms)
    for entry in entries:
        if any(len(f[columns.P_UP]) != n for f in entry.forecasts):
            raise InputError(f"expected {n} rows of {entry.name}")
    base = gains_by_row(by_name[reference], truth).total
    return [_row(entry, truth, trading, base, seed) for entry in entries]


def _row(
    entry: ComparedModel, truth: Truth, trading: Trading, base: FloatArray, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    block = block_length(len(truth.time_ms), truth.horizon_candles)

    def mean(values: FloatArray, rng: np.random.Generator = rng) -> Estimate:
        """Mean over the rows where `values` is known."""
        known = np.isfinite(values)
        if not known.any():
            return UNKNOWN
        return circular_ratio(
            np.where(known, values, 0.0), known.astype(np.float64), block, rng, _DRAWS
        )

    right, top, inside = _right(entry, truth), _right(entry, truth, _TOP), _inside(entry, truth)
    split, apart = gains_by_row(entry, truth), rng.spawn(3)
    gain = split.total
    return {
        "name": entry.name,
        "title": entry.title,
        "seeds": len(entry.forecasts),
        "given_frac": float(np.mean([np.isfinite(f[columns.P_UP]) for f in entry.forecasts])),
        "accuracy": mean(_mean_known(right)).as_dict() | _spread(right),
        "accuracy_top": mean(_mean_known(top)).as_dict() | _spread(top),
        "gain_millibits": mean(gain.mean(axis=0)).as_dict() | _spread(gain),
        "gain_volatility": mean(split.volatility.mean(axis=0), apart[0]).as_dict()
        | _spread(split.volatility),
        "gain_direction": mean(split.direction.mean(axis=0), apart[1]).as_dict()
        | _spread(split.direction),
        "gain_over_reference": mean((gain - base.mean(axis=0)).mean(axis=0)).as_dict(),
        "coverage": mean(_mean_known(inside)).as_dict() | _spread(inside),
        **_trading(entry, truth, trading, rng),
        **kept_promises(entry, truth, trading, apart[2]),
        "fit_seconds": entry.fit_seconds,
        "parameters": entry.parameters,
    }


def _mean_known(values: FloatArray) -> FloatArray:
    """Return the mean over seeds of the known values of each row, NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    out: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def _spread(values: FloatArray) -> dict[str, float]:
    """Return the lowest and highest mean over the seeds, (S, N) -> two numbers."""
    means = [float(row[np.isfinite(row)].mean()) for row in values if np.isfinite(row).any()]
    if not means:
        return {"seed_low": np.nan, "seed_high": np.nan}
    return {"seed_low": min(means), "seed_high": max(means)}


def _scored(forecast: Mapping[str, FloatArray], truth: Truth) -> BoolArray:
    return np.isfinite(forecast[columns.P_UP]) & np.isfinite(truth.outcome_class)


def _right(entry: ComparedModel, truth: Truth, top: float = 1.0) -> FloatArray:
    """Return (S, N) 1 or 0 on moved rows, of each seed's most confident share; NaN elsewhere."""
    out = []
    for f in entry.forecasts:
        lead = f[columns.P_UP] - f[columns.P_DOWN]
        keep = _scored(f, truth) & (truth.outcome_class != 0)
        if top < 1.0 and keep.any():
            keep &= np.abs(lead) >= np.quantile(np.abs(lead[keep]), 1 - top)
        hit = np.where(lead > 0, 1.0, -1.0) == truth.outcome_class
        out.append(np.where(keep, hit.astype(np.float64), np.nan))
    return np.stack(out)


def gains_by_row(entry: ComparedModel, truth: Truth) -> SplitGain:
    """Return (S, N) log-loss gains in millibits over the rows' own class frequencies.

    A row without a forecast answers with those frequencies: abstaining gains nothing and costs
    nothing, so models that abstain on different rows can be compared on all of them. Rows whose
    outcome is unknown are 0 for everybody.
    """
    known = np.isfinite(truth.outcome_class)
    outcome = np.where(known, truth.outcome_class, 0.0)
    counts = np.bincount((outcome[known] + 1).astype(int), minlength=3)
    prior = counts / max(int(known.sum()), 1)
    volatility, direction = [], []
    for f in entry.forecasts:
        p = np.column_stack([f[columns.P_DOWN], f[columns.P_FLAT], f[columns.P_UP]])
        gain, scored = split_gain(p, outcome, prior), _scored(f, truth)
        volatility.append(np.where(scored, gain.volatility, 0.0))
        direction.append(np.where(scored, gain.direction, 0.0))
    return SplitGain(volatility=np.stack(volatility), direction=np.stack(direction))


def _inside(entry: ComparedModel, truth: Truth) -> FloatArray:
    """Return (S, N) 1 where the outcome fell inside the interval, NaN where there is none."""
    out = []
    for f in entry.forecasts:
        low, high, r = f[columns.RETURN_LOW], f[columns.RETURN_HIGH], truth.outcome_return
        known = np.isfinite(low) & np.isfinite(high) & np.isfinite(r)
        hit = (r >= low) & (r <= high)
        out.append(np.where(known, hit.astype(np.float64), np.nan))
    return np.stack(out)


def _trading(
    entry: ComparedModel, truth: Truth, trading: Trading, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the net log return and Sharpe ratio of the pack's own rules at one unit of stake.

    `stressed` doubles the costs and acts one candle later.
    """
    out: dict[str, Any] = {}
    sides = sides_taken(entry, trading)
    out["trades"] = float(np.mean([entries_of(side) for side in sides]))
    for name, factor, late in (("net", 1.0, 0), ("stressed", 2.0, 1)):
        cost_frac = factor * trading.cost_frac
        daily = np.stack(
            [by_day(truth.time_ms, row_returns(side, truth, cost_frac, late)) for side in sides]
        )  # (S, D)
        days = daily.shape[1]
        index = stationary_indices(days, min(_DAY_BLOCK, days), _DRAWS, rng)
        mean = daily.mean(axis=0)
        total = float(mean.sum())
        out[f"{name}_return"] = with_interval(total, mean[index].sum(axis=1)).as_dict() | {
            "seed_low": float(daily.sum(axis=1).min()),
            "seed_high": float(daily.sum(axis=1).max()),
        }
        per_seed = [float(sharpe(row)) for row in daily]
        out[f"{name}_sharpe"] = with_interval(
            float(np.mean(per_seed)), sharpe(daily[:, index]).mean(axis=0)
        ).as_dict()
    return out
