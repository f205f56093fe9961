"""Freqtrade's frames to the arrays `models` works on, and back."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame

from models import columns
from models.types import Candles, FloatArray, IntArray


def time_ms(frame: DataFrame) -> IntArray:
    """Return the open times of a frame's candles in UTC milliseconds, (N,) int64."""
    times: IntArray = frame["date"].to_numpy("datetime64[ms]").astype(np.int64)
    return times


def candles(frame: DataFrame) -> Candles:
    """Return a frame's candles as arrays."""
    return Candles(
        time_ms=time_ms(frame),
        **{
            name: frame[name].to_numpy(np.float64)
            for name in ("open", "high", "low", "close", "volume")
        },
    )


def forecast(frame: DataFrame) -> dict[str, FloatArray]:
    """Return the forecast columns of a frame, column name -> (N,) float64."""
    return {name: frame[name].to_numpy(np.float64) for name in columns.FORECAST}


def restore_missing_forecasts(frame: DataFrame) -> DataFrame:
    """Turn FreqAI's zeros back into "no forecast": NaN, `abstain` 1, `do_predict` 0.

    FreqAI fills warm-up, downtime and skipped candles with rows of zeros that look like forecasts,
    and adds only the label columns while there is no model yet. The NaN of a head the model does
    not have becomes zero as well: a safe hazard nobody forecast.
    """
    for name in columns.FORECAST:
        if name not in frame.columns:
            frame[name] = np.nan
    total = frame[columns.P_UP] + frame[columns.P_FLAT] + frame[columns.P_DOWN]
    # Probabilities sum to one; a row of zeros or NaN was never forecast.
    missing = ~(total > 0.5) | (frame["do_predict"] != 1)
    frame.loc[missing, list(columns.FORECAST)] = np.nan
    frame.loc[missing, columns.ABSTAIN] = 1.0
    frame.loc[missing & (frame["do_predict"] == 1), "do_predict"] = 0
    for names in columns.OF_HEAD.values():
        # No forecast is zero in all of a head's columns: the model does not have that head.
        filled = (frame[list(names)] == 0).all(axis=1)
        frame.loc[filled, list(names)] = np.nan
    return frame
