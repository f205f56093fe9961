"""The ccxt client with which Freqtrade sends orders.

Requests that Freqtrade does not make itself (the account's own margin, resting orders, executions,
transfers) go through it: same keys, same rate limit, same connection.
"""

from __future__ import annotations

from typing import Final

import ccxt
from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_attributes, problems

_REQUESTS: Final = (
    "fetchBalance", "fetchOpenOrders", "fetchMyTrades", "fetchLedger", "fetchLeverages",
)  # fmt: skip
_WARNS: Final = "warnOnFetchOpenOrdersWithoutSymbol"
# How ccxt begins the ids it makes up for Binance: those of Freqtrade's orders.
BOT_ORDER_PREFIX: Final = "x-"


def rest_client(exchange: Exchange) -> ccxt.Exchange:
    """Return ccxt's client of Freqtrade's exchange object."""
    return exchange._api


def every_market(client: ccxt.Exchange) -> dict[str, str]:
    """Let the open orders of all perpetuals be asked for at once, and return the parameters for it.

    ccxt refuses it as a warning of its weight, and without a market asks for those of spot.
    """
    client.options[_WARNS] = False
    return {"type": "swap", "subType": "linear"}


def _probe() -> str:
    client = ccxt.binanceusdm()
    unknown = [request for request in _REQUESTS if not client.has.get(request)]
    broker = client.options.get("broker") or {}
    ids = [str(broker.get(kind)) for kind in ("future", "swap")]
    made_up = all(order_id.startswith(BOT_ORDER_PREFIX) for order_id in ids)
    return problems(
        lacks_attributes(Exchange, "_api"),
        f"ccxt's binanceusdm has no {unknown}" if unknown else "",
        "" if made_up else f"ccxt does not begin its order ids with 'x-', but {ids}",
    )


REST_CLIENT = Seam(
    name="Exchange._api",
    what="read, and asked",
    why="margin, resting orders, executions and transfers, which Freqtrade does not ask for",
    since="freqtrade 2021.4",
    without="the bot's books cannot be held against the exchange's",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
