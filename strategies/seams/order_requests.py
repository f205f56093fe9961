"""What Freqtrade's clients of ccxt are about to change at the exchange, looked at before they do.

Every request of a client, a unified method's or a raw one's, synchronous or not, is signed by its
`sign`, which is replaced on the object. Orders by stream go another way, and are replaced by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import ccxt
from ccxt import pro
from ccxt.base.exchange import BaseExchange
from freqtrade.exchange import Exchange

from strategies.seams.record import (
    Library,
    Seam,
    lacks_attributes,
    lacks_method,
    lacks_text,
    problems,
)

_CLIENTS: Final = ("_api", "_api_async", "_ws_async")
_BY_STREAM: Final = (
    "create_order_ws", "createOrderWs", "edit_order_ws", "editOrderWs", "cancel_order_ws",
    "cancelOrderWs", "cancel_all_orders_ws", "cancelAllOrdersWs",
)  # fmt: skip
_READS: Final = frozenset({"GET", "HEAD"})
# Taking back what waits in the book adds to no position; stops are elsewhere ("algoOrder").
_TAKES_BACK: Final = frozenset({"order", "batchOrders", "allOpenOrders", "openOrders"})
_STREAM_NAME: Final = "listenKey"  # of a stream of one's own, made, kept and closed
_SIGNS: Final = {"BUY": 1, "SELL": -1}


@dataclass(frozen=True, kw_only=True)
class ChangeRequest:
    """What a client is about to ask the exchange to do.

    Attributes
    ----------
    what
        "POST order", as Binance names it.
    pair
        As far as the request names one.
    side
        +1 buys, -1 sells, 0 says neither, as a transfer.
    amount_base, price
        0 where it names none.
    reduces
        Whether the exchange itself holds it to reducing a position.
    leverage
        What it sets a pair's to; 0 where it sets none.
    """

    what: str
    pair: str = ""
    side: int = 0
    amount_base: float = 0.0
    price: float = 0.0
    reduces: bool = False
    leverage: float = 0.0


Judge = Callable[[ChangeRequest], None]


def look_at_requests(exchange: Exchange, judge: Judge) -> None:
    """Have `judge` asked before each change; what it raises keeps the request from leaving.

    Not before an order that waits in the book is taken back: that adds to nothing.
    """
    for client in clients_of(exchange):
        client.sign = partial(_signed, judge, client, type(client).sign.__get__(client))
        for name in _BY_STREAM:
            if isinstance(client, pro.Exchange):
                setattr(client, name, partial(_streamed, judge, name))


def looked_at(exchange: Exchange, judge: Judge) -> bool:
    """Return whether `judge` is asked before every change of every client."""
    return all(
        isinstance(sign := client.sign, partial) and sign.func is _signed and sign.args[0] == judge
        for client in clients_of(exchange)
    )


def clients_of(exchange: Exchange) -> list[Any]:
    """Return Freqtrade's clients, those there are."""
    found = (getattr(exchange, name, None) for name in _CLIENTS)
    return [client for client in found if isinstance(client, BaseExchange)]


def _signed(
    judge: Judge, client: Any, sign: Callable[..., Any], path: str, api: Any = "public",
    method: str = "GET", params: Any = None, *more: Any,
) -> Any:  # fmt: skip
    if not _is_free(method, path):
        judge(_request(client, f"{method} {path}", params))
    return sign(path, api, method, {} if params is None else params, *more)


def _is_free(method: str, path: str) -> bool:
    """Return whether a request can neither add to a position nor take its protection away."""
    takes_back = method == "DELETE" and path in _TAKES_BACK
    return method in _READS or takes_back or path == _STREAM_NAME


async def _streamed(judge: Judge, name: str, *order: Any, **more: Any) -> None:
    judge(ChangeRequest(what=name))
    raise ccxt.NotSupported(f"{name}: orders of this bot go by its REST client")


def _request(client: Any, what: str, params: Any) -> ChangeRequest:
    if not isinstance(params, Mapping):
        return ChangeRequest(what=what)
    symbol = params.get("symbol")
    return ChangeRequest(
        what=what,
        pair=str(client.safe_symbol(symbol, None, None, "swap")) if symbol else "",
        side=_SIGNS.get(str(params.get("side")).upper(), 0),
        amount_base=_number(params.get("quantity")),
        price=_number(params.get("price")),
        reduces=any(_true(params.get(name)) for name in ("reduceOnly", "closePosition")),
        leverage=_number(params.get("leverage")) if what == "POST leverage" else 0.0,
    )


def _true(value: object) -> bool:
    return str(value).lower() == "true"


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _probe() -> str:
    from ccxt.async_support.base.exchange import Exchange as Asynchronous

    signs = "self.sign(path, api, method, "
    return problems(
        lacks_attributes(Exchange, *_CLIENTS),
        lacks_text(Exchange, "__init__", "self._ws_async = self._init_ccxt("),
        "" if issubclass(Asynchronous, BaseExchange) else "ccxt's clients are of other classes",
        lacks_text(ccxt.Exchange, "fetch2", signs),
        lacks_text(Asynchronous, "fetch2", signs),
        lacks_method(ccxt.binance, "sign", "path", "api", "method", "params"),
        lacks_text(ccxt.binance, "create_order_request", "reduceOnly"),
    )


ORDER_REQUESTS = Seam(
    name="sign of Exchange._api, _api_async, _ws_async",
    what="replaced on the objects",
    why="an order sent, or a stop cancelled, through ccxt itself passes no guard, and goes no "
    "further",
    since="freqtrade 2023.4",
    without="nothing holds an order sent past Freqtrade: no order is sent, live or dry",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
