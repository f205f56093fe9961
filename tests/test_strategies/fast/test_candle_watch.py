"""The watch fetches at the close, waits for late candles, and lets orders settle."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import requests
from freqtrade.persistence import Trade

from models.serve.latency import CandleLatency
from strategies.bot.stages import timed
from strategies.fast.candle_watch import CandleWatch
from strategies.fast.newest_candle import AppendOutcome, NewestCandle
from strategies.fast.pacing import Pacer, PacingConfig
from strategies.fast.stopwatch import Stopwatch
from tests.test_strategies.fast.clocks import AFTER_S, CANDLE_S, START_S, Clock

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


class Provider:
    """Candles that an exchange publishes `late_s` after their close, fetched when asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.late_s = clock, {BTC: 0.0, ETH: 0.0}
        self.fetched_at: list[float] = []
        self.dates: dict[str, pd.Timestamp] = {}
        self.refresh([])
        self.fetched_at.clear()

    def current_whitelist(self) -> list[str]:
        return [BTC]

    def refresh(self, wanted: list[Any]) -> None:
        self.fetched_at.append(self.clock.wall_s)
        for pair, late_s in self.late_s.items():
            closed = (self.clock.wall_s - late_s) // CANDLE_S * CANDLE_S
            self.dates[pair] = pd.Timestamp(closed - CANDLE_S, unit="s", tz="UTC")

    def ohlcv(self, pair: str, timeframe: str, *, copy: bool, candle_type: str) -> pd.DataFrame:
        return pd.DataFrame({"date": [self.dates[pair]]})


class Loop:
    """A bot's loop around the watch; every round takes `work_s`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Trade, "get_open_trades", staticmethod(list))
        self.clock = Clock(START_S + 10)
        self.dp = Provider(self.clock)
        self.look_ahead: Callable[[Sequence[str]], None] = lambda pairs: None
        self.seen: list[CandleLatency] = []
        clocks = {"wall": self.clock.wall, "monotonic": self.clock.monotonic}
        self.stopwatch = Stopwatch(CANDLE_S, self.seen.append, **clocks)
        strategy = SimpleNamespace(
            dp=self.dp,
            timeframe="1m",
            config={"candle_type_def": "futures"},
            gather_informative_pairs=lambda: [(ETH, "1m", "futures")],
        )
        pacer = Pacer(CANDLE_S, PacingConfig(), sleep=self.clock.sleep, **clocks)
        self.watch = CandleWatch(
            strategy, pacer, self.stopwatch, look_ahead=lambda pairs: self.look_ahead(pairs)
        )

    def round(self, work_s: float = 0.05) -> float:
        """Return how long the watch held this round."""
        before = self.clock.monotonic_s
        self.watch.hold()
        held = self.clock.monotonic_s - before
        self.clock.wall_s += work_s
        self.clock.monotonic_s += work_s
        return held

    def until_close(self) -> None:
        """Run until a candle has been fetched."""
        self.dp.fetched_at.clear()
        while not self.dp.fetched_at:
            self.round()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def test_watch_when_the_bot_starts_then_what_was_fetched_is_analysed_at_once(loop: Loop) -> None:
    assert loop.round() == 0
    assert loop.round() == 0  # and what it led to is settled
    assert loop.round() > 1


def test_watch_when_a_candle_closes_then_all_pairs_are_fetched_just_after_it(loop: Loop) -> None:
    for minute in (1, 2, 3):
        loop.until_close()
        assert loop.dp.fetched_at == [pytest.approx(START_S + 60 * minute + AFTER_S, abs=2e-3)]


def test_watch_when_orders_were_sent_then_the_next_round_comes_at_once(loop: Loop) -> None:
    loop.until_close()
    assert loop.round() == 0  # their fills are booked and their stops placed without a wait
    assert loop.round() == pytest.approx(PacingConfig().tick_s, rel=0.01)


def test_watch_when_told_to_settle_then_one_round_comes_at_once(loop: Loop) -> None:
    loop.until_close()
    loop.round()
    loop.watch.settle()
    assert loop.round() == 0
    assert loop.round() > 1


def test_watch_when_one_market_is_late_then_all_wait_for_it(loop: Loop) -> None:
    loop.dp.late_s[ETH] = 0.2
    loop.round()
    loop.until_close()
    assert len(loop.dp.fetched_at) > 1
    assert loop.dp.dates[ETH] == loop.dp.dates[BTC] == pd.Timestamp(START_S, unit="s", tz="UTC")
    assert loop.clock.wall_s < START_S + 60 + 0.6


def test_watch_when_a_candle_comes_after_the_patience_then_freqtrades_next_fetch_is_used(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.dp.late_s[ETH] = 7.0
    caplog.set_level(logging.WARNING)
    loop.until_close()
    assert "is late for ['ETH/USDT:USDT']" in caplog.text
    while loop.clock.wall_s < START_S + 67:
        loop.round()
    loop.dp.refresh([])  # Freqtrade's own, at the head of its loop
    assert loop.round() == 0


def test_watch_when_a_close_is_near_then_it_wakes_both_clients_and_a_failure_holds_nothing(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    woken: list[tuple[str, float]] = []
    kept: list[bool] = []

    def candles(wanted: list[Any], *, cache: bool) -> None:
        woken.append(("candles", loop.clock.wall_s))
        kept.append(cache)

    def look_ahead(pairs: list[str]) -> None:
        woken.extend((pair, loop.clock.wall_s) for pair in pairs)
        raise ConnectionError("reset")

    loop.dp._exchange = SimpleNamespace(refresh_latest_ohlcv=candles, _exchange_ws=object())
    loop.look_ahead = look_ahead
    caplog.set_level(logging.INFO)
    loop.until_close()
    assert [name for name, _ in woken] == ["candles", BTC]
    assert kept == [False]  # what is fetched before the close must not be taken for the candle
    assert all(0 < loop.dp.fetched_at[0] - at <= PacingConfig().warm_s + AFTER_S for _, at in woken)
    assert "could not be woken" in caplog.text


def test_watch_when_the_exchange_lists_no_new_candle_yet_then_only_the_short_question_is_repeated(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[Any]] = []

    def append(_: Any, markets: list[Any], opened_ms: int) -> dict[Any, AppendOutcome]:
        asked.append([pair for pair, *_ in markets])
        assert opened_ms == int(START_S * 1000)
        return dict.fromkeys(markets, AppendOutcome.EARLY if len(asked) < 3 else AppendOutcome.ODD)

    monkeypatch.setattr(NewestCandle, "append", append)
    loop.dp._exchange = SimpleNamespace(
        refresh_latest_ohlcv=lambda wanted, *, cache: None, _exchange_ws=None
    )
    loop.until_close()
    assert asked == [[BTC, ETH]] * 3
    assert len(loop.dp.fetched_at) == 1  # what is odd is left to Freqtrade


def test_watch_when_control_interrupts_then_nothing_is_fetched(loop: Loop) -> None:
    loop.round()
    loop.round()
    loop.watch.hold(lambda: True)
    assert loop.dp.fetched_at == []


# -- the stopwatch --------------------------------------------------------------------------------


class Hooks:
    """A strategy's hooks as far as they are timed."""

    def __init__(self, loop: Loop) -> None:
        self.lane, self.clock = loop.stopwatch, loop.clock

    def _work(self, ms: float) -> None:
        self.clock.monotonic_s += ms / 1000

    @timed("decision")
    def populate_entry_trend(self, frame: object, metadata: dict[str, str]) -> None:
        self._work(4)

    @timed("guards")
    def leverage(self, pair: str, **_: object) -> None:
        self._work(1)

    @timed("guards")
    def confirm_trade_entry(self, pair: str, **_: object) -> None:
        self._work(2)


