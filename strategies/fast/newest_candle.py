"""Adds the candle that has just closed to those Freqtrade keeps, without building them all anew.

Freqtrade asks for a hundred candles, and groups, resamples and fills everything it keeps after each
fetch: per pair that costs more than all the pack computes. Here three candles are asked for. Where
they are the newest kept one, unchanged, the one that closed and the one that forms, the closed one
is appended. In every other case nothing is touched, and Freqtrade's own fetch has to do.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

import pandas as pd
from freqtrade.enums import CandleType
from freqtrade.exchange import Exchange, timeframe_to_msecs
from pandas import DataFrame

from strategies.seams.async_client import ask_together
from strategies.seams.kept_candles import (
    Market,
    keep_candles,
    kept_candles,
    most_candles_kept,
)

_Rows: TypeAlias = list[list[float]]  # (N, 6): open time in ms, open, high, low, close, volume

_PRICES: Final = ["open", "high", "low", "close", "volume"]


class AppendOutcome(Enum):
    """What became of one market."""

    APPENDED = "appended"
    EARLY = "early"  # the exchange does not list the forming candle yet: ask again
    ODD = "odd"  # a gap, a correction, an error: Freqtrade's own fetch is needed


class NewestCandle:
    """Appends to the candles of Freqtrade's exchange object.

    Parameters
    ----------
    exchange
        Freqtrade's; its candles and the times it goes by are written.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def append(self, markets: Sequence[Market], opened_ms: int) -> dict[Market, AppendOutcome]:
        """Fetch and append the candle that opened at `opened_ms`, UTC, to each of `markets`.

        Parameters
        ----------
        markets
            Of one timeframe, as Freqtrade keeps its candles.
        """
        asked_ms = round(time.time() * 1000)

        def requests(client: Any) -> list[Awaitable[_Rows]]:
            return [client.fetch_ohlcv(pair, timeframe=tf, limit=3) for pair, tf, _ in markets]

        outcomes = {}
        for market, answer in zip(markets, ask_together(self._exchange, requests), strict=True):
            kept = kept_candles(self._exchange, market)
            rows = self._fitting(kept, answer, market, opened_ms)
            outcomes[market] = rows if isinstance(rows, AppendOutcome) else AppendOutcome.APPENDED
            if kept is not None and not isinstance(rows, AppendOutcome):
                longer = self._longer(kept, rows[1])
                keep_candles(self._exchange, market, longer, opened_ms=opened_ms, asked_ms=asked_ms)
        return outcomes

    def _fitting(
        self, kept: DataFrame | None, answer: _Rows | BaseException, market: Market, opened_ms: int
    ) -> _Rows | AppendOutcome:
        """Return the rows answered where the middle one can be appended, else why not."""
        _, timeframe, kind = market
        candle_ms = timeframe_to_msecs(timeframe)
        if kind not in (CandleType.FUTURES, CandleType.SPOT) or kept is None or kept.empty:
            return AppendOutcome.ODD
        if isinstance(answer, BaseException) or _ms(kept) != opened_ms - candle_ms:
            return AppendOutcome.ODD
        times = [row[0] for row in answer]
        if times[-1:] in ([opened_ms], [opened_ms - candle_ms]):
            return AppendOutcome.EARLY
        if times != [opened_ms + i * candle_ms for i in (-1, 0, 1)]:
            return AppendOutcome.ODD
        if answer[0][1:] != kept[_PRICES].iloc[-1].tolist():
            return AppendOutcome.ODD
        return answer

    def _longer(self, kept: DataFrame, row: list[float]) -> DataFrame:
        """Return `kept` and `row`, without what Freqtrade would age out."""
        opened = pd.Timestamp(row[0], unit="ms", tz="UTC")
        given: dict[str, Any] = {"date": pd.Series([opened], dtype=kept["date"].dtype)} | {
            name: [float(value)] for name, value in zip(_PRICES, row[1:], strict=True)
        }
        newest = DataFrame({name: given[name] for name in kept.columns})
        older = kept.tail(most_candles_kept(self._exchange) - 1)
        return pd.concat((older, newest), ignore_index=True)


def _ms(kept: DataFrame) -> int:
    opened: pd.Timestamp = kept["date"].iloc[-1]
    return round(opened.timestamp() * 1000)
