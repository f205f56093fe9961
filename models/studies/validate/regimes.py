"""In what kind of market each candle was, told at its own close.

Nine kinds: falling, level or rising over the last thirty days, times calm, usual or wild over the
last week. What counts as rising or wild is known at the time: thirds of all candles before.
"""

from __future__ import annotations

from bisect import insort
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS

TRENDS: Final = ("falling", "level", "rising")
CALMS: Final = ("calm", "usual", "wild")
MARKET_KINDS: Final = tuple(f"{trend}, {calm}" for trend in TRENDS for calm in CALMS)
_TREND_DAYS: Final = 30
_CALM_DAYS: Final = 7
_LEAST: Final = 90  # days of candles before anything is called rising or wild


def market_regimes(close: FloatArray, candle_ms: int) -> IntArray:
    """Return each candle's number in `MARKET_KINDS`, (N,) -> (N,); -1 where too little is known.

    Row t knows closes up to its own, whatever comes after.

    Raises
    ------
    InputError
        If a candle is longer than a day.
    """
    if candle_ms > DAY_MS:
        raise InputError(f"expected candles of a day at most, got {candle_ms / DAY_MS:g} days")
    day = DAY_MS // candle_ms
    log = np.log(close)
    trend, sizes = np.full(len(log), np.nan), np.full(len(log), np.nan)
    far, near = _TREND_DAYS * day, _CALM_DAYS * day
    trend[far:] = log[far:] - log[:-far]
    squares = np.concatenate(([0.0], np.cumsum(np.diff(log, prepend=log[:1]) ** 2)))
    sizes[near:] = np.sqrt(squares[near + 1 :] - squares[1:-near])
    third = _thirds(trend, _LEAST * day), _thirds(sizes, _LEAST * day)
    known = (third[0] >= 0) & (third[1] >= 0)
    return np.where(known, len(CALMS) * third[0] + third[1], -1)


def _thirds(values: FloatArray, least: int) -> IntArray:
    """Return 0, 1 or 2: in which third of the known values up to its own each one is; -1 unknown.

    Examples
    --------
    >>> _thirds(np.array([2.0, 1.0, 3.0, 9.0, 0.0]), 2)
    array([-1,  0,  2,  2,  0])
    """
    out = np.full(len(values), -1, dtype=np.int64)
    seen: list[float] = []
    for row, value in enumerate(values.tolist()):
        if value != value:
            continue
        insort(seen, value)
        n = len(seen)
        if n >= least:
            out[row] = int(value > seen[(n - 1) // 3]) + int(value > seen[2 * (n - 1) // 3])
    return out
