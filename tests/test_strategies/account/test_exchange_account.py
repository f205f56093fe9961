"""What is asked of the exchange about the account, through ccxt's real client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ccxt
import pytest

from strategies.account.exchange_account import ALL_AT_ONCE, resting_orders


@pytest.mark.parametrize("name", ["binance", "binanceusdm"])
@pytest.mark.parametrize(("pairs", "asked"), [(1, ["COIN0"]), (ALL_AT_ONCE, [""])])
def test_resting_orders_when_of_one_or_of_many_pairs_then_those_of_perpetuals_are_asked_for(
    name: str, pairs: int, asked: list[str]
) -> None:
    client = vars(ccxt)[name](
        {"apiKey": "k", "secret": "s", "options": {"defaultType": "swap"}, "enableRateLimit": False}
    )  # fmt: skip
    symbols = [f"COIN{i}/USDT:USDT" for i in range(pairs)]
    client.set_markets([
        {"id": f"COIN{i}", "symbol": symbol, "base": f"COIN{i}", "quote": "USDT", "type": "swap",
         "spot": False, "swap": True, "linear": True, "precision": {}, "limits": {}}
        for i, symbol in enumerate(symbols)
    ])  # fmt: skip
    questions: list[tuple[str, str]] = []

    def answer(url: str, *_: Any, **__: Any) -> list[Any]:
        parts = urlsplit(url)
        market = parse_qs(parts.query).get("symbol", [""])[0]
        questions.append((parts.path, market))
        return []

    client.fetch = answer
    exchange: Any = SimpleNamespace(_api=client)
    assert resting_orders(exchange, symbols) == []
    paths = ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders")
    assert questions == [(path, market) for path in paths for market in asked]
