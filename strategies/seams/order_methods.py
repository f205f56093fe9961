"""Freqtrade's two methods that send orders: every order of a bot, live and dry, passes one of them.

Both are replaced on the exchange object by methods that decide whether to go on to Freqtrade's own.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Protocol

from freqtrade.exchange import Binance, Exchange

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems


class OrderMethod(Protocol):
    """Sends an order, or a stop; returns ccxt's order."""

    def __call__(self, **order: Any) -> dict[str, Any]: ...


def order_method(exchange: Exchange) -> OrderMethod:
    """Return what sends an exchange object's orders now."""
    sends: OrderMethod = exchange.create_order
    return sends


def stop_method(exchange: Exchange) -> OrderMethod:
    """Return what places an exchange object's stops now."""
    places: OrderMethod = exchange.create_stoploss
    return places


def replace_order_methods(exchange: Exchange, order: OrderMethod, stop: OrderMethod) -> None:
    """Have orders and stops of an exchange object go through these."""
    exchange.create_order = order
    exchange.create_stoploss = stop


def _probe() -> str:
    from freqtrade.freqtradebot import FreqtradeBot  # a backtest needs none of it

    return problems(
        lacks_method(Exchange, "create_order", "pair", "side", "amount", "rate", "leverage",
                     "reduceOnly"),
        lacks_method(Exchange, "create_stoploss", "pair", "amount", "side"),
        lacks_text(Exchange, "_get_params", 'params.update({"reduceOnly": True})'),
        lacks_text(Exchange, "create_stoploss", 'params["reduceOnly"] = True'),
        lacks_text(FreqtradeBot, "execute_entry", "self.exchange.create_order(",
                   "reduceOnly=False"),
        lacks_text(FreqtradeBot, "execute_trade_exit", "self.exchange.create_order(",
                   "reduceOnly=self.trading_mode == TradingMode.FUTURES"),
        lacks_text(FreqtradeBot, "create_stoploss_order", "self.exchange.create_stoploss("),
        _another_way(Exchange, 2),
        _another_way(Binance, 0),
    )  # fmt: skip


def _another_way(exchange: type[Exchange], known: int) -> str:
    """Return whether a class sends orders in other places than are replaced."""
    source = inspect.getsource(sys.modules[exchange.__module__])
    found = sum(source.count(f"_api.{call}") for call in ("create_order", "edit_order"))
    if found == known:
        return ""
    return f"{exchange.__name__} sends orders in {found} places, expected {known}"


ORDER_METHODS = Seam(
    name="Exchange.create_order, create_stoploss",
    what="replaced on the object",
    why="an order that no guard has permitted goes no further, whoever asked for it",
    since="freqtrade 2023.4",
    without="nothing holds an order that goes round the hooks: no order is sent, live or dry",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
