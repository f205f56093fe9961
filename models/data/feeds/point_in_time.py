"""Extra data on the candles' clock: what was public at each close, and how old it was.

A value counts from the moment it was published, not from the moment it is about. What was never
known, or is too old to go by, is NaN with its age beside it; nothing is filled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import FloatArray, IntArray


class Joined(NamedTuple):
    """A feed on the candles' clock, (N,) each."""

    value: FloatArray  # NaN where nothing was public, or nothing fresh enough
    age_ms: FloatArray  # since the value was published; NaN where there never was one


def join(
    close_ms: IntArray,
    about_ms: IntArray,
    values: FloatArray,
    *,
    lag_ms: int,
    longest_ms: int,
    received_ms: IntArray | None = None,
) -> Joined:
    """Return the newest value public at each candle's close.

    Parameters
    ----------
    close_ms
        (N,) when each candle closed, increasing.
    about_ms
        (M,) the end of the interval each value is about, increasing: for a bar, its close.
    values
        (M,); a NaN is no news, the value before it stands until it is too old.
    lag_ms
        From `about_ms` to when the value can be read, at worst.
    longest_ms
        Oldest age a value may be used at.
    received_ms
        (M,) when each value was in fact received; it counts from then if that is later. The values
        may then come in any order: a newer one received first is not replaced by an older one.

    Raises
    ------
    AlignmentError
        If times are not increasing, or not as many as values.
    InputError
        If the lag is negative: that would be reading tomorrow's paper.

    Examples
    --------
    >>> join(np.array([10, 20, 30, 99]), np.array([5, 15]), np.array([1.0, 2.0]),
    ...      lag_ms=5, longest_ms=20)
    Joined(value=array([ 1.,  2.,  2., nan]), age_ms=array([ 0.,  0., 10., 79.]))
    """
    if len(about_ms) != len(values):
        raise AlignmentError(f"expected one time per value, got {len(about_ms)} and {len(values)}")
    _check_increasing("candle closes", close_ms)
    if received_ms is None:
        _check_increasing("feed times", about_ms)
    if lag_ms < 0 or longest_ms < 0:
        raise InputError(f"expected lag and longest age >= 0, got {lag_ms} and {longest_ms}")
    finite = np.isfinite(values)
    about, known = about_ms[finite], values[finite]
    public_ms = about + lag_ms
    known_ms = public_ms
    if received_ms is not None:
        known_ms = np.maximum(public_ms, received_ms[finite])
        order = np.lexsort((about, known_ms))
        newest = np.maximum.accumulate(about[order]) if len(order) else about
        kept = order[about[order] == newest]
        public_ms, known_ms, known = public_ms[kept], known_ms[kept], known[kept]
    at = np.searchsorted(known_ms, close_ms, side="right") - 1
    some = at >= 0
    age = np.full(len(close_ms), np.nan)
    out = np.full(len(close_ms), np.nan)
    age[some] = close_ms[some] - public_ms[at[some]]
    fresh = some & (np.nan_to_num(age, nan=np.inf) <= longest_ms)
    out[fresh] = known[at[fresh]]
    return Joined(out, age)


def _check_increasing(what: str, times: IntArray) -> None:
    if (np.diff(times) <= 0).any():
        row = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 1
        raise AlignmentError(
            f"expected increasing {what}, got {times[row]} after {times[row - 1]}",
            where=f"row {row}",
            cure="sort by time and drop duplicates before joining",
        )


def window_sum(
    close_ms: IntArray, known_ms: IntArray, values: FloatArray, window_ms: int
) -> FloatArray:
    """Return the sum of what was seen in (close - window, close] at each close, (N,) or (N, K).

    Parameters
    ----------
    seen_ms
        (M,) when each value was seen, in any order.
    values
        (M,) or (M, K), finite.

    Examples
    --------
    >>> window_sum(np.array([10, 20]), np.array([5, 10, 15]), np.array([1.0, 2.0, 4.0]), 10)
    array([3., 4.])
    """
    order = np.argsort(known_ms, kind="stable")
    times = known_ms[order]
    ends = np.searchsorted(times, close_ms, side="right")
    starts = np.searchsorted(times, close_ms - window_ms, side="right")
    # Summed apart, not as the difference of two running sums: what comes later, or was there long
    # before, must not change a digit.
    rows = [values[order[a:b]].sum(axis=0) for a, b in zip(starts, ends, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(close_ms), *values.shape[1:])
