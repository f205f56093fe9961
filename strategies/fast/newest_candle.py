"""Adds the candle that has just closed to those Freqtrade keeps, without building them all anew.

Freqtrade asks for a hundred candles, and groups, resamples and fills everything it keeps after each
fetch: per pair that costs more than all the pack computes. Here three candles are asked for. Where
they are the newest kept one, unchanged, the one that closed and the one that forms, the closed one
is appended. In every other case nothing is touched, and Freqtrade's own fetch has to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import pandas as pd
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs
from pandas import DataFrame

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

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange

    def append(self, markets: Sequence[Any], opened_ms: int) -> dict[Any, AppendOutcome]:
        """Fetch and append the candle that opened at `opened_ms`, UTC, to each of `markets`.

        Parameters
        ----------
        markets
            (pair, timeframe, candle type), of one timeframe, as Freqtrade keeps its candles.
        """
        exchange, client = self._exchange, self._exchange._api_async
        asked_ms = round(time.time() * 1000)

        async def ask() -> list[Any]:
            asked = (client.fetch_ohlcv(pair, timeframe=tf, limit=3) for pair, tf, _ in markets)
            return await asyncio.gather(*asked, return_exceptions=True)

        with exchange._loop_lock:
            answers = exchange.loop.run_until_complete(ask())
        outcomes = {}
        for market, answer in zip(markets, answers, strict=True):
            kept = exchange._klines.get(market)
            outcomes[market] = self._judged(kept, answer, market, opened_ms)
            if outcomes[market] is AppendOutcome.APPENDED:
                exchange._klines[market] = self._longer(kept, answer[1])
                exchange._pairs_last_refresh_time[market] = opened_ms
                exchange._pairs_last_poll_time[market] = asked_ms
        return outcomes

    def _judged(self, kept: Any, answer: Any, market: Any, opened_ms: int) -> AppendOutcome:
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
        return AppendOutcome.APPENDED

    def _longer(self, kept: DataFrame, row: list[float]) -> DataFrame:
        """Return `kept` and `row`, without what Freqtrade would age out."""
        exchange, config = self._exchange, self._exchange._config
        limit = exchange.ohlcv_candle_limit(config["timeframe"], config["candle_type_def"])
        opened = pd.Timestamp(row[0], unit="ms", tz="UTC")
        given = {"date": pd.array([opened], dtype=kept["date"].dtype)} | {
            name: [float(value)] for name, value in zip(_PRICES, row[1:], strict=True)
        }
        newest = DataFrame({name: given[name] for name in kept.columns})
        older = kept.tail(limit + exchange._startup_candle_count - 1)
        return pd.concat((older, newest), ignore_index=True)


def _ms(kept: DataFrame) -> int:
    return round(kept["date"].iloc[-1].timestamp() * 1000)
