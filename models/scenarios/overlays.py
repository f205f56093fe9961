"""What is laid over an engine's paths: rare things at a rate per year, each with its own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from scipy.ndimage import minimum_filter1d
from scipy.stats import chi2

from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory, PathBlock

YEAR_MS: Final = int(365.25 * DAY_MS)


class FittedOverlay(Protocol):
    """What one overlay learnt from a history."""

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def taken(self) -> Sequence[int]: ...  # rows of the history that come by it, not by the base

    def laid_over(self, block: PathBlock, rng: np.random.Generator) -> PathBlock:
        """Return a block with its events in it; paths without one are the block's own.

        The block is whole, `CHUNK` paths; its arrays are not changed.
        """
        ...


class Overlay(Protocol):
    """Rare events that no engine of ordinary candles has enough of."""

    def fit(self, history: CoinHistory) -> FittedOverlay:
        """Learn from a history how often, and how large."""
        ...


def years(history: CoinHistory) -> float:
    """Return the time a history's rows cover."""
    return len(history.close) * history.candle_ms / YEAR_MS


def rate_bound(events: float, exposure: float, confidence: float) -> float:
    """Return the one-sided upper bound of a Poisson rate, from `events` in `exposure`.

    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936: exact, and above
    zero for what never happened.

    Examples
    --------
    >>> round(rate_bound(0, 10.0, 0.95), 3), round(rate_bound(5, 10.0, 0.95), 3)
    (0.3, 1.051)
    """
    return float(chi2.ppf(confidence, 2 * events + 2)) / 2 / exposure


def deepest(history: CoinHistory, candles: int) -> FloatArray:
    """Return how deep each coin falls within the `candles` from each row on, (R - candles + 1, A).

    As the log of the lowest low over the close before the first; NaN where a gap lies within.
    """
    total = np.cumsum(history.close, axis=0)
    before = total - history.close  # log price at the close before each row
    lows = before + history.low
    ahead = -(candles // 2)  # the filter then looks at [row, row + candles)
    least = minimum_filter1d(lows, candles, axis=0, origin=ahead, mode="nearest")
    out = (least - before)[: len(lows) - candles + 1]
    span = history.time_ms[candles - 1 :] - history.time_ms[: len(out)]
    out[span != (candles - 1) * history.candle_ms] = np.nan
    return np.asarray(out)


def away_from_others(x: FloatArray) -> FloatArray:
    """Return each coin's value less the median of the others', over the last axis.

    Examples
    --------
    >>> away_from_others(np.array([-0.1, -0.2, -0.9])).round(2).tolist()
    [0.45, 0.3, -0.75]
    """
    coins = x.shape[-1]
    others = [np.median(np.delete(x, i, axis=-1), axis=-1) for i in range(coins)]
    return np.asarray(x - np.stack(others, axis=-1))


def cluster_peaks(values: FloatArray, time_ms: IntArray, apart_ms: int) -> IntArray:
    """Return the rows of the largest values above 0, no two of them closer than `apart_ms`.

    Greedy from the largest on.
    """
    kept: list[int] = []
    for row in np.argsort(-values, kind="stable"):
        if not values[row] > 0:
            break
        if all(abs(int(time_ms[row] - time_ms[k])) >= apart_ms for k in kept):
            kept.append(int(row))
    return np.array(sorted(kept), dtype=np.int64)
