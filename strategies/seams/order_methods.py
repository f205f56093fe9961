"""Freqtrade's methods that send orders, and take them back: each of a bot's, live and dry.

All are replaced on the exchange object by methods that decide whether to go on to Freqtrade's own.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Final, Protocol

from freqtrade.exchange import Binance, Exchange

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_CALLS: Final = ("create_order", "edit_order", "cancel_")


class OrderMethod(Protocol):
    """Sends an order, or a stop; returns ccxt's order."""

    def __call__(self, **order: Any) -> dict[str, Any]: ...


class CancelMethod(Protocol):
    """Takes an order or a stop back; returns ccxt's order."""

    def __call__(
        self, order_id: str, pair: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]: ...


def order_method(exchange: Exchange) -> OrderMethod:
    """Return what sends an exchange object's orders now."""
    sends: OrderMethod = exchange.create_order
    return sends


def stop_method(exchange: Exchange) -> OrderMethod:
    """Return what places an exchange object's stops now."""
    places: OrderMethod = exchange.create_stoploss
    return places


def cancel_method(exchange: Exchange) -> CancelMethod:
    """Return what takes an exchange object's orders and stops back now."""
    cancels: CancelMethod = exchange.cancel_order
    return cancels


def replace_order_methods(
    exchange: Exchange, order: OrderMethod, stop: OrderMethod, cancel: CancelMethod
) -> None:
    """Have orders and stops of an exchange object, and what cancels them, go through these."""
    exchange.create_order = order
    exchange.create_stoploss = stop
    exchange.cancel_order = cancel


def _probe() -> str:
    from freqtrade.freqtradebot import FreqtradeBot  # a backtest needs none of it

    return problems(
        lacks_method(Exchange, "create_order", "pair", "side", "amount", "rate", "leverage",
                     "reduceOnly"),
        lacks_method(Exchange, "create_stoploss", "pair", "amount", "side"),
        lacks_method(Exchange, "cancel_order", "order_id", "pair", "params"),
        lacks_text(Exchange, "cancel_stoploss_order", "self.cancel_order("),
        lacks_text(Exchange, "_get_params", 'params.update({"reduceOnly": True})'),
        lacks_text(Exchange, "create_stoploss", 'params["reduceOnly"] = True'),
        lacks_text(FreqtradeBot, "execute_entry", "self.exchange.create_order(",
                   "reduceOnly=False"),
        lacks_text(FreqtradeBot, "execute_trade_exit", "self.exchange.create_order(",
                   "reduceOnly=self.trading_mode == TradingMode.FUTURES"),
        lacks_text(FreqtradeBot, "create_stoploss_order", "self.exchange.create_stoploss("),
        _another_way(Exchange, 3),
        _another_way(Binance, 0),
    )  # fmt: skip


def _another_way(exchange: type[Exchange], known: int) -> str:
    """Return whether a class sends or cancels orders in other places than are replaced."""
    source = inspect.getsource(sys.modules[exchange.__module__])
    found = sum(source.count(f"_api.{call}") for call in _CALLS)
    if found == known:
        return ""
    return f"{exchange.__name__} sends or cancels orders in {found} places, expected {known}"


ORDER_METHODS = Seam(
    name="Exchange.create_order, create_stoploss, cancel_order",
    what="replaced on the object",
    why="an order that no guard has permitted goes no further, whoever asked for it",
    since="freqtrade 2023.4",
    without="nothing holds an order that goes round the hooks: no order is sent, live or dry",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
