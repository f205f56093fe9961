"""A watchdog on the loopback exchange, through the real ccxt client: one account, and a clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.home import home_of
from models.operate.control.owner import BotStage
from models.operate.control.state import ControlMode, Person
from models.operate.control.watch import WatchdogConfig
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue as Exchange
from strategies.desk.watch.venue import Venue, venue_client
from strategies.desk.watch.watchdog import Watchdog
from tests.exchange.client import trading_ccxt_config, trading_client
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState

KEY, SECRET = "loopback-key", "loopback-secret"
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
NOW = 1_700_000_000_000
HOUR = 3_600_000
ANN = Person("ann", "command line")


class World:
    """One account on the exchange, one user directory, and a clock."""

    def __init__(self, folder: Path, url: str, state: ExchangeState, account: Customer) -> None:
        self.state, self.account, self.now = state, account, NOW
        self.trader = trading_client(url, KEY, SECRET)
        self.config = {
            "trading_mode": "futures",
            "exchange": {"name": "binance", "key": KEY, "secret": SECRET,
                         "ccxt_config": {**trading_ccxt_config(url), "enableRateLimit": False}},
        }  # fmt: skip
        self.commands = Commands(folder, lambda: self.now)
        self.said: list[str] = []
        self.dog = self.watchdog()

    def dry_run(self, folder: Path) -> None:
        """Look at the state of a dry run in this user directory instead."""
        self.commands = Commands(home_of(folder, BotStage.DRY_RUN), lambda: self.now)

    def watchdog(
        self, symbols: Sequence[str] = (BTC, ETH), *, dry: bool = False, **settings: Any
    ) -> Watchdog:
        venue = None if dry else Venue(venue_client(self.config), lambda: self.now / 1000)
        return Watchdog(
            self.commands, venue, symbols, WatchdogConfig(**settings), self.said.append,
            monotonic=lambda: self.now / 1000,
        )  # fmt: skip

    def alive(self, **changes: Any) -> None:
        sign = {"time_ms": self.now, "pid": 42, "loop": 1, **changes}
        beat(self.commands.store.folder, Heartbeat(**sign))

    def pass_s(self, seconds: float) -> None:
        self.now += round(1000 * seconds)

    def buy(self, amount: float = 0.01, symbol: str = BTC) -> None:
        self.trader.create_order(symbol, "market", "buy" if amount > 0 else "sell", abs(amount))

    def stop(self, amount: float, price: float, symbol: str = BTC, side: str = "sell") -> str:
        more = {"stopLossPrice": price, "reduceOnly": True}
        return str(self.trader.create_order(symbol, "market", side, amount, None, more)["id"])

    def stops(self) -> list[tuple[str, int, float, float, bool]]:
        with self.state.venue.lock:
            return [(a.symbol, a.side, float(a.quantity), float(a.trigger), a.reduce_only)
                    for a in self.account.open_algos()]  # fmt: skip

    def mode(self) -> ControlMode:
        return self.commands.store.read().mode


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Serve the exchange of one world until the block ends."""
    now = wall_clock_ms()
    feeds = {"BTCUSDT": scripted_feed(60_000.0, now), "ETHUSDT": scripted_feed(3_000.0, now)}
    exchange = Exchange(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)
    account = exchange.open_account(KEY, SECRET)
    state = ExchangeState(venue=exchange)
    with running_exchange(state, tls=True) as url:
        yield World(folder, url, state, account)
    assert state.unknown == []


def held(world: World) -> dict[str, float]:
    return {s: float(p.amount) for s, p in world.account.open_positions().items()}
