"""A small exchange whose fills can be computed by hand, on a clock the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from strategies.desk.loopback import trading, wallet
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.book import Liquidity
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.clock import ManualClock
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState

NOON_MS = int(datetime(2024, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
KEY, SECRET = "a-key", "a-secret"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_MS)


@pytest.fixture
def venue(clock: ManualClock) -> LoopbackVenue:
    """BTC at 50,000 and ETH at 2,000; no spread, levels of 100,000 USDT every 10 bps."""
    feeds = {
        "BTCUSDT": scripted_feed(50_000.0, NOON_MS, funding_rate=0.0001),
        "ETHUSDT": scripted_feed(2_000.0, NOON_MS, funding_rate=-0.0002),
    }
    book = Liquidity(half_spread_bps=0, step_bps=10, level_notional_quote=100_000)
    return LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=clock, liquidity=book)


@pytest.fixture
def account(venue: LoopbackVenue) -> Customer:
    return venue.open_account(KEY, SECRET, Decimal(10_000))


@pytest.fixture
def state(venue: LoopbackVenue, account: Customer) -> ExchangeState:
    return ExchangeState(venue=venue)


@pytest.fixture
def url(state: ExchangeState) -> Iterator[str]:
    with running_exchange(state) as base_url:
        yield base_url


class Desk:
    """Places orders as the endpoints do, without HTTP."""

    def __init__(self, venue: LoopbackVenue, account: Customer) -> None:
        self.venue = venue
        self.account = account

    def market(self, side: str, quantity: str, symbol: str = "BTCUSDT", **more: str) -> Any:
        return self._place(symbol=symbol, side=side, quantity=quantity, type="MARKET", **more)

    def limit(
        self, side: str, quantity: str, price: str, symbol: str = "BTCUSDT", **more: str
    ) -> Any:
        order = {"timeInForce": "GTC", "type": "LIMIT", **more}
        return self._place(symbol=symbol, side=side, quantity=quantity, price=price, **order)

    def stop(self, side: str, trigger: str, symbol: str = "BTCUSDT", **more: str) -> Any:
        order = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "quantity": "0.1", **more}
        request = {"symbol": symbol, "side": side, "triggerPrice": trigger, **order}
        self.venue.advance()
        return trading.place_algo_order(self.venue, self.account, request)

    def leverage(self, leverage: int, symbol: str = "BTCUSDT") -> None:
        request = {"symbol": symbol, "leverage": str(leverage)}
        wallet.set_leverage(self.venue, self.account, request)

    def order(self, placed: Any) -> Any:
        self.venue.advance()
        request = {"symbol": placed["symbol"], "orderId": str(placed["orderId"])}
        return trading.get_order(self.venue, self.account, request)

    def algo(self, placed: Any) -> Any:
        self.venue.advance()
        return trading.get_algo_order(self.venue, self.account, {"algoId": str(placed["algoId"])})

    def _place(self, **request: str) -> Any:
        self.venue.advance()
        return trading.place_order(self.venue, self.account, request)


@pytest.fixture
def desk(venue: LoopbackVenue, account: Customer) -> Desk:
    return Desk(venue, account)
