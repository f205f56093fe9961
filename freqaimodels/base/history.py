"""Candle history as FreqAI keeps it between retrainings, with one kind of date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

import pandas as pd
from pandas import DataFrame, Series


def unify_dates(history: Mapping[str, dict[str, DataFrame]]) -> None:
    """Give every frame of `history` (pair -> timeframe -> frame) dates in `datetime.UTC`.

    Feather and parquet files come back in `ZoneInfo("UTC")`, the exchange's candles in
    `datetime.UTC`. pandas 3 takes these for two time zones: the first candle appended makes `date`
    a column of objects, on which `.dt` and joins with a frame not yet appended to raise.

    Examples
    --------
    >>> dates = pd.date_range("2024-01-01", periods=2, tz="Europe/Berlin")
    >>> history = {"BTC/USDT:USDT": {"1h": DataFrame({"date": dates})}}
    >>> unify_dates(history)
    >>> history["BTC/USDT:USDT"]["1h"]["date"].dt.tz
    datetime.timezone.utc
    """
    for frames in history.values():
        for timeframe, frame in frames.items():
            if not _in_utc(frame["date"]):
                frames[timeframe] = frame.assign(date=pd.to_datetime(frame["date"], utc=True))


def _in_utc(dates: Series) -> bool:
    return isinstance(dates.dtype, pd.DatetimeTZDtype) and dates.dtype.tz == UTC
