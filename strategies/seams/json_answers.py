"""Answers of an exchange that are none, as a proxy's page or word with a status of success.

ccxt hands such a text on as if it were the answer, and whoever looks in it for balances or
positions finds none: an account that has lost everything, and holds nothing. `handle_errors`,
which sees every answer of a client, is replaced on the object.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import ccxt
from ccxt.async_support.base.exchange import Exchange as Asynchronous
from freqtrade.exchange import Exchange

from strategies.seams.order_requests import clients_of
from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_CALL: Final = (
    "self.handle_errors(http_status_code, http_status_text, url, method, headers, http_response, "
    "json_response, "
)
_FAILED: Final = 300  # statuses from here on are errors to ccxt already
_LISTS: Final = ("/positionRisk", "/openOrders")  # to ccxt anything else is a list without rows


def refuse_pages(exchange: Exchange) -> None:
    """Have every client of `exchange` raise `ccxt.BadResponse` for what is no answer.

    That is what is no JSON, and what is no list where positions or orders are asked for.
    """
    for client in clients_of(exchange):
        vars(client)["handle_errors"] = partial(_heard, client)


def _heard(
    client: Any, code: Any, reason: Any, url: Any, method: Any, headers: Any, body: Any,
    answer: Any, *request: Any,
) -> Any:  # fmt: skip
    own = type(client).handle_errors
    handled = own(client, code, reason, url, method, headers, body, answer, *request)
    is_list_due = method == "GET" and str(url).partition("?")[0].endswith(_LISTS)
    if int(code) < _FAILED and (answer is None or (is_list_due and not isinstance(answer, list))):
        due = "JSON" if answer is None else "a list"
        raise ccxt.BadResponse(f"{client.id}: expected {due}, got {str(body)[:60]!r}")
    return handled


def _probe() -> str:
    return problems(
        lacks_method(ccxt.binanceusdm, "handle_errors", "code", "body", "response"),
        lacks_text(ccxt.Exchange, "fetch", _CALL),
        lacks_text(Asynchronous, "fetch", _CALL),
    )


JSON_ANSWERS = Seam(
    name="handle_errors of Exchange._api, _api_async, _ws_async",
    what="replaced on the objects",
    why="a page in the place of an answer is no answer, and never an empty account",
    since="ccxt 4.5.90",
    without="a proxy's page reads as an account without money and without positions",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
