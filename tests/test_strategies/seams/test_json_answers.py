"""A text in the place of JSON is an error of every client, and what is JSON is left alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from ccxt import async_support, pro

from strategies.seams.json_answers import refuse_pages

PAGE = "<html><body>One moment, please</body></html>"


@pytest.fixture(params=["_api", "_api_async", "_ws_async"])
def client(request: pytest.FixtureRequest) -> Any:
    """One of Freqtrade's three clients of an exchange, looked at."""
    made = {"_api": ccxt.binanceusdm(), "_api_async": async_support.binanceusdm(),
            "_ws_async": pro.binanceusdm()}  # fmt: skip
    refuse_pages(SimpleNamespace(**made))  # type: ignore[arg-type]
    return made[request.param]


def heard(client: Any, status: int, body: str, what: str = "y", method: str = "GET") -> None:
    answer, url = client.parse_json(body), f"https://x/{what}?signature=s"
    client.handle_errors(status, "", url, method, {}, body, answer, {}, None)


@pytest.mark.parametrize("body", [PAGE, "", "null", "OK"])
def test_answer_when_it_is_no_json_then_it_is_a_failed_request_and_names_no_signature(
    client: Any, body: str
) -> None:
    with pytest.raises(ccxt.BadResponse, match="expected JSON") as refused:
        heard(client, 200, body)
    assert "signature" not in str(refused.value)


def test_answer_when_it_is_json_or_an_error_of_its_own_then_it_is_heard_as_before(
    client: Any,
) -> None:
    for body in ("{}", "[]", '{"serverTime": 1}'):
        heard(client, 200, body)
    heard(client, 502, PAGE)  # left to what ccxt makes of its status
    with pytest.raises(ccxt.AuthenticationError):
        heard(client, 401, '{"code": -2015, "msg": "Invalid API-key."}')


@pytest.mark.parametrize("what", ["positionRisk", "openOrders"])
@pytest.mark.parametrize("body", ["{}", '{"status": 0}'])
def test_answer_when_it_is_no_list_of_positions_or_orders_then_it_is_not_an_empty_one(
    client: Any, what: str, body: str
) -> None:
    with pytest.raises(ccxt.BadResponse, match="expected a list"):
        heard(client, 200, body, what)
    heard(client, 200, "[]", what)
    heard(client, 200, '{"orderId": 1}', "openOrders", "DELETE")  # of which no list is asked for
