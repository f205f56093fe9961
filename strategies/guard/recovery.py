"""What was executed and never answered: found, stopped or booked; and what else differs.

Live only; elsewhere there is no exchange to disagree with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from freqtrade.persistence import Order, Trade

from models.base.errors import InputError
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
from strategies.guard.adoption import adopt_exits, reopen_exit
from strategies.guard.host import Host
from strategies.guard.known import epoch_ms, known_or_none
from strategies.guard.readings import Readings
from strategies.guard.reconciling import Reconciler
from strategies.human.control import Control
from strategies.seams.data_provider import exchange_of

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
    ) -> None:
        self._host, self._readings, self._control = host, readings, control
        self.books = Reconciler(host) if readings.stage is Stage.LIVE else None
        self._held: tuple[str, ...] | None = ()  # by the exchange's last answer, and when
        self._held_s = 0.0
        self.approved = unanswered(journal)  # pair -> signed amount of the last entry
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
        rows = known_or_none("the exchange's positions", lambda: read_positions(exchange))
        held = None if rows is None else books_of_exchange(exchange, rows).positions
        self._held_s = now_s
        self._held = None if held is None else tuple(f"{p} {held[p]:g}" for p in sorted(held))
        return self._held

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
        """Return what the exchange holds of `pair` that the books do not.

        Raises
        ------
        InputError
            While the exchange does not answer for something.
        """
        if self.books is None:
            return ()
        if self.books.unanswered:
            raise InputError(f"the exchange does not tell its {', '.join(self.books.unanswered)}")
        trades = [t for t in Trade.get_open_trades() if t.pair == pair]
        return differences(books_of(trades), self._readings.quotes.books(pair), pending_of(trades))

    def reconcile(
        self, trades: list[Trade], now_ms: int, armed_ms: int, ratio: float | None
    ) -> tuple[str, ...] | None:
        """Return the differences that have lasted longer than a fill takes to be noticed."""
        if self.books is None:
            return ()

        def found(theirs: Books, ours: Books) -> None:
            self._protect_lost(theirs, ours)
            self._book_lost(trades, theirs, ours)

        return self.books.turn(
            trades, now_ms, armed_ms=armed_ms, computed_ratio=ratio,
            found=found, left=self._note_leftover,
        )  # fmt: skip

    def transfers(self, since_ms: int, now_ms: int) -> list[Transfer]:
        """Return what was moved into or out of the account; raises if the exchange is silent."""
        stake = self._host.config["stake_currency"]
        return read_transfers(exchange_of(self._host.dp), stake, since_ms, now_ms)

    def _protect_lost(self, theirs: Books, ours: Books) -> None:
        """Stop a position whose entry was executed and never answered; a person sees to the rest.

        Freqtrade does not know of it and never will.
        """
        frac, exchange = self._host.sizing.max_stop_frac, exchange_of(self._host.dp)
        for pair, amount in lost_entries(theirs, ours, self.approved):
            mark = self._readings.quotes.market(pair).mark
            if mark is None or self._control is None:
                continue
            ask = partial(resting_orders, exchange, [pair])
            stops = known_or_none(f"the orders of {pair}", ask) or []
            if sum(order.amount for order in stops if order.is_bots_stop) < abs(amount):
                protect(exchange, pair, amount, mark, frac)
            del self.approved[pair]
            what = f"{pair}: an entry of {amount:g} was executed and its answer lost"
            self._control.record("entry.lost", Incident(what=what, done="stopped at the exchange"))

    def _book_lost(self, trades: Sequence[Trade], theirs: Books, ours: Books) -> None:
        """Give trades the exits that were executed and that they have not heard of."""
        for trade in trades:
            asked_ms, pair = self._leaving.get(trade.pair), trade.pair
            missing = abs(ours.positions[pair]) - abs(theirs.positions.get(pair, 0.0))
            if asked_ms is None or self._control is None or missing <= 0:
                continue
            exchange = exchange_of(self._host.dp)
            for what in reopen_exit(trade, missing) or adopt_exits(
                trade, exchange, asked_ms, missing
            ):
                self._control.record(
                    "exit.lost", Incident(what=what, done="found, and given to its trade to book")
                )

    def _note_leftover(self, what: str) -> None:
        if self._control is not None:
            self._control.record("stop.left", Incident(what=what, done="cancelled"))
