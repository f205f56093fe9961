"""Freqtrade's frames as arrays."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame

from models.base.types import Candles, IntArray


def time_ms(frame: DataFrame) -> IntArray:
    """Return the open times of a frame's candles in UTC milliseconds, (N,) int64."""
    times: IntArray = frame["date"].to_numpy("datetime64[ms]").astype(np.int64)
    return times


def candles(frame: DataFrame) -> Candles:
    """Return a frame's candles."""
    prices = ("open", "high", "low", "close", "volume")
    return Candles(
        time_ms=time_ms(frame), **{name: frame[name].to_numpy(np.float64) for name in prices}
    )
