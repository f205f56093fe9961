"""The hedged position, read by the real ccxt client from the loopback exchange."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from models.base.errors import ConfigError, InputError
from models.base.files import wall_clock_ms
from strategies.account.hedge_primary import PositionReader, ReadConfig
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.client import trading_ccxt_config, trading_client
from tests.exchange.faults import Answer
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState

KEY, SECRET = "held-key", "held-secret"
LTC = "LTC/USDT:USDT"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> ExchangeState:
    monkeypatch.setenv("HELD_KEY", KEY)
    monkeypatch.setenv("HELD_SECRET", SECRET)
    now = wall_clock_ms()
    venue = LoopbackVenue(
        market=ReplayedMarket(feeds={"LTCUSDT": scripted_feed(100.0, now)}), clock=wall_clock_ms
    )
    venue.open_account(KEY, SECRET, Decimal(10_000))
    return ExchangeState(venue=venue)


@pytest.fixture
def url(state: ExchangeState) -> Iterator[str]:
    with running_exchange(state, tls=True) as base_url:
        yield base_url


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def reader(url: str, side: str = "long", clock: Clock | None = None) -> PositionReader:
    config = ReadConfig(
        exchange="binanceusdm", symbol=LTC, key_env="HELD_KEY", secret_env="HELD_SECRET",
        ccxt_config=trading_ccxt_config(url),
    )  # fmt: skip
    return PositionReader(config, side, clock or Clock())


def test_reader_when_a_position_is_held_then_its_size_is_known_and_the_other_side_is_none(
    url: str, state: ExchangeState
) -> None:
    assert reader(url).amount() == 0.0
    trading_client(url, KEY, SECRET).create_order(LTC, "market", "buy", 7.5)
    assert reader(url).amount() == 7.5
    assert reader(url, "short").amount() == 0.0
    assert state.unknown == []


def test_reader_when_asked_often_then_it_asks_rarely_and_when_answers_stop_then_it_says_so(
    url: str, state: ExchangeState
) -> None:
    clock = Clock()
    asked = reader(url, clock=clock)
    trading_client(url, KEY, SECRET).create_order(LTC, "market", "buy", 2.0)
    assert asked.amount() == 2.0
    trading_client(url, KEY, SECRET).create_order(LTC, "market", "buy", 1.0)
    clock.now_s = 29.0
    assert asked.amount() == 2.0  # remembered
    clock.now_s = 31.0
    assert asked.amount() == 3.0
    state.faults.add(Answer(on="GET /fapi", status=503, code=-1001, message="busy", times=99))
    clock.now_s = 200.0
    assert asked.amount() == 3.0  # not stale yet
    clock.now_s = 400.0
    with pytest.raises(InputError, match="not known"):
        asked.amount()


def test_reader_when_the_environment_has_no_key_then_it_names_the_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HELD_KEY", raising=False)
    monkeypatch.delenv("HELD_SECRET", raising=False)
    config = ReadConfig(
        exchange="binance", symbol=LTC, key_env="HELD_KEY", secret_env="HELD_SECRET"
    )
    with pytest.raises(ConfigError, match="HELD_KEY, HELD_SECRET"):
        PositionReader(config, "long")
    with pytest.raises(ConfigError, match="ccxt knows"):
        ReadConfig(exchange="binanse", symbol=LTC, key_env="A", secret_env="B")
