"""One pair's forecasts while it is served live: the new candle computed, the rest remembered.

FreqAI's own way stays for everything out of the ordinary (start, skipped candles, an expired model,
a strategy with features of its own) and is what the lane is checked against before it is used.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from freqaimodels.base.live_rows import LiveRows
from models.base import columns
from models.base.types import Float32Array, FloatArray
from strategies.seams.frames import time_ms

RETURNED = (*columns.FORECAST, "do_predict")


class FastLane:
    """What the pair was told for each candle of the strategy's frame.

    Parameters
    ----------
    answered
        FreqAI's own answer: candles, forecast columns and features.
    """

    def __init__(self, rows: LiveRows, answered: DataFrame) -> None:
        self.rows = rows
        self._times = time_ms(answered)  # (N,)
        self._told: FloatArray = answered[list(RETURNED)].to_numpy(np.float64)  # (N, C)

    def follows(self, dataframe: DataFrame) -> bool:
        """Return whether `dataframe` is the last one with exactly one new candle."""
        times = time_ms(dataframe)
        return (
            1 < len(times) <= len(self._times) + 1
            and times[-2] == self._times[-1]
            and times[0] == self._times[len(self._times) + 1 - len(times)]
        )

    def append(self, dataframe: DataFrame, forecast: dict[str, FloatArray]) -> DataFrame:
        """Return `dataframe` with the forecast columns; its last row is that of `forecast`."""
        newest = [forecast[name][-1] for name in columns.FORECAST]
        newest.append(float(np.isfinite(forecast[columns.P_UP][-1])))
        times = time_ms(dataframe)
        self._told = np.vstack((self._told[-len(times) :], newest))[-len(times) :]
        self._times = times
        told = DataFrame(self._told, columns=list(RETURNED), index=dataframe.index, copy=False)
        return pd.concat((dataframe, told), axis=1)


def agrees(standard: DataFrame, names: tuple[str, ...], rows: Float32Array) -> bool:
    """Return whether FreqAI's features are those of the lane, to float32's rounding."""
    theirs = standard[list(names)].tail(len(rows)).to_numpy(np.float32)
    return np.allclose(theirs, rows, rtol=1e-4, atol=1e-5, equal_nan=True)
