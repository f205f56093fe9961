"""Forecast columns another bot has told over Freqtrade's websocket, made fit to be trusted or not.

Freqtrade hands over what a producer's strategy analysed, as JSON with ten decimals. A row is taken
where its candle is one of this bot's, with the same close; anything else is no forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from models.base import columns

_DO_PREDICT: Final = "do_predict"
_NEEDED: Final = ("date", "close", _DO_PREDICT, *columns.FORECAST)
_DECIMALS: Final = 1e-9  # JSON's ten, and a unit in the last place


@dataclass(frozen=True, kw_only=True)
class ConsumerConfig:
    """How long a bot waits for another one's forecast."""

    wait_s: float = 3.0  # after a candle's close, for the producer's row; then there is none

    def __post_init__(self) -> None:
        if not 0 < self.wait_s <= 4:  # stops, guards and a halt wait for the loop
            raise ValueError(f"expected 0 < wait_s <= 4, got {self.wait_s}")


def missing_columns(told: DataFrame) -> list[str]:
    """Return which columns of a forecast a producer does not tell."""
    return [name for name in _NEEDED if name not in told.columns]


def tells_newest(told: DataFrame, candles: DataFrame) -> bool:
    """Return whether a producer has told of this bot's newest candle."""
    return "date" in told.columns and bool((told["date"] == candles["date"].iloc[-1]).any())


def with_told(candles: DataFrame, told: DataFrame) -> tuple[DataFrame, str]:
    """Return a frame with a producer's forecasts, and why its newest row has none; else "".

    Parameters
    ----------
    candles
        This bot's own.
    told
        The producer's analysed frame; empty where none has come.
    """
    names = [_DO_PREDICT, *columns.FORECAST]
    why = _refused(candles, told)
    if why:
        nothing = dict.fromkeys(columns.FORECAST, np.nan) | {columns.ABSTAIN: 1.0, _DO_PREDICT: 0}
        return candles.assign(**nothing), why
    rows = told.drop_duplicates("date", keep="last").set_index("date")
    rows = rows.reindex(pd.DatetimeIndex(candles["date"])).reset_index(drop=True)
    values = rows[names].apply(pd.to_numeric, errors="coerce")
    other = ~_same(candles["close"].to_numpy(np.float64), rows["close"])
    values[other] = np.nan
    values[_DO_PREDICT] = values[_DO_PREDICT].fillna(0).astype(np.int_)
    return candles.assign(**{name: values[name].to_numpy() for name in names}), ""


def _refused(candles: DataFrame, told: DataFrame) -> str:
    """Return why a producer's word on the newest candle is not taken; nothing if it is."""
    if told.empty:
        return "it has told nothing yet"
    if missing := missing_columns(told):
        return f"it does not tell {', '.join(missing[:4])}: no model of the pack's, or another one"
    if not tells_newest(told, candles):
        return f"its newest candle is of {told['date'].iloc[-1]}"
    last, mine = told[told["date"] == candles["date"].iloc[-1]].iloc[-1:], candles["close"].iloc[-1]
    if not _same(np.array([mine], np.float64), last["close"]).all():
        return f"it closes the candle at {last['close'].iloc[0]}, this bot at {mine}: other candles"
    return ""


def _same(mine: np.ndarray, theirs: pd.Series) -> np.ndarray:  # type: ignore[type-arg]
    """Return which closes are the same but for what JSON rounds."""
    other = pd.to_numeric(theirs, errors="coerce").to_numpy(np.float64)
    same: np.ndarray = np.abs(mine - other) <= _DECIMALS * (1 + np.abs(mine))
    return same
