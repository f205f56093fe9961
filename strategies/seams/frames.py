"""Freqtrade's frames as the arrays `models` works on."""

from __future__ import annotations

from typing import Final

import numpy as np
from pandas import DataFrame

from models.base.types import Candles, IntArray

_PRICES: Final = ("open", "high", "low", "close", "volume")


def time_ms(frame: DataFrame) -> IntArray:
    """Return the open times of a frame's candles in UTC milliseconds, (N,) int64."""
    times: IntArray = frame["date"].to_numpy("datetime64[ms]").astype(np.int64)
    return times


def candles(frame: DataFrame) -> Candles:
    """Return a frame's candles, (N,) each."""
    return Candles(
        time_ms=time_ms(frame), **{name: frame[name].to_numpy(np.float64) for name in _PRICES}
    )
