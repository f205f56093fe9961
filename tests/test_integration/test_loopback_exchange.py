"""The real ccxt client and the real Freqtrade accept the loopback exchange."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import ccxt
import pytest
from freqtrade.enums import RunMode
from freqtrade.resolvers import ExchangeResolver

from tests.exchange.client import ccxt_config
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import ROOT

PAIRS = {f"{base}/USDT:USDT" for base in ("BTC", "ETH", "LTC", "BCH", "XRP")}


@pytest.fixture
def state() -> ExchangeState:
    return ExchangeState()


@pytest.fixture
def url(state: ExchangeState) -> Iterator[str]:
    with running_exchange(state) as base_url:
        yield base_url


def client(url: str) -> ccxt.binanceusdm:
    exchange = ccxt.binanceusdm({"options": ccxt_config(url)["options"]})
    exchange.urls["api"].update(ccxt_config(url)["urls"]["api"])
    return exchange


def test_ccxt_loads_the_markets_with_one_request(url: str, state: ExchangeState) -> None:
    markets = client(url).load_markets()
    assert set(markets) == PAIRS
    assert state.requests == ["GET /fapi/v1/exchangeInfo"]
    btc, xrp = markets["BTC/USDT:USDT"], markets["XRP/USDT:USDT"]
    assert btc["swap"]
    assert btc["linear"]
    assert btc["active"]
    assert btc["precision"]["price"] == 0.1
    assert btc["precision"]["amount"] == 0.001
    assert btc["limits"]["cost"]["min"] == 100
    assert btc["limits"]["market"]["max"] == 120
    assert xrp["precision"]["price"] == 0.0001
    assert xrp["limits"]["amount"]["min"] == 0.1


def test_clock_and_ping_are_answered(url: str, state: ExchangeState) -> None:
    state.clock = lambda: 1_700_000_000_000
    exchange = client(url)
    assert exchange.fapipublic_get_ping() == {}
    assert exchange.fetch_time() == 1_700_000_000_000


def test_unknown_endpoint_is_an_error_that_names_it(
    url: str, state: ExchangeState, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ccxt.ExchangeError, match="Path /fapi/v1/openInterest, Method GET"):
        client(url).fapipublic_get_openinterest({"symbol": "BTCUSDT"})
    assert state.unknown == ["GET /fapi/v1/openInterest"]
    assert "does not speak GET /fapi/v1/openInterest" in caplog.text


def test_wrong_method_is_an_error_in_the_exchanges_form(url: str, state: ExchangeState) -> None:
    request = urllib.request.Request(f"{url}/fapi/v1/ping", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 405
    answer = json.load(caught.value)
    assert answer == {"code": -5000, "msg": "Path /fapi/v1/ping, Method POST is invalid"}
    assert state.unknown == ["POST /fapi/v1/ping"]


def test_freqtrades_exchange_starts_on_it_in_backtest_mode(url: str, state: ExchangeState) -> None:
    config = {
        "runmode": RunMode.BACKTEST,
        "dry_run": True,
        "stake_currency": "USDT",
        "trading_mode": "futures",
        "margin_mode": "cross",
        "timeframe": "1h",
        "entry_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
        "exchange": {
            "name": "binance",
            "pair_whitelist": sorted(PAIRS),
            "ccxt_config": ccxt_config(url),
        },
        "pairlists": [{"method": "StaticPairList"}],
        "candle_type_def": "futures",
    }
    exchange = ExchangeResolver.load_exchange(config, validate=True, load_leverage_tiers=True)
    try:
        assert set(exchange.markets) == PAIRS
        assert exchange.get_max_leverage("BTC/USDT:USDT", 1_000.0) >= 50
    finally:
        exchange.close()
    assert state.unknown == []
    assert set(state.requests) == {"GET /fapi/v1/exchangeInfo"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_announces_its_address_and_stops_on_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "strategies.desk.loopback"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        announced = process.stdout.readline()
        assert announced.startswith("loopback exchange on http://127.0.0.1:")
        with urllib.request.urlopen(f"{announced.split()[-1]}/fapi/v1/ping", timeout=10) as answer:
            assert json.load(answer) == {}
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
