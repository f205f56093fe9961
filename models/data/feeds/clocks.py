"""Whether two price series of one market were stamped in the same time zone.

A file whose times are another zone's passes every check of its own: it is in order, on the grid
and without gaps. Held against another series of the same market its returns fit, hours away.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS

_MOST_H: Final = 26  # zones reach from UTC-12 to UTC+14
_LEAST_ROWS: Final = 48  # common returns below which nothing is said
_FITS: Final = 0.9  # correlation of two series of one market; a shifted one has about 0
_APART: Final = 0.5


def hours_apart(
    first_ms: IntArray, first: FloatArray, second_ms: IntArray, second: FloatArray
) -> int:
    """Return by how many hours `first` is stamped later than `second`; 0 where both agree.

    Parameters
    ----------
    first_ms, first
        (N,) times, sorted, and prices > 0 at them. Times of the day's whole hours are compared.
    second_ms, second
        (M,) those of the other series.

    Examples
    --------
    >>> times = np.arange(200, dtype=np.int64) * HOUR_MS
    >>> price = np.exp(np.random.default_rng(0).normal(0, 0.01, 200).cumsum())
    >>> hours_apart(times, price, times, price)
    0
    >>> hours_apart(times + 4 * HOUR_MS, price, times, price)
    4
    """
    fit = {
        hours: _correlation(first_ms - hours * HOUR_MS, first, second_ms, second)
        for hours in range(-_MOST_H, _MOST_H + 1)
    }
    best = max(fit, key=lambda hours: (fit[hours], -abs(hours)))
    return best if fit[best] >= _FITS and fit[0] < _APART else 0


def _correlation(
    first_ms: IntArray, first: FloatArray, second_ms: IntArray, second: FloatArray
) -> float:
    """Return the correlation of returns over the times both have; 0 where they are too few."""
    hourly = first_ms % HOUR_MS == 0
    _, mine, theirs = np.intersect1d(
        first_ms[hourly], second_ms, assume_unique=True, return_indices=True
    )
    if len(mine) <= _LEAST_ROWS:
        return 0.0
    x, y = np.diff(np.log(first[hourly][mine])), np.diff(np.log(second[theirs]))
    if not (x.std() > 0 and y.std() > 0):
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
