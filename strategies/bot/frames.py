"""Freqtrade's frames to the arrays `models` works on, and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from models.base import columns
from models.base.types import FloatArray
from strategies.seams.frames import candles, time_ms

__all__ = ["candles", "forecast", "restore_missing_forecasts", "time_ms", "with_interval_prices"]

_FORECAST = list(columns.FORECAST)
_CLASSES = [_FORECAST.index(name) for name in (columns.P_UP, columns.P_FLAT, columns.P_DOWN)]
# A drift or a rate of false alarms nobody could tell is filled as well; one that is told is never
# exactly zero.
_HEADS = [
    [_FORECAST.index(name) for name in names]
    for names in (
        *columns.OF_HEAD.values(),
        (columns.DRIFT,),
        (columns.FALSE_ALARMS_DOWN,),
        (columns.FALSE_ALARMS_UP,),
    )
]


def forecast(frame: DataFrame) -> dict[str, FloatArray]:
    """Return the forecast columns of a frame, column name -> (N,) float64."""
    # At once: of each column by itself most of the time goes to finding it.
    return dict(zip(_FORECAST, frame[_FORECAST].to_numpy(np.float64).T, strict=True))


def restore_missing_forecasts(frame: DataFrame) -> DataFrame:
    """Turn FreqAI's zeros back into "no forecast": NaN, `abstain` 1, `do_predict` 0.

    FreqAI fills warm-up, downtime and skipped candles with rows of zeros that look like forecasts,
    and adds only the label columns while there is no model yet. The NaN of a head the model does
    not have becomes zero as well: a safe hazard nobody forecast.
    """
    # One block of numbers and one new frame: a frame written cell by cell costs most of the time
    # from a candle's close to its order.
    values = frame.reindex(columns=_FORECAST).to_numpy(np.float64, copy=True)  # (N, C)
    predicted = frame["do_predict"].to_numpy()
    total = values[:, _CLASSES].sum(axis=1)
    # Probabilities sum to one; a row of zeros or NaN was never forecast.
    missing = ~(total > 0.5) | (predicted != 1)
    values[missing] = np.nan
    values[missing, _FORECAST.index(columns.ABSTAIN)] = 1.0
    for head in _HEADS:
        # No forecast is zero in all of a head's columns: the model does not have that head.
        filled = (values[:, head] == 0).all(axis=1)
        values[np.ix_(filled, head)] = np.nan
    rest = frame.drop(columns=_FORECAST, errors="ignore")
    rest["do_predict"] = np.where(missing & (predicted == 1), 0, predicted)
    told = DataFrame(values, columns=_FORECAST, index=frame.index, copy=False)
    order = list(dict.fromkeys((*frame.columns, *_FORECAST)))
    return pd.concat((rest, told), axis=1)[order]


def with_interval_prices(frame: DataFrame) -> DataFrame:
    """Add the prices between which a forecast expects the close, for charts."""
    return frame.assign(
        interval_low=frame["close"] * np.exp(frame[columns.RETURN_LOW]),
        interval_high=frame["close"] * np.exp(frame[columns.RETURN_HIGH]),
    )
