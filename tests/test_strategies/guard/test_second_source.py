"""The second source of candles: ccxt's real OKX client on the loopback exchange."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from models.base.config import from_mapping
from models.base.errors import ConfigError, InputError
from models.base.types import Candles
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from strategies.guard.second_source import SecondSource, SecondSourceConfig, second_source_client
from tests.exchange.client import second_source_config
from tests.exchange.clock import ManualClock
from tests.exchange.faults import Drop, MissingCandles, OffCandles, StaleCandles
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import USER_DATA

BTC, MINUTE = "BTC/USDT:USDT", 60_000
NOON_MS = 28_401_120 * MINUTE
OKX = "GET /api/v5/market/candles"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_MS)


@pytest.fixture
def state(clock: ManualClock) -> ExchangeState:
    feeds = {"BTCUSDT": scripted_feed(60_000.0, NOON_MS)}
    return ExchangeState(venue=LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=clock))


@pytest.fixture
def url(state: ExchangeState) -> Iterator[str]:
    with running_exchange(state, tls=True) as base_url:
        yield base_url


Make = Callable[..., SecondSource]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(url: str, clock: ManualClock, said: list[str]) -> Make:
    def made(**settings: object) -> SecondSource:
        config = SecondSourceConfig(
            exchange="okx", ccxt_config=second_source_config(url), **settings  # type: ignore[arg-type]
        )  # fmt: skip
        return SecondSource(config, "1m", MINUTE, say=said.append, wall=lambda: clock() / 1000)

    return made


def first(count: int = 20, close: float = 60_000.0) -> Candles:
    """Return the exchange's own closed candles."""
    time_ms = NOON_MS - MINUTE * np.arange(count, 0, -1, dtype=np.int64)
    price = np.full(count, close)
    return Candles(time_ms=time_ms, open=price, high=price, low=price, close=price, volume=price)


def test_source_when_asked_then_its_closed_candles_are_those_of_the_market(make: Make) -> None:
    source = make()
    source.ask(BTC)
    seen = source.compare(BTC, first())
    assert (seen.closed_ms, seen.gap_frac, seen.odd) == (NOON_MS, 0.0, ())
    assert source.compare(BTC, first(close=60_300.0)).gap_frac == pytest.approx(-0.004975, abs=1e-6)


def test_source_when_it_has_told_nothing_then_there_is_nothing_to_compare(
    make: Make, state: ExchangeState
) -> None:
    source = make()
    with pytest.raises(InputError, match="okx has told no candles"):
        source.compare(BTC, first())
    state.faults.add(Drop())
    source.ask(BTC)
    assert source.told([BTC]) == [BTC]
    with pytest.raises(InputError, match="NetworkError"):
        source.compare(BTC, first())


def test_source_when_it_falls_silent_then_the_last_comparison_stays_and_ages(
    make: Make, state: ExchangeState, clock: ManualClock
) -> None:
    source = make()
    source.ask(BTC)
    state.faults.add(Drop())
    clock.advance(5 * MINUTE)
    source.ask(BTC)
    assert source.compare(BTC, first()).closed_ms == NOON_MS


def test_source_when_its_candles_are_wrong_then_the_comparison_shows_it(
    make: Make, state: ExchangeState
) -> None:
    source = make()
    source.ask(BTC)  # and the markets, once
    state.faults.add(OffCandles(on=OKX, frac=0.01, times=1))
    source.ask(BTC)
    assert source.compare(BTC, first()).gap_frac == pytest.approx(0.01)
    state.faults.add(MissingCandles(on=OKX, opens_ms=[NOON_MS - 3 * MINUTE], times=1))
    source.ask(BTC)
    assert [odd.partition(": ")[2] for odd in source.compare(BTC, first()).odd] == [
        "only the first has it"
    ]
    state.faults.add(StaleCandles(on=OKX, ms=4 * MINUTE, times=1))
    source.ask(BTC)
    assert source.compare(BTC, first()).closed_ms == NOON_MS - 4 * MINUTE
    assert state.unknown == []


