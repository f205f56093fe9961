"""Which of the next orders is to rest in the book: one, named just before it is sent.

Every order of the pack is a market order. The strategy names an ordinary entry or exit here, and
the order gate, which all orders pass, quotes that one post-only: whatever else is sent, a stop, an
emergency exit, what the guards or a person close, was not named and goes to market.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from freqtrade.exceptions import InvalidOrderException
from freqtrade.exchange import Exchange

from models.base.units import Seconds
from models.trade.decision.execution import quote_at

logger = logging.getLogger(__name__)

VALID_QUOTE_S: Final = 5.0  # between the decision and its order Freqtrade cancels one at most
_TRIES: Final = 3  # a book that moves on between reading and order
_SAME: Final = 1e-6  # relative; an amount is a stake divided by a rate

Send = Callable[..., dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class NamedOrder:
    """The one order that is to be quoted; whatever differs from it goes to market."""

    pair: str
    side: str  # "buy" or "sell"
    amount_base: float  # at most
    rate: float  # as Freqtrade will name it
    reduces: bool

    def is_met_by(self, order: Mapping[str, Any]) -> bool:
        """Return whether `order`, of Freqtrade's `create_order`, is this one."""
        return (
            (order["pair"], order["side"], order["rate"]) == (self.pair, self.side, self.rate)
            and bool(order.get("reduceOnly")) is self.reduces
            and 0 < order["amount"] <= self.amount_base * (1 + _SAME)
        )


class Quotes:
    """Holds the named order, of one thread, for some seconds; it is used up or void.

    Parameters
    ----------
    clock_s
        Monotonic seconds.
    """

    def __init__(self, clock_s: Seconds = time.monotonic) -> None:
        self._clock_s = clock_s
        self._named: dict[int, tuple[NamedOrder, float]] = {}  # by thread

    def name(self, order: NamedOrder) -> None:
        """Have the next order of this thread quoted if it is this one; an older name is void."""
        self._named[threading.get_ident()] = (order, self._clock_s() + VALID_QUOTE_S)

    def void(self) -> None:
        """Let nothing be quoted: something else is about to be ordered."""
        self._named.pop(threading.get_ident(), None)

    def take(self, order: Mapping[str, Any]) -> bool:
        """Return whether an order that leaves now was named; the name is used up either way."""
        named = self._named.pop(threading.get_ident(), None)
        return named is not None and self._clock_s() < named[1] and named[0].is_met_by(order)


def send_quoted(order: dict[str, Any], exchange: Exchange, send: Send) -> dict[str, Any]:
    """Send an order post-only at the best price of its own side; return ccxt's answer.

    One that the exchange refuses, because the book has moved on to it, is quoted anew.

    Raises
    ------
    InvalidOrderException
        If it is refused again and again: nothing was sent.
    """
    for tried in range(1, _TRIES + 1):
        quoted = _quoted(order, exchange)
        try:
            return send(**quoted)
        except InvalidOrderException as error:
            if tried == _TRIES or quoted["ordertype"] != "limit":
                raise
            logger.info("%s quoted anew: %s", order["pair"], error)
    raise AssertionError("unreachable")


def _quoted(order: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Return the order as a quote; a reducing one stays at market where there is no book."""
    try:
        rate = best_of(exchange, order["pair"], 1 if order["side"] == "buy" else -1)
    except Exception:
        if not order.get("reduceOnly"):
            raise
        logger.exception("%s leaves at market: no book to quote in", order["pair"])
        return order
    return {**order, "ordertype": "limit", "time_in_force": "PO", "rate": rate}


def best_of(exchange: Exchange, pair: str, side: int) -> float:
    """Return the best price of a side of the book now: +1 the highest bid, -1 the lowest ask."""
    book = exchange.fetch_l2_order_book(pair, 5)
    return quote_at(float(book["bids"][0][0]), float(book["asks"][0][0]), side)
