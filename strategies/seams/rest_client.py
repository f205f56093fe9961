"""The ccxt client with which Freqtrade sends orders.

Requests that Freqtrade does not make itself (the account's own margin, resting orders, executions,
transfers) go through it: same keys, same rate limit, same connection.
"""

from __future__ import annotations

from typing import Final

import ccxt
from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_attributes, lacks_method, problems

_REQUESTS: Final = (
    "fetch_balance", "fetch_open_orders", "fetch_my_trades", "fetch_ledger", "fetch_leverages",
)  # fmt: skip
_WARNS: Final = "warnOnFetchOpenOrdersWithoutSymbol"
# How ccxt begins the ids it makes up for Binance: those of Freqtrade's orders.
BOT_ORDER_PREFIX: Final = "x-"


def rest_client(exchange: Exchange) -> ccxt.Exchange:
    """Return ccxt's client of Freqtrade's exchange object."""
    return exchange._api


def allow_every_market(exchange: Exchange) -> None:
    """Let the open orders of all markets be asked for at once: ccxt refuses it as a warning."""
    exchange._api.options[_WARNS] = False


def _probe() -> str:
    return problems(
        lacks_attributes(Exchange, "_api"),
        *(lacks_method(ccxt.binanceusdm, request) for request in _REQUESTS),
        _unknown_prefix(),
    )


def _unknown_prefix() -> str:
    broker = ccxt.binanceusdm().options.get("broker") or {}
    ids = [str(broker.get(kind)) for kind in ("future", "swap")]
    if all(made_up.startswith(BOT_ORDER_PREFIX) for made_up in ids):
        return ""
    return f"ccxt does not begin its order ids with {BOT_ORDER_PREFIX!r}, but {ids}"


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