def test_source_when_looked_at_then_a_thread_asks_once_a_candle_and_nobody_waits(
    make: Make, state: ExchangeState, clock: ManualClock
) -> None:
    source = make()
    asked = lambda: state.requests.count(OKX)  # noqa: E731
    source.look([BTC])
    _until(lambda: asked() == 1 and source.told([BTC]) == [BTC])
    source.look([BTC])  # it has the newest
    clock.advance(MINUTE)
    source.config = SecondSourceConfig(
        exchange="okx", ask_s=1e-9, ccxt_config=source.config.ccxt_config
    )
    source.look([BTC])
    _until(lambda: asked() == 2)


def _until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Asked:
    """A client that notes what it is asked, in the thread that asks."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[str, str, int]] = queue.Queue()
        self.rows = {BTC: candles_to(NOON_MS)}

    def fetch_ohlcv(self, pair: str, timeframe: str, limit: int) -> list[list[float]]:
        self.asked.put((pair, timeframe, limit))
        return self.rows.get(pair, [])


def candles_to(forming_ms: int, count: int = 14) -> list[list[float]]:
    """Rows of which the last is forming; each closes a dollar above the one before."""
    opens = range(forming_ms - (count - 1) * MINUTE, forming_ms + 1, MINUTE)
    return [[t, 1.0, 1.0, 1.0, 60_000.0 + n, 1.0] for n, t in enumerate(opens)]


class Watched:
    """A source on clocks a test sets, and what its thread asks."""

    def __init__(self, **settings: Any) -> None:
        self.now_ms, self.passed_s, self.ends = float(NOON_MS), 100.0, itertools.count()
        self.client = Asked()
        self.source = SecondSource(
            SecondSourceConfig(exchange="okx", **settings), "1m", MINUTE, say=print,
            wall=lambda: self.now_ms / 1000, monotonic=lambda: self.passed_s,
            client=lambda config: self.client,
        )  # fmt: skip

    def asks(self, *pairs: str) -> list[str]:
        """Look at these pairs, and return which of them are asked about."""
        end, found = f"END{next(self.ends)}", []  # never asked about: always due, and last
        self.source.look([*pairs, end])
        while (asked := self.client.asked.get(timeout=60))[0] != end:
            assert asked[1:] == ("1m", 14)  # twelve compared, the forming one, and one late
            found.append(asked[0])
        return found


def test_source_when_the_newest_candle_is_missing_then_it_is_asked_for_every_three_seconds() -> (
    None
):
    watched, late = Watched(), "LTC/USDT:USDT"
    watched.client.rows[late] = candles_to(NOON_MS - MINUTE)
    assert watched.asks(BTC, late, "EMPTY", BTC) == [BTC, late, "EMPTY"]
    assert watched.asks(BTC, late, "EMPTY") == []
    watched.passed_s += 2.999
    assert watched.asks(BTC, late, "EMPTY") == []
    watched.passed_s += 0.001
    assert watched.asks(BTC, late, "EMPTY") == [late, "EMPTY"]
    watched.passed_s += 60.0
    watched.now_ms += MINUTE - 1
    assert watched.asks(BTC) == []  # it has the newest closed one still
    watched.now_ms += 1
    assert watched.asks(BTC) == [BTC]
    threads = [t for t in threading.enumerate() if t.name == "second-source"]
    assert all(thread.daemon for thread in threads)  # none holds up the bot's end


def test_source_when_its_candle_has_not_closed_by_our_clock_then_it_is_not_compared() -> None:
    watched = Watched(fail_over=True)
    watched.now_ms -= 1
    watched.source.ask(BTC)
    assert watched.source.compare(BTC, first()).closed_ms == NOON_MS - MINUTE
    watched.now_ms += 1
    watched.source.ask(BTC)
    assert watched.source.compare(BTC, first()).closed_ms == NOON_MS
    assert watched.source.last_close(BTC) == 60_012.0  # of the newest closed one
    watched.client.rows[BTC] = []
    watched.source.ask(BTC)
    with pytest.raises(InputError, match="no second price"):
        watched.source.last_close(BTC)


def test_source_when_the_oldest_of_those_compared_is_missing_then_the_comparison_shows_it() -> None:
    watched = Watched()
    del watched.client.rows[BTC][1]  # the twelfth before the forming one
    watched.source.ask(BTC)
    (odd,) = watched.source.compare(BTC, first()).odd
    assert odd.endswith("only the first has it")


def test_source_when_its_trouble_is_a_page_long_then_two_hundred_characters_are_told() -> None:
    watched = Watched()

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("x" * 1000)

    vars(watched.client)["fetch_ohlcv"] = broken
    watched.source.ask(BTC)
    with pytest.raises(InputError) as error:
        watched.source.compare(BTC, first())
    assert str(error.value).partition(f"{BTC}: ")[2] == f"ConnectionError: {'x' * 183}"


def test_last_close_when_fail_over_is_allowed_then_it_is_told_while_it_is_young(
    make: Make, clock: ManualClock
) -> None:
    source = make(fail_over=True)
    with pytest.raises(InputError, match="no second price"):
        source.last_close(BTC)
    source.ask(BTC)
    assert source.last_close(BTC) == 60_000.0
    clock.advance(2 * MINUTE)
    assert source.last_close(BTC) == 60_000.0
    clock.advance(1)
    with pytest.raises(InputError, match="is 120 s old"):
        source.last_close(BTC)


def test_last_close_when_the_clock_has_gone_back_before_it_then_there_is_none(make: Make) -> None:
    now_ms = [NOON_MS]
    source = SecondSource(
        make(fail_over=True).config, "1m", MINUTE, say=print, wall=lambda: now_ms[0] / 1000
    )
    source.ask(BTC)
    assert source.last_close(BTC) == 60_000.0  # it has just closed
    now_ms[0] -= 1
    with pytest.raises(InputError, match="s old"):
        source.last_close(BTC)


def test_last_close_when_fail_over_is_off_then_there_is_none(make: Make) -> None:
    source = make()
    source.ask(BTC)
    with pytest.raises(InputError, match="no second price"):
        source.last_close(BTC)


def test_note_when_a_trouble_begins_and_ends_then_each_is_said_once(
    make: Make, said: list[str]
) -> None:
    source = make()
    for reason in ("", "1 % away, 60 s ago", "2 % away, 65 s ago", "silent", "", ""):
        source.note(BTC, reason)
    assert said == [
        f"{BTC}: 1 % away, 60 s ago", f"{BTC}: silent", f"{BTC}: okx and the exchange agree again",
    ]  # fmt: skip


def test_shipped_config_when_read_then_it_asks_okx_and_fails_over_to_nobody() -> None:
    path = USER_DATA / "config_second_source.json"
    block = json.loads(path.read_text(encoding="utf-8"))["breakwater"]["second_source"]
    config = from_mapping(SecondSourceConfig, block, where="breakwater.second_source")
    assert (config.exchange, config.fail_over) == ("okx", False)
    client = second_source_client(config)
    assert client.urls["api"]["rest"].startswith("https://")
    assert client.timeout == 5_000


def test_config_when_left_alone_then_it_is_off_and_asks_every_three_seconds_a_minute_at_most() -> (
    None
):
    config = SecondSourceConfig()
    assert (config.exchange, config.fail_over, config.ask_s) == ("", False, 3.0)
    assert SecondSourceConfig(ask_s=60.0).ask_s == 60.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"exchange": "okay"}, "knows no exchange 'okay'"), ({"fail_over": True}, "to fail over to"),
     ({"ask_s": 0.0}, "ask_s"), ({"ask_s": 60.5}, "ask_s")],
)  # fmt: skip
def test_config_when_it_makes_no_sense_then_it_is_refused(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        SecondSourceConfig(**settings)  # type: ignore[arg-type]
