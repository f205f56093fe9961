"""What the bot's trades say about a hedge: amounts at a candle's close, and the day's changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from freqtrade.persistence import Trade

_DAY = timedelta(days=1)


def amount_at(trades: Iterable[Any], pair: str, closed: datetime) -> float:
    """Return the amount of `pair` held just before `closed`, base units, unsigned.

    Orders filled at or after it are undone, so that every leg of a candle decides on the same
    state, whichever is asked first.
    """
    held = 0.0
    for trade in trades:
        if trade.pair != pair:
            continue
        held += trade.amount if trade.is_open else 0.0
        for order in reversed(trade.orders):
            if not order.safe_filled:
                continue
            if _filled_at(order) < closed:
                break
            held += order.safe_filled * (-1 if order.ft_order_side == trade.entry_side else 1)
    return max(held, 0.0)


def changes_in_a_day(
    trades: Iterable[Any], pairs: Iterable[str], closed: datetime, candle: timedelta
) -> int:
    """Return in how many candles of the day before `closed` a leg was changed.

    A step is one change however many legs it moves: live, they fill one after the other.
    """
    at, wanted = set(), set(pairs)
    for trade in trades:
        if trade.pair not in wanted:
            continue
        for order in reversed(trade.orders):
            if not order.safe_filled:
                continue
            filled = _filled_at(order)
            if filled < closed - _DAY:
                break
            if filled < closed:
                at.add(-((closed - filled) // -candle))  # filled as a candle opens: in that one
    return len(at)


def recent_trades(closed: datetime) -> list[Any]:
    """Return open trades and those closed in the day before `closed` or later."""
    done = Trade.get_trades_proxy(is_open=False, close_date=closed - _DAY)
    return [*Trade.get_trades_proxy(is_open=True), *done]


def acted_since(trade: Any, closed: datetime) -> bool:
    """Return whether the trade has an order of this candle, filled or not."""
    return any(order.order_date_utc >= closed for order in trade.orders[-2:])


def _filled_at(order: Any) -> datetime:
    filled: datetime = order.order_filled_utc or order.order_date_utc
    return filled
