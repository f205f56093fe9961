"""What was executed and never answered: found, stopped or booked; and what else differs.

Live only; elsewhere there is no exchange to disagree with.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from freqtrade.persistence import Order, Trade

from models.base.errors import InputError
from models.operate.control.state import GuardActor
from models.operate.journal.chain import JournalEntry
from models.operate.journal.records import Incident
from models.trade.risk.losses import Transfer
from models.trade.risk.recall import reducing_orders, unanswered
from models.trade.risk.reconciliation import Books, differences, lost_entries
from models.trade.risk.snapshot import ExchangeAccount, Stage
from strategies.account.exchange_account import (
    books_of_exchange,
    read_positions,
    read_transfers,
    resting_orders,
)
from strategies.account.snapshot import books_of, pending_of
from strategies.account.stops import protect
from strategies.guard.adoption import adopt_exits, adopt_forced, reopen_exit
from strategies.guard.host import Host
from strategies.guard.known import epoch_ms
from strategies.guard.readings import Readings
from strategies.guard.reconciling import Reconciler
from strategies.guard.unknowns import Unknowns
from strategies.human.control import Control
from strategies.seams.data_provider import exchange_of

logger = logging.getLogger(__name__)

_ASK_AGAIN_S: Final = 5.0  # for positions, while some are left


class Recovery:
    """Holds the bot's books against the exchange's and mends what a lost answer left open.

    Parameters
    ----------
    journal
        Of the last day: what was sent before a kill -9 may have been executed since.
    """

    def __init__(
        self,
        host: Host,
        readings: Readings,
        control: Control | None,
        journal: Sequence[JournalEntry],
        unknowns: Unknowns,
    ) -> None:
        self._host, self._readings, self._control = host, readings, control
        self._unknowns = unknowns
        self.books = Reconciler(host, unknowns) if readings.stage is Stage.LIVE else None
        self._held: tuple[str, ...] | None = ()  # by the exchange's last answer, and when
        self._held_s = 0.0
        self._refused = ""  # what the trades database said last
        self.approved = unanswered(journal)  # pair -> signed amount of the last entry
        self._unexplained: frozenset[str] = frozenset()  # what the last comparison asked about
        # Pair -> when its last reducing order was let through.
        self._leaving = reducing_orders(journal)

    @property
    def account(self) -> ExchangeAccount | None:
        """The exchange's own count of the account as of its last answer; live only."""
        return None if self.books is None else self.books.account

    def held(self) -> tuple[str, ...] | None:
        """Return what the exchange holds by its own answer; None without one.

        A dry run has no exchange that could hold what the bot does not know.
        """
        if self.books is None:
            return ()
        now_s = time.monotonic()
        if self._held != () and now_s - self._held_s < _ASK_AGAIN_S:
            return self._held
        exchange = exchange_of(self._host.dp)
        rows = self._unknowns.ask("what the exchange holds", lambda: read_positions(exchange))
        held = None if rows is None else books_of_exchange(exchange, rows).positions
        self._held_s = now_s
        self._held = None if held is None else tuple(f"{p} {held[p]:g}" for p in sorted(held))
        return self._held

    @property
    def on_exchange(self) -> frozenset[str]:
        """Pairs the exchange held when it was compared last; live only."""
        return frozenset() if self.books is None else self.books.held

    def holds_now(self, pair: str) -> bool:
        """Return whether the exchange holds `pair`, asked here and now; live only.

        What was compared last may be from before a fill that has been booked since. Of all pairs,
        so that one the exchange no longer lists has an answer. Whatever the client raises when
        there is none is raised.
        """
        if self.books is None:
            return False
        exchange = exchange_of(self._host.dp)
        return pair in books_of_exchange(exchange, read_positions(exchange)).positions

    def leaving(self, pair: str) -> None:
        """Note that an order that reduces `pair` is about to be sent; the next loop looks after it.

        Sent a second time because the first answer was lost, it would reduce twice.
        """
        if self._control is not None:
            self._leaving[pair] = self._control.clock()
            self.look_soon()

    def look_soon(self) -> None:
        """Let the next loop see whether the answer to an order was lost."""
        if self.books is not None:
            self.books.hurry()

    def booked(self, pair: str, order: Order, now: datetime) -> None:
        """Remember a fill that Freqtrade has written down."""
        if self.books is not None:
            self.books.booked(pair, order, epoch_ms(now))

    def differences_of(self, pair: str) -> tuple[str, ...]:
        """Return what the exchange holds that the books do not: of `pair`, and by somebody else.

        A position somebody else has opened shares the account: with it, no limit is what was
        counted. What this bot has ordered itself explains itself within a loop or two.

        Raises
        ------
        InputError
            While the exchange does not answer for something.
        """
        if self.books is None:
            return ()
        if missing := self.books.unanswered(pair):
            raise InputError(f"the exchange does not tell {', '.join(missing)}")
        every = Trade.get_open_trades()
        trades = [trade for trade in every if trade.pair == pair]
        mine = {trade.pair for trade in every} | self.approved.keys() | self._leaving.keys()
        strange = tuple(
            f"{other}: the exchange holds a position that is not this bot's"
            for other in sorted(self.books.held - mine - {pair})
        )
        theirs = self._readings.quotes.books(pair)
        return (*differences(books_of(trades), theirs, pending_of(trades)), *strange)

    def reconcile(
        self, trades: list[Trade], now_ms: int, armed_ms: int, ratio: float | None
    ) -> tuple[str, ...] | None:
        """Return the differences that have lasted longer than a fill takes to be noticed."""
        if self.books is None:
            return ()

        def found(theirs: Books, ours: Books) -> None:
            asked = {*self._protect_lost(theirs, ours), *self._book_lost(trades, theirs, ours)}
            for what in self._unexplained - asked:
                self._unknowns.known(what)  # nothing is left of it to explain
            self._unexplained = frozenset(asked)

        return self.books.turn(
            trades, now_ms, armed_ms=armed_ms, computed_ratio=ratio,
            found=found, left=self._note_leftover,
        )  # fmt: skip

    def transfers(self, since_ms: int, now_ms: int) -> list[Transfer]:
        """Return what was moved into or out of the account; raises if the exchange is silent."""
        stake = self._host.config["stake_currency"]
        return read_transfers(exchange_of(self._host.dp), stake, since_ms, now_ms)

    def _protect_lost(self, theirs: Books, ours: Books) -> Iterator[str]:
        """Stop a position whose entry was executed and never answered; a person sees to the rest.

        Freqtrade does not know of it and never will. Yields what was asked about.
        """
        for pair, amount in lost_entries(theirs, ours, self.approved):
            what = f"whether a lost entry in {pair} has a stop"
            self._unknowns.ask(what, partial(self._protect, pair, amount), pair=pair)
            yield what

    def _protect(self, pair: str, amount: float) -> None:
        frac, exchange = self._host.sizing.max_stop_frac, exchange_of(self._host.dp)
        mark = self._readings.quotes.market(pair).mark
        if mark is None:
            raise InputError(f"no mark price of {pair}, from which a stop would be placed")
        ask = partial(resting_orders, exchange, [pair])
        stops = self._unknowns.ask(f"the orders of {pair}", ask, pair=pair) or []
        if sum(order.amount for order in stops if order.is_bots_stop) < abs(amount):
            protect(exchange, pair, amount, mark, frac)
        del self.approved[pair]
        what = f"{pair}: an entry of {amount:g} was executed and its answer lost"
        if self._control is not None:
            self._control.record("entry.lost", Incident(what=what, done="stopped at the exchange"))

    def _book_lost(
        self, trades: Sequence[Trade], theirs: Books, ours: Books
    ) -> Iterator[str]:  # fmt: skip
        """Give trades the exits that were executed and that they have not heard of.

        What cannot be explained stays a difference, whatever keeps it from being explained. Yields
        what was asked about.
        """
        for trade in trades:
            missing = abs(ours.positions[trade.pair]) - abs(theirs.positions.get(trade.pair, 0.0))
            # Freqtrade knows of these, and books what was executed of them in this loop.
            missing -= sum(order.safe_remaining for order in open_exits(trade))
            if missing > 0 and self._control is not None:
                explain = partial(self._book, self._control, trade, missing)
                what = f"why {trade.pair} differs"
                self._unknowns.ask(what, explain, pair=trade.pair)
                yield what

    def _book(self, control: Control, trade: Trade, missing: float) -> None:
        asked_ms, exchange = self._leaving.get(trade.pair), exchange_of(self._host.dp)
        ours: list[str] = []
        if asked_ms is not None:
            ours = reopen_exit(trade, missing) or adopt_exits(trade, exchange, asked_ms, missing)
        for what in ours:
            control.record(
                "exit.lost", Incident(what=what, done="found, and given to its trade to book")
            )
        for what in [] if ours else adopt_forced(trade, exchange, missing):
            control.record("exit.forced", Incident(what=what, done="booked; halted"))
            control.store.halt(GuardActor("liquidation"), what)

    def before_the_end(self, why: str) -> None:
        """Stop what the last entries opened, where they cannot be booked: the bot ends with that.

        The journal has the entry, so that the next start knows of it.
        """
        if self._control is not None and why != self._refused:
            self._refused = why
            what = f"the trades database refused: {why}"
            done = "Freqtrade ends with that; stops stay at the exchange, the watchdog looks after"
            logger.error("%s; %s", what, done)
            self._control.record("database.refused", Incident(what=what, done=done))
        for pair, amount in list(self.approved.items()) if self.books is not None else ():
            stop = partial(self._stop_unbooked, pair, amount, why)
            self._unknowns.ask(f"whether an entry in {pair} has a stop", stop, pair=pair)

    def _stop_unbooked(self, pair: str, amount: float, why: str) -> None:
        exchange, frac = exchange_of(self._host.dp), self._host.sizing.max_stop_frac
        rows = read_positions(exchange, pair)
        theirs = books_of_exchange(exchange, rows)
        lost = lost_entries(theirs, Books(positions={}), {pair: amount})
        stops = [o.amount for o in resting_orders(exchange, [pair]) if o.is_bots_stop]
        for (_, held), row in zip(lost, rows, strict=False):
            if sum(stops) < abs(held):
                protect(exchange, pair, held, float(row["markPrice"]), frac)
                what = f"{pair}: an entry of {held:g} cannot be booked: {why}"
                if self._control is not None:
                    self._control.record(
                        "entry.unbooked", Incident(what=what, done="stopped at the exchange")
                    )

    def _note_leftover(self, what: str) -> None:
        if self._control is not None:
            self._control.record("stop.left", Incident(what=what, done="cancelled"))


def open_exits(trade: Trade) -> list[Order]:
    """Return the exits of a trade that are on their way or rest, as far as Freqtrade knows."""
    return [o for o in trade.open_orders if o.ft_order_side == trade.exit_side]
