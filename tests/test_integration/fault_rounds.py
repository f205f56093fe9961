"""One live bot taken through entry, partial exit and exit while its exchange misbehaves.

The bot is the real one with signed orders and a stop on the exchange; its clock skips its sleeps
(`tests.exchange.skipping`), so that a minute takes seconds and a request what it takes. Between two
rounds a person holds entries back. What is looked at is the exchange's side of the truth.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import ControlMode, Person
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.orders import Order
from strategies.desk.loopback.replay import PriceFeed, ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.client import second_source_config
from tests.exchange.clock import SkippedClock
from tests.exchange.faults import Fault
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration.controlled_bot import unprotected
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import KEY, PATIENCE_S, SECRET, write_strategy

ANN: Final = Person("ann", "telegram")
PHASES: Final = ("entry", "partial exit", "exit")
SYMBOL: Final = "BTCUSDT"
MAX_GROSS: Final = 2.0  # x equity, one order and one position of the shipped limits
SETTLES_S: Final = PATIENCE_S  # on the machine's clock, for a bot that nothing hinders any more
# Without a stop while nothing is wrong, on the bot's clock: a loop or two, and what a loaded
# machine takes for them.
MAX_BARE_S: Final = 60.0

_EXITS = """
    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        return "profit" if current_rate > 1.012 * trade.open_rate else None
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault and when it is there.

    Attributes
    ----------
    faults
        Makes them anew for every phase; those without `times` stay for `lasts_s`.
    lasts_s
        On the exchange's clock, since entries were let through.
    lead_s
        How long it is there before that: for what the bot only knows a candle later.
    refused
        What the bot's log has to give as the reason of a refused entry.
    phases
        Those it can strike in.
    halts
        The phase, if any, after which a person has to look: the books differ.
    """

    name: str
    faults: Callable[[LoopbackVenue], Sequence[Fault]]
    lasts_s: float = 0.0
    lead_s: float = 0.0
    refused: str = ""
    phases: tuple[str, ...] = PHASES
    halts: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Witness:
    """Looks at the account after every request, when whatever the bot did has just happened."""

    state: ExchangeState
    account: Customer
    bare: list[tuple[int, int]] = field(default_factory=list)  # spans without a stop
    gross: float = 0.0  # the most, x equity
    _bare_since: int | None = None

    def look(self) -> None:
        venue = self.state.venue
        assert venue is not None
        marks = venue.marks()
        notional = sum(abs(p.amount) * marks[s] for s, p in self.account.open_positions().items())
        equity = self.account.wallet + self.account.unrealised(marks)
        if notional:  # an account that was liquidated has neither
            self.gross = max(self.gross, float(notional / equity))
        bare = bool(unprotected(self.state, self.account))
        if bare and self._bare_since is None:
            self._bare_since = venue.at_ms
        elif not bare and self._bare_since is not None:
            self.bare.append((self._bare_since, venue.at_ms))
            self._bare_since = None

    def longest_bare_s(self, faults: Sequence[tuple[int, int]]) -> tuple[float, float]:
        """Return the longest time without a stop: in all, and of that without any fault."""
        whole = free = 0
        for start, stop in self.bare:
            whole = max(whole, stop - start)
            struck = sum(max(0, min(stop, b) - max(start, a)) for a, b in faults)
            free = max(free, stop - start - struck)
        return whole / 1000, free / 1000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a case; each of the six questions is answered by its problems, if any."""

    case: str
    struck: int
    bare_s: float
    bare_free_s: float
    gross: float
    ended: str
    problems: dict[str, str]  # question -> what is wrong


QUESTIONS: Final = (
    "no crash", "no duplicate", "protected", "within limits", "reconciled", "journal intact",
)  # fmt: skip


