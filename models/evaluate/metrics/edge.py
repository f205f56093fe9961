"""Claimed against realised: did the returns a model promised come?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from models.base.types import BoolArray, FloatArray, IntArray
from models.evaluate.metrics.resampling import Estimate, block_length, by_time, circular_ratio

_BPS: Final = 1e4
_HORIZON: Final = "horizon_candles"  # the one field that is not an array


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a model promised for each row it answered, and what came, (N,) each, sorted by time.

    Attributes
    ----------
    time_ms
        Candle open times; equal times of several pairs may repeat.
    claimed, edge, edge_low
        Log return over the horizon: mean of the quantiles, `models.base.columns.EDGE` and
        ``EDGE_LOW``; NaN where the model states none.
    realised
        Log return over the horizon, before costs; NaN where unknown.
    entered
        Side of the entry made on the row, 0 where there was none.
    horizon_candles
        Candles the outcome spans; sets the bootstrap's block length.
    """

    time_ms: IntArray
    claimed: FloatArray
    edge: FloatArray
    edge_low: FloatArray
    realised: FloatArray
    entered: IntArray
    horizon_candles: int

    @staticmethod
    def pooled(parts: Sequence[Claims]) -> Claims:
        """Return several pairs' claims as one, sorted by time; at least one part."""
        order = np.argsort(np.concatenate([part.time_ms for part in parts]), kind="stable")
        arrays = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])[order]
            for f in fields(Claims)
            if f.name != _HORIZON
        }
        return Claims(**arrays, horizon_candles=max(part.horizon_candles for part in parts))


def edge_metrics(c: Claims, bar_frac: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return claimed against realised return of three groups of rows, basis points of notional.

    Parameters
    ----------
    bar_frac
        What the edge's lower bound has to reach for an entry, log return.

    Returns
    -------
    dict
        ``stated`` rows with an edge, ``bar_bps``, and the groups ``alone`` (the quantiles by
        themselves claim the bar), ``passed`` (the edge's lower bound reaches it) and ``entries``
        (entered, at the side taken), each with the number of rows, estimates with 95 %
        block-bootstrap intervals of the mean claim, the mean of what came and the slope through
        the origin of what came on the claim, and whether the slope's interval contains 1.
    """
    with np.errstate(invalid="ignore"):
        alone, passed = np.abs(c.claimed) >= bar_frac, np.abs(c.edge_low) >= bar_frac
    streams = rng.spawn(3)
    return {
        "stated": int(np.isfinite(c.edge).sum()),
        "bar_bps": _BPS * bar_frac,
        "alone": _group(c, alone, c.claimed, np.sign(c.claimed), streams[0]),
        "passed": _group(c, passed, c.edge, np.sign(c.edge_low), streams[1]),
        "entries": _group(c, c.entered != 0, c.edge, c.entered.astype(np.float64), streams[2]),
    }


def _group(
    c: Claims, rows: BoolArray, claim: FloatArray, side: FloatArray, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the numbers of the `rows`; what is not stated or not known yet is left out."""
    known = rows & np.isfinite(claim) & np.isfinite(c.edge_low) & np.isfinite(c.realised)
    promised = np.where(known, _BPS * side * claim, 0.0)  # to the side
    came = np.where(known, _BPS * side * c.realised, 0.0)
    low = np.where(known, _BPS * side * c.edge_low, 0.0)
    slope = _ratio(c, promised * came, promised * promised, rng)
    return {
        "rows": int(rows.sum()),
        "rows_known": int(known.sum()),
        "claimed_bps": _ratio(c, promised, known, rng).as_dict(),
        "low_bps": _ratio(c, low, known, rng).as_dict(),
        "realised_bps": _ratio(c, came, known, rng).as_dict(),
        "slope": slope.as_dict(),
        "slope_has_one": bool(slope.low <= 1.0 <= slope.high) if np.isfinite(slope.low) else None,
    }


def _ratio(
    c: Claims, top: FloatArray, bottom: FloatArray | BoolArray, rng: np.random.Generator
) -> Estimate:
    """Return sum(top) / sum(bottom), with the interval of a bootstrap of blocks of time."""
    above, below = by_time(c.time_ms, top), by_time(c.time_ms, bottom)
    return circular_ratio(above, below, block_length(len(above), c.horizon_candles), rng)
