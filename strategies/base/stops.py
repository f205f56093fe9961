"""Stops on the exchange, kept as large as the position they protect.

Freqtrade leaves the stop as it was after a partial exit. Cancelled here, at the start of a loop,
it is placed anew with the trade's present amount later in the same loop.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from freqtrade.exceptions import FreqtradeException
from freqtrade.persistence import Trade

logger = logging.getLogger(__name__)

_SAME = 1e-9  # relative; amounts are whole steps of the exchange


def protect(exchange: Any, pair: str, amount: float, mark: float, frac: float) -> None:
    """Place a reduce-only market stop `frac` away from `mark` for a position of signed `amount`."""
    side = 1 if amount > 0 else -1
    exchange.create_stoploss(
        pair=pair,
        amount=abs(amount),
        stop_price=exchange.price_to_precision(pair, mark * (1 - side * frac)),
        order_types={"stoploss": "market"},
        side="sell" if side > 0 else "buy",
        leverage=1.0,  # Freqtrade uses it for spot margin only
    )


class StrayStops:
    """Cancels stops of the bot's that no trade knows: placed, and their answers lost.

    Freqtrade places such a stop once more, and the first would one day close another position. The
    exchange is asked only when a trade has got a new stop, or has ended.
    """

    def __init__(self) -> None:
        self._seen: dict[str, frozenset[str]] = {}  # pair -> its stops when it was last asked

    def cancel(self, trades: Iterable[Trade], exchange: Any, now: datetime) -> list[str]:
        """Cancel the strays of every pair whose stops have changed, and say which."""
        known = {t.pair: frozenset(o.order_id for o in t.open_sl_orders) for t in trades}
        cancelled = []
        for pair in sorted({*known, *self._seen}):
            stops = known.get(pair)
            # The stray of a trade that has no other stop is its protection for the moment.
            if stops == self._seen.get(pair) or stops == frozenset():
                continue
            try:
                if stops is not None or not exchange.fetch_positions(pair):
                    for order in _strays(exchange, pair, stops or frozenset(), now):
                        exchange.cancel_stoploss_order(str(order["id"]), pair)
                        cancelled.append(f"{pair}: a stop of {order['amount']:g} no trade knows")
            except FreqtradeException as error:
                logger.warning("stops of %s cannot be looked through: %s", pair, error)
                continue
            if stops is None:
                del self._seen[pair]
            else:
                self._seen[pair] = stops
        return cancelled


def _strays(exchange: Any, pair: str, known: frozenset[str], now: datetime) -> list[Any]:
    """Return the open stops that carry the mark of the bot's client and are not in `known`."""
    mark = (exchange._api.options.get("broker") or {}).get("future")
    # Its public sister drops the parameters where the exchange limits the span of an answer.
    found = exchange._fetch_orders(pair, now - timedelta(days=1), params={"trigger": True})
    return [
        order
        for order in found
        if order.get("status") == "open"
        and order.get("reduceOnly")
        and str(order["id"]) not in known
        and mark
        and str(order.get("clientOrderId") or "").startswith(mark)
    ]


def cancel_outgrown(trades: Iterable[Trade], exchange: Any) -> list[str]:
    """Cancel every stop whose size is not its trade's, and say which."""
    cancelled = []
    for trade in trades:
        for order in trade.open_sl_orders:
            if math.isclose(order.safe_amount, trade.amount, rel_tol=_SAME):
                continue
            try:
                exchange.cancel_stoploss_order(order.order_id, trade.pair)
            except FreqtradeException as error:
                logger.warning("stop of %s keeps its old size: %s", trade.pair, error)
                continue
            cancelled.append(
                f"{trade.pair}: stop of {order.safe_amount:g} for a position of {trade.amount:g}"
            )
    return cancelled
