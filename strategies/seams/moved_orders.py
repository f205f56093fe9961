"""Freqtrade's moving of an order that rests in the book, which waits for a candle to close.

A quote that the price has left behind is nobody's within minutes. The method is replaced on its
class by one that first asks where an order belongs, and then moves it as Freqtrade does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from freqtrade.constants import CANCEL_REASON
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Order, Trade

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

Mover: TypeAlias = Callable[[Trade, Order], float | None]

_REPLACE = FreqtradeBot.replace_order
_movers: Final[list[Mover]] = []  # at most one: of this process's strategy


def move_orders(mover: Mover | None) -> None:
    """Ask `mover` in every loop where a resting order belongs; None leaves it to Freqtrade."""
    _movers[:] = [] if mover is None else [mover]
    FreqtradeBot.replace_order = _REPLACE if mover is None else _replace_order


def _replace_order(bot: FreqtradeBot, order: Any, order_obj: Order, trade: Trade) -> None:
    for mover in _movers:
        price = mover(trade, order_obj)
        if price:
            bot.handle_replace_order(
                order, order_obj, trade, price, order_obj.ft_order_side == trade.entry_side,
                CANCEL_REASON["REPLACE"], replacing=True,
            )  # fmt: skip
            return
    _REPLACE(bot, order, order_obj, trade)


def _probe() -> str:
    return problems(
        "" if "REPLACE" in CANCEL_REASON else "CANCEL_REASON has no REPLACE",
        lacks_method(FreqtradeBot, "replace_order", "order", "order_obj", "trade"),
        lacks_method(FreqtradeBot, "handle_replace_order", "order", "order_obj", "trade",
                     "new_order_price", "is_entry", "cancel_reason", "replacing"),
        lacks_text(FreqtradeBot, "manage_open_orders",
                   "self.replace_order(order, open_order, trade)"),
        lacks_text(FreqtradeBot, "handle_replace_order", 'mode="replace"', 'ordertype="limit"'),
    )  # fmt: skip


MOVED_ORDERS = Seam(
    name="FreqtradeBot.replace_order",
    what="replaced on its class, where orders are quoted post-only",
    why="a quote follows the price between two candles",
    since="freqtrade 2023.3",
    without="a quote stays where it was put until its time is over",
    probe=_probe,
    library=Library.EXCHANGE,
)
