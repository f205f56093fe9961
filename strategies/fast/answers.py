"""How orders are answered: entries and exits as soon as they are taken, all else once executed.

An order that is answered with its execution is booked by Freqtrade on the spot: nine requests, with
one open position more each time, before the order of the next pair can leave. Answered when taken,
it counts as open, as a limit order does, and is booked in the loop that follows at once, in which
an entry's stop is placed as well.

Source: page "New Order" of Binance USD-M, parameter ``newOrderRespType``.
"""

from __future__ import annotations

from typing import Final

from freqtrade.exchange import Exchange

from strategies.seams.order_parameters import add_to_orders, leave_out_of_orders

_KEY: Final = "newOrderRespType"  # ccxt asks for RESULT where nothing is said


def when_taken(exchange: Exchange) -> None:
    """Have the next orders of Freqtrade's exchange object answered when the exchange has them."""
    add_to_orders(exchange, _KEY, "ACK")


def when_executed(exchange: Exchange) -> None:
    """Have the next orders answered with what became of them."""
    leave_out_of_orders(exchange, _KEY)
