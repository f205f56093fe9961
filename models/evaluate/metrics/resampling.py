"""Bootstrap intervals for dependent series.

Candles are not independent: volatility clusters, and two forecasts over H candles made one candle
apart share H - 1 candles of outcome. Resampling whole blocks keeps that dependence; resampling
single rows would give intervals several times too narrow.

The stationary bootstrap is in `models.base.resampling`.
Circular blocks: Politis & Romano, "A circular block-resampling procedure", 1992.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from models.base.errors import InputError
from models.base.resampling import block_sums
from models.base.types import FloatArray, IntArray

DRAWS: Final = 2_000
TAIL: Final = 0.025  # on each side: 95 % intervals everywhere


class Estimate(NamedTuple):
    """A number and the ends of its 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return the three numbers under their names."""
        return self._asdict()


_LEAST_BLOCKS: Final = 5
UNKNOWN: Final = Estimate(np.nan, np.nan, np.nan)


def block_length(n: int, horizon_candles: int) -> int:
    """Return the block length in rows: several horizons, and growing with n as theory asks.

    Examples
    --------
    >>> block_length(1000, 1), block_length(1000, 12)
    (10, 48)
    """
    return max(1, min(max(4 * horizon_candles, round(float(np.cbrt(n)))), n))


def circular_ratio(
    numerator: FloatArray,
    denominator: FloatArray,
    block: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Estimate:
    """Return sum(numerator) / sum(denominator) with a circular block-bootstrap 95 % interval.

    Parameters
    ----------
    numerator, denominator
        (T,) one value per time step, oldest first; rows that do not count are 0 in both. Sums
        over pairs belong here, so that pairs of one time stay in one block.
    block
        Block length in time steps; use `block_length`.

    Notes
    -----
    A mean is the ratio with a denominator of ones. NaN where the denominator sums to 0. Without
    an interval where fewer than five of the n / block blocks hold anything that counts: the
    same few numbers drawn again and again would look certain.

    Examples
    --------
    >>> circular_ratio(np.ones(50), np.ones(50), 5, np.random.default_rng(0))
    Estimate(value=1.0, low=1.0, high=1.0)
    """
    n = len(numerator)
    if n != len(denominator):
        raise InputError(f"expected equal lengths, got {n} and {len(denominator)}")
    total = float(denominator.sum()) if n else 0.0
    if total == 0.0:
        return UNKNOWN
    block = max(1, min(block, n))
    start = rng.integers(0, n, size=(draws, -(-n // block)))
    counted = np.logical_or.reduceat(denominator != 0, np.arange(0, n, block))
    if counted.sum() < _LEAST_BLOCKS:
        return Estimate(float(numerator.sum()) / total, np.nan, np.nan)
    top = block_sums(numerator, block)[start].sum(axis=1)
    bottom = block_sums(denominator, block)[start].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(bottom != 0, top / bottom, np.nan)
    return with_interval(float(numerator.sum()) / total, ratio)


def with_interval(value: float, draws: FloatArray) -> Estimate:
    """Return `value` with the percentile interval of the finite draws; NaN ends if too few."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < max(20, len(draws) // 2) or not np.isfinite(value):
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(finite, [TAIL, 1 - TAIL])
    return Estimate(value, float(low), float(high))


def by_time(time_ms: IntArray, values: ArrayLike) -> FloatArray:
    """Return `values` summed over rows of equal time, in order of time.

    Examples
    --------
    >>> by_time(np.array([2, 1, 2]), [1.0, 5.0, 2.0])
    array([5., 3.])
    """
    _, slot = np.unique(time_ms, return_inverse=True)
    return np.asarray(np.bincount(slot, weights=values), dtype=np.float64)
