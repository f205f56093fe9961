"""Executed orders that their trade has not heard of, given back to it.

Freqtrade forgets an order whose answer does not arrive and sends it again: a second partial exit,
or an exit of a position that is gone. An order given back here as an open one is asked after by
Freqtrade in the same loop, before it decides anything about the trade, and booked as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from freqtrade.enums import ExitType
from freqtrade.exchange import Exchange
from freqtrade.persistence import Trade

from strategies.seams.reopened_orders import give_orders, reopen_order

_SPAN_MS: Final = 60_000  # between the decision and the order; clocks may differ by some of it
_SAME: Final = 1e-6  # relative; amounts are whole lots
# How the client ids of Binance's own closings begin: liquidation, auto-deleveraging, settlement.
_FORCED: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


def reopen_exit(trade: Trade, missing: float) -> list[str]:
    """Have the trade's last exit booked once more, if the trade has not heard of it, and say so.

    Freqtrade writes an order and the trade's amount one after the other; a kill -9 comes between.

    Parameters
    ----------
    missing
        Amount the exchange holds less than the trade, base units.
    """
    done = [order for order in trade.orders if not order.ft_is_open]
    exits = [o for o in done if o.ft_order_side == trade.exit_side and o.safe_filled]
    entered = sum(o.safe_filled for o in done if o.ft_order_side == trade.entry_side)
    left = sum(o.safe_filled for o in done if o.ft_order_side != trade.entry_side)
    unheard = trade.amount - (entered - left)
    if not exits or not math.isclose(unheard, missing, rel_tol=_SAME):
        return []
    if not math.isclose(exits[-1].safe_filled, missing, rel_tol=_SAME):
        return []
    reopen_order(exits[-1])
    return [f"{trade.pair}: {exits[-1].order_id} had not reached its trade"]


def adopt_exits(trade: Trade, exchange: Exchange, asked_ms: int, missing: float) -> list[str]:
    """Give `trade` the reducing orders the exchange executed around `asked_ms`, and say which.

    All or none: unknown orders that do not add up to what is missing are not explained by a lost
    answer, and the difference stays for a person.

    Parameters
    ----------
    asked_ms
        When the order was let through, UTC milliseconds: what a person closes by hand at another
        time is not the bot's.
    missing
        Amount the exchange holds less than the trade, base units.

    Raises
    ------
    FreqtradeException
        If the exchange does not answer.
    """
    known = {order.order_id for order in trade.orders}
    filled_ms = (trade.date_last_filled_utc or trade.open_date_utc).timestamp() * 1000
    begin = max(filled_ms, asked_ms - _SPAN_MS)
    found = [
        order
        for order in exchange.fetch_orders(trade.pair, datetime.fromtimestamp(begin / 1000, UTC))
        if begin <= (order.get("timestamp") or 0) <= asked_ms + _SPAN_MS
        and str(order["id"]) not in known
        and not _is_forced(order)  # in the midst of a staged closing, too
        and order.get("side") == trade.exit_side
        and (order.get("filled") or 0) > 0
    ]
    if not math.isclose(sum(order["filled"] for order in found), missing, rel_tol=_SAME):
        return []
    give_orders(trade, found, ExitType.SOLD_ON_EXCHANGE.value)
    return [f"{trade.pair}: the answer to an exit of {o['filled']:g} was lost" for o in found]


def _is_forced(order: Mapping[str, Any]) -> bool:
    """Whether the exchange itself has placed an order: a liquidation, auto-deleveraging."""
    return str(order.get("clientOrderId") or "").startswith(_FORCED)


def adopt_forced(trade: Trade, exchange: Exchange, missing: float) -> list[str]:
    """Give `trade` the closings the exchange made by itself since its last fill, and say which.

    A trade that does not hear of its liquidation gets a new stop of its full size, which rests on
    a flat account. All or none, as in `adopt_exits`.

    Raises
    ------
    FreqtradeException
        If the exchange does not answer.
    """
    known = {order.order_id for order in trade.orders}
    filled = trade.date_last_filled_utc or trade.open_date_utc
    found = [
        order
        for order in exchange.fetch_orders(trade.pair, filled)
        if str(order["id"]) not in known
        and _is_forced(order)
        and order.get("side") == trade.exit_side
        and (order.get("filled") or 0) > 0
    ]
    if not math.isclose(sum(order["filled"] for order in found), missing, rel_tol=_SAME):
        return []
    give_orders(trade, found, ExitType.LIQUIDATION.value)
    return [f"{trade.pair}: {o['filled']:g} was closed by the exchange itself" for o in found]
