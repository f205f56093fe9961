"""A dead bot's folder, what it has left on the exchange, and nobody there but the real watchdog."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from models.base.files import wall_clock_ms
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.state import Person
from models.operate.control.watch_sign import WATCH_FILE
from strategies.account.exchange_answers import WATCHDOG
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.orders import AlgoOrder, Order
from tests.exchange.client import trading_client
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.test_integration.controlled_bot import (
    commands,
    configuration,
    prepare,
    running_watchdog,
    unprotected,
)
from tests.test_integration.live_bot import BTC
from tests.test_integration.running import SECRET, RunningProcess

ANN: Final = Person("ann", "command line")
PID: Final = 4_194_305  # no process has it
DEAD: Final = f"watchdog: bot {PID} has given no sign of life for"
CLOSED: Final = "every position is closed, and the exchange holds none"
ACTS: Final = {f"{how} /fapi/v1/{what}" for how in ("POST", "DELETE")
               for what in ("order", "algoOrder")}  # fmt: skip


class Abandoned:
    """One bot's folder and account; the test stands for the bot that was, and for the person."""

    def __init__(
        self, folder: Path, url: str, state: ExchangeState, account: Customer, **watchdog: Any
    ) -> None:
        self.folder, self.state, self.account = folder, state, account
        folder.mkdir(exist_ok=True)
        config = configuration(url)
        config["exchange"]["ccxt_config"]["enableRateLimit"] = (
            False  # many looks, within the exchange's limits
        )
        pace = {"silence_s": 6.0, "every_s": 0.7, **watchdog}
        config["breakwater"] = {"pacing": {"tick_s": 0.5, "look_s": 0.1}, "watchdog": pace}
        self.config = config
        prepare(folder, config)
        self.desk = commands(folder)
        self.control = self.desk.store.folder
        self._trader = trading_client(url, account.key, SECRET)
        self._own: set[int] = set()  # numbers of the orders placed here

    # -- what the bot has left ------------------------------------------------------------------

    def beat(self, ago_s: float = 60.0, **more: Any) -> None:
        """Leave a sign of life; by default a minute ago, as `kill -9` leaves it."""
        sign = {"time_ms": wall_clock_ms() - round(1000 * ago_s), "pid": PID, "loop": 9, **more}
        beat(self.control, Heartbeat(**sign))

    @contextmanager
    def alive(self, pid: int) -> Iterator[None]:
        """Give a sign of life twice a second until the block ends."""
        ended = Event()

        def live() -> None:
            loop = 0
            while not ended.wait(0.5):
                loop += 1
                self.beat(0.0, pid=pid, loop=loop)

        self.beat(0.0, pid=pid)
        thread = Thread(target=live)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def hold(self, amount: float, symbol: str = BTC) -> None:
        """Buy, or sell a negative amount, at the market."""
        self._order(symbol, "market", "buy" if amount > 0 else "sell", abs(amount))

    def bid(self, price: float, symbol: str = BTC, amount: float = 0.01) -> None:
        """Let an entry rest."""
        self._order(symbol, "limit", "buy", amount, price)

    def stop(self, amount: float, price: float, symbol: str = BTC, name: str = "") -> None:
        """Let a stop of a long rest, of the bot's unless another name is given."""
        more = {"stopLossPrice": price, "reduceOnly": True}
        self._order(symbol, "market", "sell", amount, None,
                    {**more, **({"clientOrderId": name} if name else {})})  # fmt: skip

    def hold_unheard(self, amount: float) -> None:
        """Let the account have a position in BTC while it answers nobody."""
        venue = self.state.venue
        assert venue is not None
        with venue.lock:
            price = venue.mark("BTCUSDT")
            self.account.position("BTCUSDT").fill(Decimal(str(amount)), price)

    def cancel_stops(self, symbol: str) -> None:
        """Take back whatever stop rests in a market, as a person does."""
        assert self.state.venue is not None
        with self.state.venue.lock:
            for algo in self.account.open_algos(symbol):
                self.state.venue.cancel(algo)

    def _order(self, symbol: str, *order: Any) -> None:
        self._own.add(int(self._trader.create_order(symbol, *order)["id"]))

    def leverage(self, leverage: int, symbol: str = BTC) -> None:
        """Choose the leverage of a market."""
        self._trader.set_leverage(leverage, symbol)

    # -- what the exchange has ------------------------------------------------------------------

    def held(self) -> dict[str, float]:
        """Return the positions."""
        return {s: float(p.amount) for s, p in self.account.open_positions().items()}

    def stops(self, symbol: str) -> list[tuple[int, float, float]]:
        """Return side, size and trigger of the stops that rest."""
        return [(a.side, float(a.quantity), float(a.trigger))
                for a in self.account.open_algos(symbol)]  # fmt: skip

    def bare(self) -> dict[str, Any]:
        """Return how much of each position no stop would close."""
        return unprotected(self.state, self.account)

    def sent(self) -> list[Order | AlgoOrder]:
        """Return every order the exchange has got that was not placed here; forced ones too."""
        every = [*self.account.orders.values(), *self.account.algos.values()]
        return [order for order in every if order.id not in self._own]

    def looks(self) -> int:
        """Return how often the positions were asked for."""
        return sum("positionRisk" in request for request in tuple(self.state.requests))

    # -- the watchdog ---------------------------------------------------------------------------

    @contextmanager
    def watched(self, *runner: str, **how: Any) -> Iterator[RunningProcess]:
        """Run the watchdog from its first look to the end of the block, which it must live to see.

        Whatever happens in between, it places nothing that does not only reduce.

        Parameters
        ----------
        runner
            The module that runs it, with its own arguments.
        **how
            As `running` takes it.
        """
        seen = len(self.state.requests)
        with running_watchdog(self.folder, *runner, **how) as dog:
            dog.wait_for((self.control / WATCH_FILE).is_file, "a watchdog that looks")
            yield dog
            assert dog.process.poll() is None, dog.log()
            only_reduces(self)
        assert {r for r in self.state.requests[seen:] if not r.startswith("GET")} <= ACTS
        assert self.state.unknown == []

    def rounds(self, dog: RunningProcess, number: int = 6) -> None:
        """Wait while the watchdog looks so often."""
        control = self.control / WATCH_FILE
        for _ in range(number):
            last = _looked_s(control)
            dog.wait_for(lambda last=last: _looked_s(control) > last, "another look")


def only_reduces(left: Abandoned) -> None:
    """Check every order that the exchange got from anybody but the test."""
    for order in left.sent():
        assert order.reduce_only, order
        own = str(order.client_id).startswith(WATCHDOG)
        assert own or "autoclose-" in order.client_id, order


def _looked_s(file: Path) -> float:
    return float(json.loads(file.read_text(encoding="utf-8"))["since_boot_s"])


def told(chat: Chat, words: str) -> list[str]:
    """Return what the person has got with these words in it."""
    return [message.text for message in chat.received() if words in message.text]


def lets_be(dog: RunningProcess, seconds: float) -> None:
    """Let the watchdog run for a while; it must live on."""
    until = time.monotonic() + seconds
    dog.wait_for(lambda: time.monotonic() >= until, "time to pass")