def answer(method: str, url: str, symbol: str, took_s: float) -> requests.Response:
    response = requests.Response()
    response.request = requests.Request(method, url, data={"symbol": symbol}).prepare()
    response.elapsed = pd.Timedelta(seconds=took_s).to_pytimedelta()
    return response


def test_stopwatch_when_a_candle_becomes_an_order_then_every_stage_has_its_time(loop: Loop) -> None:
    session = requests.Session()
    client = SimpleNamespace(session=session, markets={BTC: {"id": "BTCUSDT"}})
    provider = SimpleNamespace(
        _exchange=SimpleNamespace(_api=client), current_whitelist=loop.dp.current_whitelist
    )
    loop.stopwatch.watch_orders(provider)
    [answered] = session.hooks["response"]
    hooks = Hooks(loop)
    loop.until_close()
    watch, clock = loop.stopwatch, loop.clock
    with watch.stage(BTC, "features"):
        clock.monotonic_s += 0.003
    with watch.stage(BTC, "inference"):
        clock.monotonic_s += 0.001
    hooks.populate_entry_trend(None, {"pair": BTC})
    hooks.leverage(pair=BTC)
    hooks.confirm_trade_entry(BTC)
    clock.monotonic_s += 0.030
    answered(answer("POST", "https://x/fapi/v1/leverage?a=/order", "BTCUSDT", 0.001))
    answered(answer("GET", "https://x/fapi/v1/order", "BTCUSDT", 0.001))
    answered(answer("POST", "https://x/fapi/v1/order", "BTCUSDT", 0.020))
    clock.monotonic_s += 5
    answered(answer("POST", "https://x/fapi/v1/order", "BTCUSDT", 0.020))  # not its first
    loop.round()

    [seen] = loop.seen
    assert (seen.pair, seen.candle_ms) == (BTC, START_S * 1000)
    took = {name: round(ms, 1) for name, ms in seen.took_ms.items()}
    assert took == {
        "request": round(AFTER_S * 1000, 1), "data": 0.0, "features": 3.0, "inference": 1.0,
        "decision": 4.0, "guards": 3.0, "sent": 10.0, "acknowledged": 20.0,
    }  # fmt: skip
    ends = list(seen.at_ms.values())
    assert ends == sorted(ends)
    assert loop.stopwatch.summary.table()["close_to_order"].p50 == seen.at_ms["sent"]


def test_stopwatch_when_no_candle_has_closed_then_it_says_nothing(loop: Loop) -> None:
    with loop.stopwatch.stage(BTC, "features"):
        pass
    loop.stopwatch.finish()
    assert loop.seen == []


def test_stopwatch_when_an_answer_is_unreadable_then_it_is_logged_and_not_raised(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.stopwatch.start(START_S)
    loop.stopwatch._answered(SimpleNamespace())
    assert "was not taken" in caplog.text