@dataclass(kw_only=True)
class Rounds:
    """A bot, its exchange, and the person who looks after it."""

    bot: LiveBot
    state: ExchangeState
    account: Customer
    desk: Commands
    clock: SkippedClock
    witness: Witness

    # -- a round ------------------------------------------------------------------------------

    def run(self, case: Case) -> Outcome:
        """Take the bot through the three phases under `case`; what goes wrong is in the outcome."""
        venue = self.venue
        self.witness.bare.clear()
        self.witness.gross = 0.0
        seen = _Round(
            orders=len(self.account.orders), struck=len(self.state.faults.struck),
            loop=self.loop(), log=len(self.bot.log()),
        )  # fmt: skip
        for phase in PHASES:
            if phase != "entry":
                self.desk.reduce(ANN, "one entry a round")  # exits pass
                venue.move(SYMBOL, float(venue.price(SYMBOL)) * 1.008)
            self._phase(case, phase, seen)
            if seen.stuck or seen.over:
                break
        self.desk.reduce(ANN, "between two rounds")
        return self._judged(case, seen)

    def _phase(self, case: Case, phase: str, seen: _Round) -> None:
        start_ms = self.clock()
        if phase in case.phases:
            faults = case.faults(self.venue)
            self.state.faults.add(*faults)
            begin = start_ms + round(1000 * case.lead_s)
            self.waited(lambda: self.clock() >= begin, SETTLES_S)
            until = begin + round(1000 * case.lasts_s)
            if phase == "entry":
                self.desk.resume(ANN)
            used = self.waited(
                lambda: self.clock() >= until and _spent(faults), SETTLES_S + 2 * case.lasts_s
            )
            self.state.faults.clear()
            seen.faulty.append((start_ms, self.clock()))
            if not used:
                seen.stuck = f"{phase}: the fault never struck"
                return
        elif phase == "entry":
            self.desk.resume(ANN)
        halted = self.waited(lambda: self.halted() or self._settled(phase), SETTLES_S)
        if not halted:
            seen.stuck = f"{phase}: not settled, {self.held():g} held, {self.stopped():g} stopped"
        elif self.halted():
            self.waited(lambda: self.stopped() >= self.held(), SETTLES_S)
            seen.halts[phase] = self.desk.store.read().reason
            seen.over = True
            self.person_closes()

    def _settled(self, phase: str) -> bool:
        """Whether the phase has come to its end in the bot's books and at the exchange alike."""
        held, trade = self.held(), self.open_trade()
        if phase == "exit":
            return not held and not self.stopped() and trade is None
        if trade is None or held == 0 or self.stopped() != held or trade["amount"] != held:
            return False
        return phase == "entry" or self._exits(trade) == 1

    def _exits(self, trade: dict[str, Any]) -> int:
        return len(self.bot.rows(
            f"SELECT id FROM orders WHERE ft_trade_id = {trade['id']} AND filled > 0 "
            "AND ft_order_side = 'sell'"
        ))  # fmt: skip

    # -- judging ------------------------------------------------------------------------------

    def _judged(self, case: Case, seen: _Round) -> Outcome:
        problems = {}
        if self.bot.process.poll() is not None:
            problems["no crash"] = f"ended with {self.bot.process.poll()}"
        elif "Fatal exception" in self.bot.log()[seen.log :]:
            problems["no crash"] = "a fatal exception"
        elif not self.waited(lambda: self.loop() > seen.loop + 2, SETTLES_S):
            problems["no crash"] = "the loop stands"
        if twice := self.duplicates(seen.orders):
            problems["no duplicate"] = twice
        whole, free = self.witness.longest_bare_s(seen.faulty)
        if free > MAX_BARE_S:
            problems["protected"] = f"{free:.0f} s without a stop"
        if case.refused and not re.search(
            f"entry refused: .*{case.refused}", self.bot.log()[seen.log :]
        ):
            problems["within limits"] = f"no entry was refused for {case.refused}"
        if self.witness.gross > MAX_GROSS:
            problems["within limits"] = f"{self.witness.gross:.2f} x equity"
        if seen.stuck:
            problems["reconciled"] = seen.stuck
        elif tuple(seen.halts) != case.halts[:1]:
            problems["reconciled"] = f"expected halts {case.halts}, got {seen.halts}"
        elif self.held() or self.open_trade() is not None:
            problems["reconciled"] = f"{self.held():g} at the exchange, {self.open_trade()}"
        if fault := self.desk.journal.verify().fault:
            problems["journal intact"] = fault
        ended = "; ".join(f"halted after the {p}: {why}" for p, why in seen.halts.items())
        return Outcome(
            case=case.name, struck=len(self.state.faults.struck) - seen.struck, bare_s=whole,
            bare_free_s=free, gross=self.witness.gross, ended=ended or "traded", problems=problems,
        )  # fmt: skip

    def duplicates(self, since: int = 0) -> str:
        """Return which orders were executed more than once a position, from flat to flat.

        `since` counts the account's orders; it was flat then.
        """
        held, entries, exits = Decimal(0), 0, 0
        with self.venue.lock:
            orders = [o for o in list(self.account.orders.values())[since:] if o.filled]
        for order in orders:
            if held == 0:
                entries = exits = 0
            entries += not order.reduce_only
            exits += order.reduce_only and not order.client_id.startswith("by-hand")
            held += order.side * order.filled
            if entries > 1 or exits > 2:
                return f"{entries} entries, {exits} exits"
        return ""

    def person_closes(self) -> None:
        """Close by hand at the exchange what the bot does not know of, as its halt asks for."""
        venue = self.venue
        with venue.lock:
            venue.advance()
            for algo in self.account.open_algos():
                venue.cancel(algo)
            if held := self.account.position(SYMBOL).amount:
                number = next(venue.number)
                venue.place(self.account, Order(
                    id=number, client_id=f"by-hand-{number}", symbol=SYMBOL,
                    side=-1 if held > 0 else 1, type="MARKET", time_in_force="GTC",
                    quantity=abs(held), price=Decimal(0), reduce_only=True,
                    time_ms=venue.at_ms, update_ms=venue.at_ms,
                ))  # fmt: skip
        self.waited(lambda: self.open_trade() is None, SETTLES_S)

    # -- looking ------------------------------------------------------------------------------

    @property
    def venue(self) -> LoopbackVenue:
        assert self.state.venue is not None
        return self.state.venue

    def waited(self, happens: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for it on the machine's clock; return whether it came."""
        deadline = time.monotonic() + timeout_s
        while not happens():
            if time.monotonic() > deadline or self.bot.process.poll() is not None:
                return False
            time.sleep(0.05)
        return True

    def halted(self) -> bool:
        return self.desk.store.read().mode is ControlMode.HALTED

    def held(self) -> float:
        with self.venue.lock:
            return float(self.account.position(SYMBOL).amount)

    def stopped(self) -> float:
        with self.venue.lock:
            return sum(float(a.quantity) for a in self.account.open_algos() if a.reduce_only)

    def open_trade(self) -> dict[str, Any] | None:
        found = self.bot.rows("SELECT * FROM trades WHERE is_open = 1")
        return found[0] if found else None

    def loop(self) -> int:
        beat = last_beat(self.desk.store.folder)
        return 0 if beat is None else beat.loop


@dataclass(kw_only=True)
class _Round:
    """What a round has seen so far, and how much of each record is older than it."""

    orders: int
    struck: int
    loop: int
    log: int
    faulty: list[tuple[int, int]] = field(default_factory=list)
    halts: dict[str, str] = field(default_factory=dict)
    stuck: str = ""
    over: bool = False


def _spent(faults: Sequence[Fault]) -> bool:
    return all(fault.times in (None, 0) for fault in faults)


def flat(now_ms: int) -> PriceFeed:
    """Return a market that stands still until it is moved."""
    return scripted_feed(60_000.0, now_ms)


@contextmanager
def running_rounds(
    folder: Path, feed: Callable[[int], PriceFeed] = flat, methods: str = "",
    also: Mapping[str, float] = MappingProxyType({}), **changes: Any,
) -> Iterator[Rounds]:  # fmt: skip
    """Start exchange and bot on one clock, entries held back.

    `methods` are added to the strategy's class, `changes` to the configuration; `also` are pairs
    beside the first, each at its price.
    """
    clock = SkippedClock(folder / "clock")
    others = {f"{p.split('/')[0]}USDT": scripted_feed(price, clock()) for p, price in also.items()}
    market = ReplayedMarket(feeds={SYMBOL: feed(clock()), **others})
    venue = LoopbackVenue(market=market, clock=clock)
    account = venue.open_account(KEY, SECRET)
    state = ExchangeState(venue=venue)
    witness = Witness(state=state, account=account)
    state.watchers.append(witness.look)
    strategy = write_strategy(
        folder, (STRATEGY + _EXITS + methods).replace("GuardedSignals", "FaultSignals")
    )
    desk = Commands(folder / "user_data", clock)
    with running_exchange(state, tls=True) as url:
        config = configuration(url)
        # A person resumes after each round; twenty entries an hour are what is tried here.
        config["breakwater"]["guards"] = {"max_repeats": 1000, "max_latency_frac": 1.0}
        config["breakwater"]["second_source"] = {
            "exchange": "okx", "ccxt_config": second_source_config(url),
        }  # fmt: skip
        config["exchange"]["pair_whitelist"] += also
        config["max_open_trades"] += len(also)
        config |= changes
        desk.reduce(ANN, "before the first round")
        runner = ("tests.exchange.skipping", str(clock.path))
        with running_bot(folder, config, *strategy, runner=runner) as bot:
            bot.wait_for(lambda: last_beat(desk.store.folder) is not None, "a first loop")
            yield Rounds(
                bot=bot, state=state, account=account, desk=desk, clock=clock, witness=witness
            )
