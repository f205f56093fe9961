"""One customer of the exchange: wallet, one-way positions, and what happened to them.

Money is Decimal, so a test can state it to the last digit. Margin and liquidation are those of
`models.trade.account`, at the mark price: the exchange and the pack's own account agree by
construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from models.trade.account import cross
from models.trade.account.tiers import MarginTiers
from strategies.desk.loopback.orders import AlgoOrder, Order, side_name, text

ZERO = Decimal(0)


@dataclass(kw_only=True)
class OpenPosition:
    """A net position; `amount` is positive for long, negative for short, base units."""

    amount: Decimal = ZERO
    entry: Decimal = ZERO  # average price
    update_ms: int = 0

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return the open profit at `mark`, quote units."""
        return self.amount * (mark - self.entry)

    def fill(self, amount: Decimal, price: Decimal) -> Decimal:
        """Book an execution of signed `amount` and return the profit it realised.

        Examples
        --------
        >>> held = OpenPosition(amount=Decimal(2), entry=Decimal(100))
        >>> held.fill(Decimal(-3), Decimal(110)), held.amount, held.entry
        (Decimal('20'), Decimal('-1'), Decimal('110'))
        """
        after = self.amount + amount
        if self.amount * amount >= 0:
            self.entry = (self.entry * self.amount + price * amount) / after
            self.amount = after
            return ZERO
        closed = min(abs(self.amount), abs(amount)) * (1 if self.amount > 0 else -1)
        profit = closed * (price - self.entry)
        if after == 0:
            self.entry = ZERO
        elif after * self.amount < 0:  # turned around
            self.entry = price
        self.amount = after
        return profit


@dataclass(kw_only=True)
class Customer:
    """An API key and everything it owns."""

    key: str
    secret: str
    alias: str = "loopback"  # the exchange's own name of the account; a new key leaves it
    wallet: Decimal = Decimal(10_000)
    asset: str = "USDT"  # in which the wallet is counted; credits trading mode has BNFCR
    taker_fee: Decimal = Decimal("0.0005")
    maker_fee: Decimal = Decimal("0.0002")
    positions: dict[str, OpenPosition] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    algos: dict[int, AlgoOrder] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)  # as ``userTrades`` answers them
    income: list[dict[str, Any]] = field(default_factory=list)  # as ``income`` answers them
    leverage: dict[str, int] = field(default_factory=dict)
    hedge_mode: bool = False
    multi_assets: bool = False

    def position(self, symbol: str) -> OpenPosition:
        """Return the position in `symbol`, perhaps of 0."""
        return self.positions.setdefault(symbol, OpenPosition())

    def open_positions(self) -> dict[str, OpenPosition]:
        """Return the positions that are not 0."""
        return {s: p for s, p in self.positions.items() if p.amount}

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return the orders on the book, oldest first."""
        return [o for o in self.orders.values() if o.is_open and symbol in (None, o.symbol)]

    def open_algos(self, symbol: str | None = None) -> list[AlgoOrder]:
        """Return the algo orders that wait for their trigger, oldest first."""
        return [a for a in self.algos.values() if a.is_open and symbol in (None, a.symbol)]

    def leverage_of(self, symbol: str) -> int:
        """Return the leverage chosen for `symbol`; the exchange starts everyone at 20."""
        return self.leverage.get(symbol, 20)

    def unrealised(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return the open profit of all positions at `marks`."""
        return sum((p.unrealised(marks[s]) for s, p in self.open_positions().items()), ZERO)

    def position_margin(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return the initial margin the positions bind."""
        return sum(
            (abs(p.amount) * marks[s] / self.leverage_of(s)
             for s, p in self.open_positions().items()), ZERO
        )  # fmt: skip

    def order_margin(self, opening: Mapping[str, Decimal] | None = None) -> Decimal:
        """Return the initial margin the open orders bind: the larger side of each symbol.

        Parameters
        ----------
        opening
            Signed notional by symbol of an order not yet placed, quote units.
        """
        sides: dict[tuple[str, bool], Decimal] = {}
        for order in self.open_orders():
            if not order.reduce_only:
                side = (order.symbol, order.side > 0)
                sides[side] = sides.get(side, ZERO) + order.left * order.price
        for symbol, notional in (opening or {}).items():
            side = (symbol, notional > 0)
            sides[side] = sides.get(side, ZERO) + abs(notional)
        total = ZERO
        for symbol in {s for s, _ in sides}:
            held = self.position(symbol)
            value = held.amount * held.entry
            # What only closes the position binds nothing.
            long_needs = sides.get((symbol, True), ZERO) - max(-value, ZERO)
            short_needs = sides.get((symbol, False), ZERO) - max(value, ZERO)
            total += max(long_needs, short_needs, ZERO) / self.leverage_of(symbol)
        return total

    def available(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return what new orders may bind, quote units, never below 0."""
        free = self.wallet + self.unrealised(marks)
        return max(free - self.position_margin(marks) - self.order_margin(), ZERO)

    def margin_state(self, tiers: Mapping[str, MarginTiers]) -> cross.CrossAccount:
        """Return the account as the pack's own model sees it."""
        held = self.open_positions().items()
        return cross.CrossAccount(
            wallet_quote=float(self.wallet),
            positions=tuple(
                cross.Position(pair=s, amount_base=float(p.amount), entry_price=float(p.entry))
                for s, p in held
            ),
            tiers=tiers,
        )

    def book_income(
        self, kind: str, amount: Decimal, symbol: str, now_ms: int, number: int
    ) -> None:
        """Change the wallet and note why, as ``GET /fapi/v1/income`` lists it."""
        self.wallet += amount
        self.income.append(
            {
                "symbol": symbol,
                "incomeType": kind,
                "income": text(amount),
                "asset": "USDT",
                "info": kind,
                "time": now_ms,
                "tranId": number,
                "tradeId": "",
            }
        )

    def book_fill(
        self, order: Order, price: Decimal, quantity: Decimal, *,
        fee_rate: Decimal, maker: bool, now_ms: int, number: int
    ) -> None:  # fmt: skip
        """Execute `quantity` of `order` at `price`: position, profit, fee, trade."""
        position = self.position(order.symbol)
        profit = position.fill(order.side * quantity, price)
        position.update_ms = order.update_ms = now_ms
        order.filled += quantity
        order.quote += quantity * price
        order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
        fee = quantity * price * fee_rate
        if profit:
            self.book_income("REALIZED_PNL", profit, order.symbol, now_ms, number)
        if fee:
            self.book_income("COMMISSION", -fee, order.symbol, now_ms, number)
        self.trades.append(
            {
                "symbol": order.symbol,
                "id": number,
                "orderId": order.id,
                "side": side_name(order.side),
                "price": text(price),
                "qty": text(quantity),
                "realizedPnl": text(profit),
                "quoteQty": text(price * quantity),
                "commission": text(fee),
                "commissionAsset": "USDT",
                "time": now_ms,
                "positionSide": "BOTH",
                "buyer": order.side > 0,
                "maker": maker,
            }
        )
