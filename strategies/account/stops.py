"""Stops on the exchange, kept as large as the position they protect.

Freqtrade leaves the stop as it was after a partial exit. Cancelled here, at the start of a loop,
it is placed anew with the trade's present amount later in the same loop.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

from freqtrade.exceptions import FreqtradeException
from freqtrade.exchange import Exchange
from freqtrade.persistence import Trade

logger = logging.getLogger(__name__)

_SAME = 1e-9  # relative; amounts are whole steps of the exchange


def protect(exchange: Exchange, pair: str, amount: float, mark: float, frac: float) -> None:
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


def cancel_outgrown(trades: Iterable[Trade], exchange: Exchange) -> list[str]:
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
