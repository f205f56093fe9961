"""Orders as Binance USD-M keeps them, and the checks before one is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from strategies.desk.loopback.book import BUY, SELL
from strategies.desk.loopback.errors import ApiError, mandatory
from strategies.desk.loopback.symbols import Symbol

OPEN: Final = ("NEW", "PARTIALLY_FILLED")
TIMES_IN_FORCE: Final = ("GTC", "IOC", "FOK", "GTX")
STOPS: Final = ("STOP", "STOP_MARKET")
TAKE_PROFITS: Final = ("TAKE_PROFIT", "TAKE_PROFIT_MARKET")
CONDITIONAL: Final = (*STOPS, *TAKE_PROFITS)
WORKING_TYPES: Final = ("CONTRACT_PRICE", "MARK_PRICE")
_NEVER_USED: Final[Mapping[str, Any]] = {
    "icebergQuantity": None,
    "selfTradePreventionMode": "NONE",
    "priceMatch": "NONE",
    "priceProtect": False,
    "goodTillDate": 0,
}


@dataclass(kw_only=True)
class Order:
    """An order on the book or done; quantities in base units, prices in quote units."""

    id: int
    client_id: str
    symbol: str
    side: int  # BUY or SELL
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal  # 0 for a market order
    reduce_only: bool
    time_ms: int
    update_ms: int
    status: str = "NEW"
    filled: Decimal = Decimal(0)
    quote: Decimal = Decimal(0)  # what the fills cost

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        """Quantity not executed."""
        return self.quantity - self.filled

    def entry(self) -> dict[str, Any]:
        """Return the order as ``GET /fapi/v1/order`` answers it."""
        average = self.quote / self.filled if self.filled else Decimal(0)
        return {
            "orderId": self.id,
            "symbol": self.symbol,
            "status": self.status,
            "clientOrderId": self.client_id,
            "price": text(self.price),
            "avgPrice": text(round(average, 8)),
            "origQty": text(self.quantity),
            "executedQty": text(self.filled),
            "cumQty": text(self.filled),
            "cumQuote": text(self.quote),
            "timeInForce": self.time_in_force,
            "type": self.type,
            "reduceOnly": self.reduce_only,
            "closePosition": False,
            "side": side_name(self.side),
            "positionSide": "BOTH",
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": self.type,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": 0,
            "time": self.time_ms,
            "updateTime": self.update_ms,
        }


@dataclass(kw_only=True)
class AlgoOrder:
    """A stop or take-profit that waits for its trigger outside the book."""

    id: int
    client_id: str
    symbol: str
    side: int
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal  # 0 for the market types
    trigger: Decimal
    working_type: str
    reduce_only: bool
    close_position: bool
    time_ms: int
    update_ms: int
    status: str = "NEW"
    trigger_ms: int = 0
    order: Order | None = None  # what it placed when triggered

    @property
    def is_open(self) -> bool:
        return self.status == "NEW"

    @property
    def direction(self) -> int:
        """1 if it triggers at or above its price, -1 if at or below."""
        return self.side if self.type in STOPS else -self.side

    def is_reached(self, price: Decimal) -> bool:
        """Return whether `price` triggers it."""
        return self.direction * (price - self.trigger) >= 0

    def entry(self) -> dict[str, Any]:
        """Return the order as ``GET /fapi/v1/algoOrder`` answers it."""
        done = self.order is not None and not self.order.is_open
        filled = self.order is not None and self.order.filled > 0
        price = self.order.quote / self.order.filled if self.order and filled else Decimal(0)
        return {
            "algoId": self.id,
            "clientAlgoId": self.client_id,
            "algoType": "CONDITIONAL",
            "orderType": self.type,
            "symbol": self.symbol,
            "side": side_name(self.side),
            "positionSide": "BOTH",
            "timeInForce": self.time_in_force,
            "quantity": text(self.quantity),
            "algoStatus": "FINISHED" if self.status == "TRIGGERED" and done else self.status,
            "actualOrderId": "" if self.order is None else str(self.order.id),
            "actualPrice": text(round(price, 8)),
            "triggerPrice": text(self.trigger),
            "price": text(self.price),
            "workingType": self.working_type,
            "closePosition": self.close_position,
            "reduceOnly": self.reduce_only,
            "createTime": self.time_ms,
            "updateTime": self.update_ms,
            "triggerTime": self.trigger_ms,
            **_NEVER_USED,
        }


def text(value: Decimal) -> str:
    """Return a number as Binance writes it, without an exponent.

    Examples
    --------
    >>> text(Decimal("1E+2")), text(Decimal("0.00050")), text(Decimal("-0.0"))
    ('100', '0.00050', '0')
    """
    return format(value, "f") if value else "0"


def side_name(side: int) -> str:
    """Return ``BUY`` or ``SELL``."""
    return "BUY" if side == BUY else "SELL"


def read_side(params: Mapping[str, str]) -> int:
    """Return the side of a request."""
    sides = {"BUY": BUY, "SELL": SELL}
    if "side" not in params:
        raise mandatory("side")
    if params["side"] not in sides:
        raise ApiError(-1117, "Invalid side.")
    return sides[params["side"]]


def read_decimal(params: Mapping[str, str], name: str, default: str | None = None) -> Decimal:
    """Return a finite number of a request."""
    given = params.get(name) or default
    if given is None:
        raise mandatory(name)
    try:
        value = Decimal(given)
    except InvalidOperation as error:
        raise mandatory(name) from error
    if not value.is_finite():
        raise mandatory(name)
    return value


def read_flag(params: Mapping[str, str], name: str) -> bool:
    """Return a boolean of a request; False where it is not given."""
    given = params.get(name, "false").lower()
    if given not in ("true", "false"):
        raise mandatory(name)
    return given == "true"


def read_time_in_force(params: Mapping[str, str], *, needed: bool) -> str:
    """Return the time in force of a request; GTC where none is needed."""
    given = params.get("timeInForce")
    if given is None and needed:
        raise mandatory("timeInForce")
    if given is not None and given not in TIMES_IN_FORCE:
        raise ApiError(-1115, "Invalid timeInForce.")
    return given or "GTC"


def check_quantity(symbol: Symbol, quantity: Decimal, *, market: bool) -> None:
    """Refuse a quantity the symbol's lot filters do not allow."""
    lot, most = Decimal(symbol.lot), symbol.max_market_quantity if market else symbol.max_quantity
    if quantity <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    if quantity % lot:
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    if quantity > Decimal(most):
        raise ApiError(-4005, "Quantity greater than max quantity.")


def check_price(symbol: Symbol, price: Decimal) -> None:
    """Refuse a price the symbol's price filter does not allow."""
    if price <= 0:
        raise ApiError(-4001, "Price less than 0.")
    if price < Decimal(symbol.min_price) or price > Decimal(symbol.max_price):
        raise ApiError(-1013, "Filter failure: PRICE_FILTER")
    exponent = price.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > symbol.price_digits:
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    if price % Decimal(symbol.tick):
        raise ApiError(-4014, "Price not increased by tick size.")


def check_notional(symbol: Symbol, notional: Decimal, *, reduce_only: bool) -> None:
    """Refuse an order too small to open anything."""
    if notional < Decimal(symbol.min_notional) and not reduce_only:
        raise ApiError(
            -4164,
            f"Order's notional must be no smaller than {symbol.min_notional} "
            "(unless you choose reduce only).",
        )
