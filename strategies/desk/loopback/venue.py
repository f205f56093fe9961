"""The matching engine: accounts, orders, and what the market does to them as time passes.

No HTTP here. Every public method first lets the exchange catch up with its clock (`advance`), so
it makes no difference how often anyone looks. Customers trade against the replayed market and
never against each other.

Simpler than the real one: the whole account is liquidated at once at the mark price, margin
checks ignore the open loss of orders away from the mark, and a resting order executes as soon as
the far side of the book reaches it, for as much as the book offers there.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import count

from models.base.files import Clock
from models.trade.account.tiers import MarginTiers
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.book import Level, Liquidity, ladder, levels, sweep
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.orders import AlgoOrder, Order
from strategies.desk.loopback.replay import ReplayedMarket, next_funding_ms
from strategies.desk.loopback.symbols import LISTED, Symbol
from strategies.desk.loopback.tiers import margin_tiers
from strategies.desk.loopback.timeline import first_true_ms

_TAKE_BOUND = Decimal("0.05")  # ``marketTakeBound``: how far from the mark a market order may go
_MAX_ALGOS = 10  # MAX_NUM_ALGO_ORDERS per symbol


@dataclass(kw_only=True)
class LoopbackVenue:
    """One exchange with a market behind it; `advance` before reading fields directly."""

    market: ReplayedMarket
    clock: Clock
    symbols: tuple[Symbol, ...] = LISTED
    liquidity: Liquidity = field(default_factory=Liquidity)
    liquidation_fee_frac: Decimal = Decimal("0.0125")
    accounts: dict[str, Customer] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.symbols = tuple(s for s in self.symbols if s.name in self.market.feeds)
        self.by_name = {s.name: s for s in self.symbols}
        self.tiers: Mapping[str, MarginTiers] = margin_tiers(self.symbols)
        self.at_ms = self.clock()
        self.number = count(1)
        self.settled: set[str] = set()  # symbols that are no more
        self._taken: dict[tuple[str, int], tuple[int, dict[Decimal, Decimal]]] = {}

    # -- customers and prices -----------------------------------------------------------------

    def open_account(self, key: str, secret: str, wallet: Decimal = Decimal(10_000)) -> Customer:
        """Add a customer with `wallet` USDT."""
        alias = hashlib.sha256(key.encode()).hexdigest()[:12]
        account = Customer(key=key, secret=secret, alias=alias)
        account.book_income("TRANSFER", wallet - account.wallet, "", self.at_ms, next(self.number))
        self.accounts[key] = account
        return account

    def renew_key(self, account: Customer, key: str) -> None:
        """Give a customer another API key; the old one is worth nothing any more."""
        with self.lock:
            del self.accounts[account.key]
            account.key = key
            self.accounts[key] = account

    def symbol(self, name: str | None) -> Symbol:
        """Return the symbol called `name`."""
        if name not in self.by_name or name in self.settled:
            raise ApiError(-1121, "Invalid symbol.")
        return self.by_name[name]

    def price(self, symbol: str, at_ms: int | None = None) -> Decimal:
        """Return the contract's price."""
        return _decimal(self.market.price(symbol, self.at_ms if at_ms is None else at_ms))

    def mark(self, symbol: str, at_ms: int | None = None) -> Decimal:
        """Return the mark price."""
        return _decimal(self.market.mark(symbol, self.at_ms if at_ms is None else at_ms))

    def marks(self) -> dict[str, Decimal]:
        """Return all mark prices."""
        return {s.name: self.mark(s.name) for s in self.symbols}

    def book(self, symbol: Symbol, side: int, depth: int) -> list[Level]:
        """Return what a taker on `side` would meet, best first."""
        return levels(symbol, float(self.price(symbol.name)), side, self.liquidity, depth)

    def best(self, symbol: Symbol, side: int, at_ms: int | None = None) -> Decimal:
        """Return the best price for a taker on `side`."""
        price = float(self.price(symbol.name, at_ms))
        return next(ladder(symbol, price, side, self.liquidity)).price

    def move(self, symbol: str, price: float, over_ms: int = 0) -> None:
        """Let contract and mark price leave the script for `price`, reached `over_ms` from now."""
        with self.lock:
            self.advance()
            self.market.feeds[symbol].move(self.at_ms, price, over_ms)

    def transfer(self, account: Customer, amount: Decimal) -> None:
        """Move money into the account, out of it if negative."""
        with self.lock:
            self.advance()
            account.book_income("TRANSFER", amount, "", self.at_ms, next(self.number))

    # -- orders -------------------------------------------------------------------------------

    def place(self, account: Customer, order: Order) -> None:
        """Accept a checked order, match it, and put the rest on the book.

        Raises
        ------
        ApiError
            If reduce-only has nothing to reduce, margin does not suffice, or its time in force
            cannot be kept; nothing has happened then.
        """
        if order.reduce_only:
            if account.position(order.symbol).amount * order.side >= 0:
                raise ApiError(-2022, "ReduceOnly Order is rejected.")
        else:
            self._check_margin(account, order)
        fills = self._offers(order, self._limit(order), self._reducible(account, order))
        if order.time_in_force == "GTX" and fills:
            raise ApiError(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be "
                "rejected.",
            )
        if order.time_in_force == "FOK" and sum(f.quantity for f in fills) < order.quantity:
            raise ApiError(
                -5021,
                "Due to the order could not be filled immediately, the FOK order has been "
                "rejected.",
            )
        account.orders[order.id] = order
        for fill in fills:
            self._take(order, fill)
            self._fill(account, order, fill.price, fill.quantity, account.taker_fee)
        self._expire_unreducing(account, order.symbol)
        if order.is_open and (order.type == "MARKET" or order.time_in_force == "IOC"):
            order.status = "EXPIRED"

    def cancel(self, order: Order | AlgoOrder) -> None:
        """Take an open order off the book."""
        if not order.is_open:
            raise ApiError(-2011, "Unknown order sent.")
        order.status, order.update_ms = "CANCELED", self.at_ms

    def place_algo(self, account: Customer, algo: AlgoOrder) -> None:
        """Accept a stop or take-profit."""
        if self._is_triggered(algo, self.at_ms):
            raise ApiError(-2021, "Order would immediately trigger.")
        if len(account.open_algos(algo.symbol)) >= _MAX_ALGOS:
            raise ApiError(-4045, "Reach max stop order limit.")
        account.algos[algo.id] = algo

    def _check_margin(self, account: Customer, order: Order) -> None:
        price = order.price or self.best(self.by_name[order.symbol], order.side)
        opening = {order.symbol: order.side * order.quantity * price}
        needed = account.order_margin(opening) - account.order_margin()
        if needed > account.available(self.marks()):
            raise ApiError(-2019, "Margin is insufficient.")
        after = account.position(order.symbol).amount + order.side * order.quantity
        most = self.tiers[order.symbol].max_leverage(float(abs(after) * price))
        if needed > 0 and account.leverage_of(order.symbol) > most:
            raise ApiError(-2027, "Exceeded the maximum allowable position at current leverage.")

    def _limit(self, order: Order) -> Decimal:
        """Return the worst price `order` may trade at."""
        return order.price or self.mark(order.symbol) * (1 + order.side * _TAKE_BOUND)

    def _reducible(self, account: Customer, order: Order) -> Decimal:
        """Return how much of `order` may execute: reduce-only stops at a flat position."""
        if not order.reduce_only:
            return order.left
        return min(order.left, max(-account.position(order.symbol).amount * order.side, Decimal(0)))

    def _offers(self, order: Order, limit: Decimal, quantity: Decimal) -> list[Level]:
        """Return what the book has for `order` now."""
        symbol = self.by_name[order.symbol]
        offers = ladder(symbol, float(self.price(symbol.name)), order.side, self.liquidity)
        return sweep(offers, quantity, order.side, limit, self._recently_taken(symbol, order.side))

    def _recently_taken(self, symbol: Symbol, side: int) -> dict[Decimal, Decimal]:
        since_ms, taken = self._taken.get((symbol.name, side), (self.at_ms, {}))
        if self.at_ms - since_ms >= self.liquidity.refill_ms:
            since_ms, taken = self.at_ms, {}
        self._taken[symbol.name, side] = (since_ms if taken else self.at_ms, taken)
        return taken

    def _take(self, order: Order, offer: Level) -> None:
        taken = self._recently_taken(self.by_name[order.symbol], order.side)
        taken[offer.price] = taken.get(offer.price, Decimal(0)) + offer.quantity

    def _fill(
        self, account: Customer, order: Order, price: Decimal, quantity: Decimal, fee_rate: Decimal,
        *, maker: bool = False,
    ) -> None:  # fmt: skip
        account.book_fill(order, price, quantity, fee_rate=fee_rate, maker=maker,
                          now_ms=self.at_ms, number=next(self.number))  # fmt: skip

    def _match_resting(self, account: Customer, order: Order) -> None:
        """Execute a resting order at its own price for as much as has come to it."""
        if not order.is_open:  # expired by an order before it
            return
        for offer in self._offers(order, order.price, self._reducible(account, order)):
            self._take(order, offer)
            self._fill(account, order, order.price, offer.quantity, account.maker_fee, maker=True)
        self._expire_unreducing(account, order.symbol)

    def _expire_unreducing(self, account: Customer, symbol: str) -> None:
        """Expire the reduce-only orders of a position that is gone or turned around."""
        amount = account.position(symbol).amount
        for order in account.open_orders(symbol):
            if order.reduce_only and amount * order.side >= 0:
                order.status, order.update_ms = "EXPIRED", self.at_ms
        for algo in account.open_algos(symbol):
            if algo.close_position and amount * algo.side >= 0:
                algo.status, algo.update_ms = "EXPIRED", self.at_ms

    # -- time ---------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let everything happen that the market has caused up to the clock's time."""
        with self.lock:
            now = self.clock()
            while self.at_ms < now:
                self.at_ms = self._next_ms(now)
                self._happen()

    def _next_ms(self, now: int) -> int:
        """Return the next instant at which anything can happen, at most `now`."""
        busy = {s for a in self.accounts.values() for s in _symbols_of(a)}
        if not busy:
            return now
        bounds = (now, next_funding_ms(self.at_ms), self.market.next_knot_ms(busy, self.at_ms))
        stop = min(t for t in bounds if t is not None)
        return min(self._candidates(stop), default=stop)

    def _candidates(self, stop: int) -> Iterator[int]:
        """Yield the instants up to `stop` at which an order or an account reaches its limit."""
        conditions: list[Callable[[int], bool]] = []
        for account in self.accounts.values():
            conditions += [partial(self._is_triggered, algo) for algo in account.open_algos()]
            for order in account.open_orders():
                if self._is_met(order, self.at_ms):  # waits for the book to fill up again
                    yield min(stop, self.at_ms + self.liquidity.refill_ms)
                else:
                    conditions.append(partial(self._is_met, order))
            if account.open_positions():
                conditions.append(partial(self._is_dead, account))
        for happens in conditions:
            instant = first_true_ms(self.at_ms, stop, happens)
            if instant is not None:
                yield instant

    def _is_met(self, order: Order, at_ms: int) -> bool:
        """Return whether the far side of the book has come to a resting order."""
        best = self.best(self.by_name[order.symbol], order.side, at_ms)
        return order.side * (best - order.price) <= 0

    def _is_triggered(self, algo: AlgoOrder, at_ms: int) -> bool:
        return algo.is_reached(self._watched(algo, at_ms))

    def _watched(self, algo: AlgoOrder, at_ms: int) -> Decimal:
        watch = self.mark if algo.working_type == "MARK_PRICE" else self.price
        return watch(algo.symbol, at_ms)

    def _happen(self) -> None:
        """Funding, triggers, fills and liquidations of this instant, in that order."""
        for account in self.accounts.values():
            if next_funding_ms(self.at_ms - 1) == self.at_ms:
                self._pay_funding(account)
            for algo in account.open_algos():
                if self._is_triggered(algo, self.at_ms):
                    self._trigger(account, algo)
            for order in account.open_orders():
                self._match_resting(account, order)
            if account.open_positions() and self._is_dead(account, self.at_ms):
                self._liquidate(account)

    def _pay_funding(self, account: Customer) -> None:
        for name, position in account.open_positions().items():
            rate = _decimal(self.market.feeds[name].rate_at(self.at_ms))
            paid = position.amount * self.mark(name) * rate
            if paid:
                number = next(self.number)
                account.book_income("FUNDING_FEE", -paid, name, self.at_ms, number)

    def _trigger(self, account: Customer, algo: AlgoOrder) -> None:
        """Turn a reached algo order into an order of its own."""
        algo.trigger_ms = algo.update_ms = self.at_ms
        held = account.position(algo.symbol).amount
        order = Order(
            id=next(self.number),
            client_id=algo.client_id,
            symbol=algo.symbol,
            side=algo.side,
            type="MARKET" if algo.type.endswith("_MARKET") else "LIMIT",
            time_in_force=algo.time_in_force,
            quantity=abs(held) if algo.close_position else algo.quantity,
            price=algo.price,
            reduce_only=algo.reduce_only or algo.close_position,
            time_ms=self.at_ms,
            update_ms=self.at_ms,
        )
        try:
            self.place(account, order)
        except ApiError:
            algo.status = "REJECTED"
        else:
            algo.status, algo.order = "TRIGGERED", order

    # -- forced closings ----------------------------------------------------------------------

    def _is_dead(self, account: Customer, at_ms: int) -> bool:
        marks = {s: float(self.mark(s, at_ms)) for s in account.open_positions()}
        return account.margin_state(self.tiers).is_liquidated(marks)

    def _liquidate(self, account: Customer) -> None:
        """Close everything at the mark, take the fee, and never leave a debt."""
        self._cancel_open(account)
        for name, position in account.open_positions().items():
            mark = self.mark(name)
            fee = abs(position.amount) * mark * self.liquidation_fee_frac
            self._force(account, name, -position.amount, mark, "autoclose-")
            account.book_income("INSURANCE_CLEAR", -fee, name, self.at_ms, next(self.number))
        if account.wallet < 0:  # the insurance fund pays the rest
            account.book_income("INSURANCE_CLEAR", -account.wallet, "", self.at_ms,
                                next(self.number))  # fmt: skip

    def deleverage(self, account: Customer, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Close `quantity` of a position at the counterparty's bankruptcy price, without a fee."""
        with self.lock:
            self.advance()
            held = account.position(symbol).amount
            if not 0 < quantity <= abs(held):
                raise ValueError(f"expected a quantity up to the position {held}, got {quantity}")
            side = 1 if held > 0 else -1
            self._force(account, symbol, -side * quantity, price, "adl_autoclose-")

    def settle(self, symbol: str) -> None:
        """Close every position in `symbol` at its mark, and know the symbol no more."""
        with self.lock:
            self.advance()
            for account in self.accounts.values():
                if held := account.position(symbol).amount:
                    mark = self.mark(symbol)
                    self._force(account, symbol, -held, mark, "settlement_autoclose-")
            self.settled.add(symbol)

    def _cancel_open(self, account: Customer, symbol: str | None = None) -> None:
        for order in account.open_orders(symbol):
            self.cancel(order)
        for algo in account.open_algos(symbol):
            self.cancel(algo)

    def _force(
        self, account: Customer, symbol: str, amount: Decimal, price: Decimal, prefix: str
    ) -> None:
        """Book a closing nobody ordered; open orders of the symbol are cancelled first."""
        self._cancel_open(account, symbol)
        number = next(self.number)
        order = Order(
            id=number,
            client_id=f"{prefix}{number}",
            symbol=symbol,
            side=1 if amount > 0 else -1,
            type="LIMIT",
            time_in_force="IOC",
            quantity=abs(amount),
            price=price,
            reduce_only=True,
            time_ms=self.at_ms,
            update_ms=self.at_ms,
        )
        account.orders[order.id] = order
        self._fill(account, order, price, abs(amount), Decimal(0))


def _decimal(value: float) -> Decimal:
    """Return a price or rate as the exchange writes it, to eight digits."""
    return Decimal(repr(round(value, 8)))


def _symbols_of(account: Customer) -> Iterable[str]:
    """Yield the symbols in which something of `account` can happen."""
    yield from account.open_positions()
    yield from (o.symbol for o in account.open_orders())
    yield from (a.symbol for a in account.open_algos())
