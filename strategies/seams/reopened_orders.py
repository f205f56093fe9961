"""Orders given back to their trade as open ones.

Freqtrade asks after every order that is open and books what became of it. An executed order that
its trade has not heard of is put there once more.
"""

from __future__ import annotations

from typing import Any

from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Order, Trade

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems


def reopen_order(order: Order) -> None:
    """Have an order that was booked asked after, and booked, once more."""
    order.ft_is_open = True
    Trade.commit()


def give_orders(trade: Trade, rows: list[dict[str, Any]], reason: str) -> None:
    """Give `trade` exits it does not know, as ccxt parses them, to be asked after.

    Parameters
    ----------
    reason
        Why the trade is left, where it does not know one.
    """
    for row in rows:
        order = Order.parse_from_ccxt_object(row, trade.pair, trade.exit_side)
        order.ft_is_open = True
        trade.orders.append(order)
    trade.exit_reason = trade.exit_reason or reason
    Trade.commit()


def _probe() -> str:
    return problems(
        "" if hasattr(Order, "ft_is_open") else "Order has no ft_is_open",
        lacks_method(Order, "parse_from_ccxt_object", "order", "pair", "side"),
        lacks_method(Trade, "commit"),
        lacks_text(Order, "get_open_orders", "ft_is_open"),
        lacks_text(FreqtradeBot, "manage_open_orders", "trade.open_orders"),
        lacks_text(Trade.open_orders, "fget", "ft_is_open"),
    )


REOPENED_ORDERS = Seam(
    name="Order.ft_is_open, Trade.orders",
    what="written",
    why="an exit whose answer was lost is booked, instead of sent a second time",
    since="freqtrade 2021.4",
    without="an exit with a lost answer may be sent twice",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
