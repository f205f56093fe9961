"""What a hedge took away and what it cost, measured on returns of the hedged position.

Everything is a fraction of the primary's notional at the candle's start, so that a position that
has tripled does not count three times. Effectiveness after Ederington 1979: the share of variance
that is gone; here also of its downside and of the stormy hours alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.evaluate.metrics.equity import DAYS_PER_YEAR, drawdown, expected_shortfall
from models.evaluate.metrics.resampling import Estimate, circular_ratio, with_interval

STORM_SIGMAS: Final = 3.0
_DAY: Final = 24
_WEEK: Final = 7 * _DAY
_MONTH: Final = 30 * _DAY
_DRAWS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class HedgedReturns:
    """Hourly returns of a position and of its hedge, all (N,) fractions of the notional."""

    time_ms: IntArray
    primary: FloatArray
    hedge: FloatArray  # net of fees, slippage and funding
    cost: FloatArray  # fees and slippage, >= 0
    funding: FloatArray  # received by the hedge
    traded: FloatArray  # notional traded
    ratio: FloatArray  # sum over the legs, at the close

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            values = getattr(self, name)
            if len(values) != len(self.time_ms):
                raise AlignmentError(
                    f"expected {len(self.time_ms)} rows of {name}, got {len(values)}"
                )
            if not np.isfinite(values).all():
                raise InputError(f"expected finite {name}", where="hedged returns")
        if len(self.time_ms) < _WEEK:
            raise InputError(f"expected at least a week of hours, got {len(self.time_ms)}")

    @property
    def net(self) -> FloatArray:
        """Position and hedge together."""
        out: FloatArray = self.primary + self.hedge
        return out

    def between(self, rows: BoolArray) -> dict[str, FloatArray]:
        """Return primary and net of some rows."""
        return {"primary": self.primary[rows], "net": self.net[rows]}


def unhedged(r: HedgedReturns) -> HedgedReturns:
    """Return the same position without a hedge."""
    nothing = np.zeros(len(r.time_ms))
    return replace(
        r, hedge=nothing, cost=nothing, funding=nothing, traded=nothing, ratio=nothing
    )  # fmt: skip


def effectiveness(r: HedgedReturns, rng: np.random.Generator) -> dict[str, Any]:
    """Return every number of one hedge; estimates are value/low/high with 95 % intervals.

    Notes
    -----
    Hourly means are zero next to hourly deviations, so variance is the mean square. Intervals
    come from blocks of a week.
    """
    net, primary = r.net, r.primary
    sigma = float(primary.std())
    storm = np.abs(primary) > STORM_SIGMAS * sigma
    years = len(net) / (_DAY * DAYS_PER_YEAR)
    es_primary, es_net = expected_shortfall(primary), expected_shortfall(net)
    cost_year = float(r.cost.sum()) / years
    moving = np.std(r.hedge) > 0
    return {
        "mean_ratio": float(r.ratio.mean()),
        "effectiveness": share_gone(primary**2, net**2, rng).as_dict(),
        "downside": share_gone(np.minimum(primary, 0) ** 2, np.minimum(net, 0) ** 2, rng).as_dict(),
        "storm": share_gone(storm * primary**2, storm * net**2, rng).as_dict(),
        "storm_hours": int(storm.sum()),
        "correlation": float(np.corrcoef(r.hedge, primary)[0, 1]) if moving else np.nan,
        "correlation_storm": float(np.corrcoef(r.hedge[storm], primary[storm])[0, 1])
        if moving and storm.sum() > 2
        else np.nan,
        "es99": es_net,
        "es99_unhedged": es_primary,
        "max_drawdown": float(drawdown(_compound(net), 1.0).max()),
        "max_drawdown_unhedged": float(drawdown(_compound(primary), 1.0).max()),
        "worst_day": _worst_window(net, _DAY),
        "worst_day_unhedged": _worst_window(primary, _DAY),
        "worst_month": _worst_window(net, _MONTH),
        "worst_month_unhedged": _worst_window(primary, _MONTH),
        "turnover_year": float(r.traded.sum()) / years,
        "cost_year": cost_year,
        "funding_year": float(r.funding.sum()) / years,
        "cost_per_es": cost_year / (es_primary - es_net) if es_primary > es_net else np.nan,
        "trades": int((r.traded > 0).sum()),
    }


def share_gone(
    before: FloatArray, after: FloatArray, rng: np.random.Generator, block: int = _WEEK
) -> Estimate:
    """Return 1 - sum(after) / sum(before) with a block-bootstrap interval.

    Examples
    --------
    >>> share_gone(np.full(400, 4.0), np.full(400, 1.0), np.random.default_rng(0)).value
    0.75
    """
    left = circular_ratio(after, before, block, rng, _DRAWS)
    return Estimate(1 - left.value, 1 - left.high, 1 - left.low)


def paired(ours: HedgedReturns, theirs: HedgedReturns, rng: np.random.Generator) -> dict[str, Any]:
    """Return ours minus theirs in effectiveness and in ES99, weeks drawn in pairs.

    Raises
    ------
    AlignmentError
        If they are not of the same hours.
    """
    if not np.array_equal(ours.time_ms, theirs.time_ms):
        raise AlignmentError("expected two hedges of the same hours")
    a, b, base = ours.net, theirs.net, ours.primary
    gain = circular_ratio(b**2 - a**2, base**2, _WEEK, rng, _DRAWS)
    gap = np.empty(_DRAWS // 2)
    for i in range(len(gap)):
        first = rng.integers(0, len(a), size=(-(-len(a) // _WEEK), 1))
        rows = ((first + np.arange(_WEEK)) % len(a)).ravel()[: len(a)]
        gap[i] = _shortfall(a[rows]) - _shortfall(b[rows])
    es = with_interval(expected_shortfall(a) - expected_shortfall(b), gap)
    return {"effectiveness": gain.as_dict(), "es99": es.as_dict()}


def _shortfall(returns: FloatArray, tail: float = 0.01) -> float:
    """Return what `expected_shortfall` does, without sorting everything.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> bool(np.isclose(_shortfall(x), expected_shortfall(x)))
    True
    """
    count = max(1, int(np.ceil(tail * len(returns) - 1e-9)))
    return float(-np.partition(returns, count - 1)[:count].mean())


def episode(r: HedgedReturns, start_ms: int, stop_ms: int) -> dict[str, Any] | None:
    """Return one crash's numbers with and without the hedge; None if it is not in the hours."""
    rows = (r.time_ms >= start_ms) & (r.time_ms < stop_ms)
    if r.time_ms[0] > start_ms or r.time_ms[-1] < stop_ms - HOUR_MS or rows.sum() < 2:
        return None
    part = r.between(rows)
    out: dict[str, Any] = {"start_ms": start_ms, "stop_ms": stop_ms}
    for name, values in part.items():
        path = np.cumsum(values)  # of the notional at the candle, not compounded: a position held
        out[f"drawdown_{name}"] = _fall(path)
        out[f"es99_{name}"] = expected_shortfall(values)
        out[f"result_{name}"] = float(path[-1])
    out["effectiveness"] = float(1 - np.sum(part["net"] ** 2) / np.sum(part["primary"] ** 2))
    out["ratio"] = float(r.ratio[rows].mean())
    return out


def _fall(path: FloatArray) -> float:
    """Return the largest fall of a cumulated path from its running peak, 0 included."""
    whole = np.concatenate(([0.0], path))
    return float((np.maximum.accumulate(whole) - whole).max())


def _compound(returns: FloatArray) -> FloatArray:
    out: FloatArray = np.cumprod(np.maximum(1.0 + returns, 1e-12), dtype=np.float64)
    return out


def _worst_window(returns: FloatArray, rows: int) -> float:
    """Return the worst compounded result of `rows` consecutive rows; NaN if fewer exist."""
    if len(returns) < rows:
        return float("nan")
    path = np.concatenate(([0.0], np.cumsum(np.log(np.maximum(1.0 + returns, 1e-12)))))
    return float(np.expm1((path[rows:] - path[:-rows]).min()))
