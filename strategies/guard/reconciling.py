"""Holds the bot's books against the exchange's: positions, resting orders, fills and the margin.

Nothing is asked for just before a candle's close and just after it, when orders are sent and stops
placed. A difference has to last before it counts: what is on its way explains itself within a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from freqtrade.exchange import Exchange
from freqtrade.persistence import Order, Trade

from models.base.units import HOUR_MS
from models.operate.control.watch import Resting
from models.trade.risk.reconciliation import (
    Books,
    ReportedFill,
    bare_positions,
    differences,
    fill_differences,
    order_differences,
)
from models.trade.risk.snapshot import ExchangeAccount
from strategies.account.exchange_account import (
    ALL_AT_ONCE,
    books_of_exchange,
    order_behind,
    positions_of,
    read_account,
    read_executions,
    read_positions,
    resting_orders,
)
from strategies.account.exchange_answers import fills_of
from strategies.account.snapshot import books_of, pending_of
from strategies.guard.host import Host
from strategies.guard.unknowns import Unknowns
from strategies.seams.data_provider import exchange_of

_EVERY_MS: Final = 5_000  # positions and account
_ORDERS_MS: Final = 15_000  # resting orders; every turn while they differ
_UNEXPLAINED_MS: Final = 15_000  # Freqtrade looks at its stops once a loop
_LOOKS: Final = 3  # in one loop between two of them the exchange may be silent for Freqtrade alone
_SAME: Final = 1e-9  # relative; amounts are whole steps of the exchange
_BEFORE_CLOSE_MS: Final = 2_000
_AFTER_CLOSE_MS: Final = 3_000
# Of fills nobody knows, the youngest; what the books hold of them and the exchange's list must
# reach further back.
_STRANGE_MS: Final = 12 * HOUR_MS
_BOOKED_MS: Final = 24 * HOUR_MS
_EXECUTED_MS: Final = 36 * HOUR_MS


@dataclass(frozen=True, kw_only=True)
class _Booked:
    """A fill as the bot recorded it, and when."""

    fill: ReportedFill
    is_stop: bool
    time_ms: int


class Reconciler:
    """What is kept between two looks at the exchange; live only.

    Parameters
    ----------
    host
        Whose data provider, order types and candle length are read when asked.
    unknowns
        Where subjects go that the exchange does not answer for: one pair's stays one pair's.
    """

    def __init__(self, host: Host, unknowns: Unknowns) -> None:
        self._host, self._unknowns = host, unknowns
        self.account: ExchangeAccount | None = None
        self._asked_ms: dict[str, int] = {}  # subject -> when it was looked at last
        self._tried_ms: dict[str, int] = {}  # the same, answered or not
        self._odd: dict[str, tuple[str, ...]] = {}  # subject -> its differences
        self._since: dict[str, int] = {}  # difference -> since when it is seen
        self._looks: dict[str, int] = {}  # difference -> how many looks have seen it
        self._taken_back: set[str] = set()  # stops Freqtrade may not know to be cancelled yet
        self._started_ms: int | None = None
        self._armed_ms = 0  # when a person last resumed
        self._resumed_ms = 0  # when that was heard of: what was seen before may be put right
        self._seen_ms: dict[str, int] = {}  # subject -> when it was last answered
        self._rows: list[Mapping[str, Any]] = []  # positions, as the exchange's client tells them
        self._wallet: float | None = None
        self._booked: dict[str, _Booked] = {}
        self._behind: dict[str, str] = {}  # triggered stop -> the order it placed
        self._executed: dict[str, list[dict[str, Any]]] = {}  # pair -> executions
        self._busy: set[str] = set()  # pairs whose executions are to be looked at

    def booked(self, pair: str, order: Order, now_ms: int) -> None:
        """Remember a fill that Freqtrade has written down."""
        amount, price = float(order.safe_filled), float(order.safe_price)
        self._booked[str(order.order_id)] = _Booked(
            fill=ReportedFill(order=str(order.order_id), pair=pair, amount=amount, price=price),
            is_stop=order.ft_order_side == "stoploss",
            time_ms=now_ms,
        )
        self._busy.add(pair)
        self._asked_ms.pop("account", None)  # what it won or lost is to be counted soon

    def hurry(self) -> None:
        """Let the positions be looked at in the next turn, however soon that comes."""
        self._asked_ms.pop("positions", None)

    def turn(
        self,
        trades: list[Trade],
        now_ms: int,
        *,
        armed_ms: int = 0,
        computed_ratio: float | None = None,
        found: Callable[[Books, Books], None] = lambda theirs, ours: None,
        left: Callable[[str], None] = lambda what: None,
    ) -> tuple[str, ...] | None:
        """Ask for what is due, and return the differences nothing has explained in time.

        Parameters
        ----------
        trades
            Freqtrade's open trades.
        armed_ms
            When a person last resumed: fills before it have been seen to.
        computed_ratio
            The pack's own margin ratio now.
        found
            Is told the exchange's positions and the bot's whenever they are compared.
        left
            Is told of each stop that was taken back because no trade knows it.

        Returns
        -------
        tuple of str or None
            None if the exchange did not answer for something and nothing else differs.
        """
        # Control knows of a resumption only while it lasts; what was seen to stays seen to.
        if armed_ms > self._armed_ms:
            self._resumed_ms = now_ms
            self._asked_ms.clear()  # and is looked at now: what still differs halts in this turn
        self._armed_ms = armed_ms = max(self._armed_ms, armed_ms)
        first = self._started_ms is None
        self._started_ms = now_ms if self._started_ms is None else self._started_ms
        if self._is_due("positions", _EVERY_MS, now_ms):
            self._look("positions", lambda: self._positions(trades, found), now_ms)
        if first or self._is_quiet(now_ms):
            if self._is_due("account", _EVERY_MS, now_ms):
                self._look("account", lambda: self._account(now_ms, computed_ratio), now_ms)
            every_ms = _EVERY_MS if self._is_odd("orders") else _ORDERS_MS
            if self._is_due("orders", every_ms, now_ms):
                self._look_at_orders(trades, left, now_ms)
            if self._busy and self._is_due("fills", _EVERY_MS, now_ms):
                self._look_at_fills(trades, now_ms, armed_ms)
        return self._lasting(now_ms)

    @property
    def held(self) -> frozenset[str]:
        """Pairs the exchange held when it was asked last."""
        return frozenset(row["symbol"] for row in self._rows)

    def unanswered(self, pair: str) -> tuple[str, ...]:
        """Return what the exchange did not answer for of `pair` when it was asked last."""
        subjects = ("positions", "account", f"orders of {pair}", f"fills of {pair}")
        return tuple(s for s in map(_named, subjects) if self._unknowns.is_unknown(s))

    # -- one subject each -----------------------------------------------------------------------

    def _positions(
        self, trades: list[Trade], found: Callable[[Books, Books], None]
    ) -> tuple[str, ...]:
        self._rows = read_positions(self._exchange)
        theirs, ours = books_of_exchange(self._exchange, self._rows), books_of(trades)
        # An error in explaining a difference must not hide it.
        self._unknowns.ask("what explains the positions", lambda: found(theirs, ours))
        return differences(ours, theirs, pending_of(trades))

    def _account(self, now_ms: int, ratio: float | None) -> tuple[str, ...]:
        """Read the account; a balance that moved may be a fill nobody has told of."""
        self.account = None
        stake = self._host.config["stake_currency"]
        self.account = read_account(self._exchange, stake, self._rows, now_ms, ratio)
        if self._wallet not in (None, self.account.wallet_quote):
            self._busy |= {b.fill.pair for b in self._booked.values()}
            self._busy |= {row["symbol"] for row in self._rows}
        self._wallet = self.account.wallet_quote
        return ()

    def _look_at_orders(
        self, trades: list[Trade], left: Callable[[str], None], now_ms: int
    ) -> None:  # fmt: skip
        """Compare the resting orders pair by pair: one the exchange knows no more hides no other.

        Of many pairs they are asked for all at once.
        """
        asked = [*self._host.dp.current_whitelist(), *(t.pair for t in trades)]
        pairs = list(dict.fromkeys(asked))
        rows = self._resting
        if len(pairs) >= ALL_AT_ONCE:
            every = self._unknowns.ask("the exchange's orders", lambda: self._resting(*pairs))
            if every is None:
                for pair in pairs:
                    self._count_less(f"orders of {pair}", now_ms)
                return
            rows = partial(_of, every)
        for pair in pairs:
            own = [trade for trade in trades if trade.pair == pair]
            compare = partial(self._orders, pair, own, rows, left)
            self._look(f"orders of {pair}", compare, now_ms, pair=pair)
        self._only("orders", pairs)
        self._asked_ms["orders"] = now_ms

    def _resting(self, *pairs: str) -> list[Resting]:
        return resting_orders(self._exchange, pairs)

    def _orders(
        self, pair: str, trades: list[Trade], rows: Callable[[str], list[Resting]],
        left: Callable[[str], None],
    ) -> tuple[str, ...]:  # fmt: skip
        resting = rows(pair)
        for stop, why in self._superfluous(pair, trades, resting):
            self._exchange.cancel_stoploss_order(stop.id, stop.symbol)
            resting.remove(stop)
            self._taken_back.add(stop.id)
            left(f"{stop.symbol}: a stop of {stop.amount:g} {why}")
        believed = {
            str(o.order_id): pair for t in trades for o in (*t.open_orders, *t.open_sl_orders)
            if str(o.order_id) not in self._taken_back
        }  # fmt: skip
        bare: tuple[str, ...] = ()
        if self._host.order_types.get("stoploss_on_exchange"):
            held = [row for row in self._rows if row["symbol"] == pair]
            bare = bare_positions(positions_of(self._exchange, held), resting)
        return (*order_differences(believed, resting), *bare)

    def _superfluous(
        self, pair: str, trades: list[Trade], resting: list[Resting]
    ) -> list[tuple[Resting, str]]:
        """Return the bot's own stops to take back, and why.

        Those no trade knows, left by a kill before they were answered, would close the next
        position at an old price; not before the trade has another: it may be all that protects.
        Of several a trade knows the newest stays. Nothing is taken back where positions differ.
        """
        if self._odd.get("positions") or self._is_missing("positions"):
            return []
        known = [str(order.order_id) for trade in trades for order in trade.open_sl_orders]
        stops = [order for order in resting if order.is_bots_stop]
        mine = sorted((s for s in stops if s.id in known), key=lambda s: known.index(s.id))
        strange = [s for s in stops if s.id not in known] if mine or not trades else []
        amount = sum(abs(trade.amount) for trade in trades)
        whole = [stop for stop in mine if stop.amount >= amount * (1 - _SAME)]
        twice = [stop for stop in mine if stop is not whole[-1]] if whole else []
        return [
            *((stop, "that no trade knows") for stop in strange),
            *((stop, f"beside another of {whole[-1].amount:g}") for stop in twice),
        ]

    def _look_at_fills(self, trades: list[Trade], now_ms: int, armed_ms: int) -> None:
        self._booked = {
            order: b for order, b in self._booked.items()
            if b.time_ms >= max(armed_ms, now_ms - _BOOKED_MS)
        }  # fmt: skip
        pairs = sorted(self._busy)
        for pair in pairs:
            subject = f"fills of {pair}"
            compare = partial(self._fills, pair, trades, now_ms, armed_ms)
            self._look(subject, compare, now_ms, pair=pair)
            if not (self._odd.get(subject) or self._is_missing(subject)):
                self._busy.discard(pair)
        self._only("fills", pairs)
        self._asked_ms["fills"] = now_ms

    def _fills(
        self, pair: str, trades: list[Trade], now_ms: int, armed_ms: int
    ) -> tuple[str, ...]:  # fmt: skip
        self._read_executions(pair, now_ms)
        executed = {f.order: f for f in fills_of(self._executed[pair])}
        known = self._known(trades, pair, executed)
        since_ms = max(armed_ms, self._started_ms or 0, now_ms - _STRANGE_MS)
        young = {
            str(row["order"]) for row in self._executed[pair] if row["timestamp"] >= since_ms
        }  # fmt: skip
        return fill_differences(
            known.values(),
            [f for f in executed.values() if f.order in young | known.keys()],
            self._waiting(trades),
        )

    def _read_executions(self, pair: str, now_ms: int) -> None:
        kept = [r for r in self._executed.get(pair, ()) if r["timestamp"] >= now_ms - _EXECUTED_MS]
        since_ms = kept[-1]["timestamp"] if kept else (self._started_ms or now_ms) - _BOOKED_MS
        self._executed[pair] = kept + read_executions(self._exchange, pair, since_ms)

    def _known(
        self, trades: list[Trade], pair: str, executed: dict[str, ReportedFill]
    ) -> dict[str, ReportedFill]:
        """Return the bot's own fills by the order that the exchange executed."""
        for trade in trades:
            for order in trade.orders:
                done = not order.ft_is_open and order.safe_filled
                if done and str(order.order_id) in executed:
                    self._remember(trade.pair, order)
        fills = {}
        for booked in self._booked.values():
            if booked.fill.pair == pair:
                order = self._behind_of(booked)
                fills[order] = replace(booked.fill, order=order)
        return fills

    def _remember(self, pair: str, order: Order) -> None:
        if str(order.order_id) not in self._booked:
            self.booked(pair, order, self._started_ms or 0)

    def _behind_of(self, booked: _Booked) -> str:
        order = booked.fill.order
        if not booked.is_stop:
            return order
        if order not in self._behind:
            self._behind[order] = order_behind(self._exchange, order, booked.fill.pair)
        return self._behind[order]

    def _waiting(self, trades: Iterable[Trade]) -> set[str]:
        return {str(o.order_id) for t in trades for o in t.orders if o.ft_is_open}

    # -- keeping time ---------------------------------------------------------------------------

    @property
    def _exchange(self) -> Exchange:
        return exchange_of(self._host.dp)

    def _is_due(self, subject: str, every_ms: int, now_ms: int) -> bool:
        return now_ms - self._asked_ms.get(subject, 0) >= every_ms

    def _is_quiet(self, now_ms: int) -> bool:
        """Whether no candle's close is near: asking now holds up no order and no stop."""
        into_ms = now_ms % (candle_ms := self._host.candle_ms)
        return bool(into_ms >= _AFTER_CLOSE_MS and candle_ms - into_ms >= _BEFORE_CLOSE_MS)

    def _look(
        self, subject: str, compare: Callable[[], tuple[str, ...]], now_ms: int, *, pair: str = ""
    ) -> None:
        """Compare one subject; without an answer it is unknown, and asked for again next time."""
        found = self._unknowns.ask(_named(subject), compare, pair=pair)
        if found is None:
            self._count_less(subject, now_ms)
            return
        self._odd[subject], self._asked_ms[subject] = found, now_ms
        self._tried_ms[subject] = self._seen_ms[subject] = now_ms
        odd = {d for found in self._odd.values() for d in found}
        self._since = {d: self._since.get(d, now_ms) for d in odd}
        self._looks = {d: self._looks.get(d, 0) + (d in found) for d in odd}

    def _count_less(self, subject: str, now_ms: int) -> None:
        """Take time without an answer out of how long a subject's differences have lasted.

        Freqtrade asks the same exchange: what it was not told it cannot have put right.
        """
        waited_ms = now_ms - self._tried_ms.get(subject, now_ms)
        self._tried_ms[subject] = now_ms
        for difference in self._odd.get(subject, ()):
            self._since[difference] += waited_ms

    def _only(self, kind: str, pairs: Collection[str]) -> None:
        """Forget what differed in pairs that are looked at no more."""
        begin, asked = f"{kind} of ", {f"{kind} of {pair}" for pair in pairs}
        self._odd = {
            s: odd for s, odd in self._odd.items() if s in asked or not s.startswith(begin)
        }

    def _is_odd(self, kind: str) -> bool:
        return any(odd for s, odd in self._odd.items() if s.startswith(kind))

    def _is_missing(self, subject: str) -> bool:
        return self._unknowns.is_unknown(_named(subject))

    def _lasting(self, now_ms: int) -> tuple[str, ...] | None:
        lasting = tuple(
            d for subject, found in self._odd.items()
            if not self._is_missing(subject) and self._seen_ms[subject] >= self._resumed_ms
            for d in found
            if now_ms - self._since[d] >= _UNEXPLAINED_MS and self._looks[d] >= _LOOKS
        )  # fmt: skip
        own = (f"{kind} of {pair}" for kind in ("orders", "fills") for pair in self.held)
        missing = any(map(self._is_missing, ("positions", "account", "orders", *own)))
        return None if missing and not lasting else lasting


def _of(every: Iterable[Resting], pair: str) -> list[Resting]:
    return [order for order in every if order.symbol == pair]


def _named(subject: str) -> str:
    """Return a subject as a person reads it; one pair's carries the pair."""
    return f"the {subject}" if " of " in subject else f"the exchange's {subject}"
