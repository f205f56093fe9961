"""The candle that closed is appended as Freqtrade would have it, or nothing is touched."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import ccxt
import pandas as pd
import pytest
from freqtrade.enums import CandleType
from freqtrade.exchange import Exchange

from strategies.fast.newest_candle import AppendOutcome, NewestCandle

BTC = ("BTC/USDT:USDT", "1m", CandleType.FUTURES)
ETH = ("ETH/USDT:USDT", "1m", CandleType.FUTURES)
MINUTE = 60_000
START = 1_700_000_040_000 // MINUTE * MINUTE
KEPT = 8  # candles Freqtrade keeps: a request's limit of 5 and a start-up of 3


def tick(number: int) -> list[Any]:
    return [START + number * MINUTE, 100.0 + number, 102.0, 99.5, 101.0 + number, 7.25]


class Client:
    """What ccxt's asynchronous client would answer, per pair."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def fetch_ohlcv(self, pair: str, *, timeframe: str, limit: int) -> list[Any]:
        assert (timeframe, limit) == ("1m", 3)
        answer = self.answers[pair]
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


class Kept(Exchange):
    """Freqtrade's own exchange with `count` candles of BTC and ETH, and nothing to connect to."""

    def __init__(self, answers: dict[str, Any], count: int) -> None:
        self._api_async = Client(answers)
        self._config = {"timeframe": "1m", "candle_type_def": CandleType.FUTURES}
        self._startup_candle_count = 3
        self._klines, self._loop_lock = {}, nullcontext()
        self._pairs_last_refresh_time, self._pairs_last_poll_time = {}, {}
        self.loop = asyncio.new_event_loop()
        for market in (BTC, ETH):
            self.fetched(market, [tick(i) for i in range(count + 1)])

    def __del__(self) -> None:
        self.loop.close()

    def ohlcv_candle_limit(self, *args: Any, **kwargs: Any) -> int:
        return 5

    def fetched(self, market: Any, ticks: list[Any]) -> None:
        """Keep these candles, the last of them still forming, in Freqtrade's way."""
        self._process_ohlcv_df(*market, ticks, True, True, ticks[-1][0] + 5)


@pytest.mark.parametrize("count", [4, KEPT - 1, KEPT])
def test_append_when_one_candle_closed_then_all_is_as_after_freqtrades_own_fetch(
    count: int,
) -> None:
    news = [tick(i) for i in (count - 1, count, count + 1)]
    ours, theirs = Kept({BTC[0]: news, ETH[0]: news}, count), Kept({}, count)
    opened = tick(count)[0]
    outcomes = NewestCandle(ours).append([BTC, ETH], opened)
    assert outcomes == {BTC: AppendOutcome.APPENDED, ETH: AppendOutcome.APPENDED}
    for market in (BTC, ETH):
        theirs.fetched(market, [tick(i) for i in range(count - 3, count + 2)])
        pd.testing.assert_frame_equal(ours._klines[market], theirs._klines[market])
        assert ours._klines[market]["date"].iloc[-1] == pd.Timestamp(opened, unit="ms", tz="UTC")
    assert ours._pairs_last_refresh_time == theirs._pairs_last_refresh_time


@pytest.mark.parametrize(
    ("answer", "outcome"),
    {
        "not listed yet": ([tick(2), tick(3), tick(4)], AppendOutcome.EARLY),
        "one candle behind": ([tick(1), tick(2), tick(3)], AppendOutcome.EARLY),
        "a candle is missing": ([tick(2), tick(4), tick(5)], AppendOutcome.ODD),
        "the forming one is missing": ([tick(3), tick(4), tick(6)], AppendOutcome.ODD),
        "too far": ([tick(4), tick(5), tick(6)], AppendOutcome.ODD),
        "the last one was corrected": (
            [[*tick(3)[:4], 55.0, 7.25], tick(4), tick(5)],
            AppendOutcome.ODD,
        ),
        "twice the same": ([tick(3), tick(3), tick(5)], AppendOutcome.ODD),
        "out of order": ([tick(4), tick(3), tick(5)], AppendOutcome.ODD),
        "nothing": ([], AppendOutcome.ODD),
        "no answer": (ccxt.NetworkError("reset"), AppendOutcome.ODD),
    }.values(),
)
def test_append_when_the_answer_is_another_then_that_pair_is_not_touched(
    answer: Any, outcome: AppendOutcome
) -> None:
    exchange = Kept({BTC[0]: answer, ETH[0]: [tick(3), tick(4), tick(5)]}, 4)
    before, at = exchange._klines[BTC].copy(), dict(exchange._pairs_last_refresh_time)
    outcomes = NewestCandle(exchange).append([BTC, ETH], tick(4)[0])
    assert outcomes == {BTC: outcome, ETH: AppendOutcome.APPENDED}
    pd.testing.assert_frame_equal(exchange._klines[BTC], before)
    assert exchange._pairs_last_refresh_time[BTC] == at[BTC]


def test_append_when_the_pair_is_new_or_its_candles_are_marks_then_freqtrade_has_to_do_it() -> None:
    news = [tick(3), tick(4), tick(5)]
    exchange = Kept({BTC[0]: news}, 4)
    mark = (BTC[0], "1m", CandleType.MARK)
    exchange._klines = {mark: exchange._klines[BTC]}
    outcomes = NewestCandle(exchange).append([BTC, mark], tick(4)[0])
    assert outcomes == {BTC: AppendOutcome.ODD, mark: AppendOutcome.ODD}
