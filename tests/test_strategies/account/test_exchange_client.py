"""One maker of clients: a person's settings go over the pack's, and stay as they were."""

from __future__ import annotations

import warnings

import ccxt
import ccxt.pro
import pytest

from models.base.errors import ConfigError
from strategies.account import exchange_client as client_module
from strategies.account.exchange_client import account_client, exchange_client
from strategies.seams.tls_context import SharedTls
from tests.exchange.client import trading_ccxt_config
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState


def test_client_when_made_then_a_persons_settings_go_over_the_packs_and_stay_theirs() -> None:
    settings = {"timeout": 7, "options": {"defaultType": "spot", "own": [1]}}
    client = exchange_client(
        "okx", settings, options={"defaultType": "swap", "other": 2}, timeout=9, apiKey="k"
    )
    assert (client.timeout, client.apiKey) == (7, "k")
    assert (client.options["defaultType"], client.options["other"]) == ("spot", 2)
    client.options["own"].append(2)
    assert settings == {"timeout": 7, "options": {"defaultType": "spot", "own": [1]}}


def test_client_when_of_streams_then_it_is_of_the_other_library() -> None:
    assert isinstance(exchange_client("bybit", {}, library=ccxt.pro), ccxt.pro.bybit)


def test_client_when_ccxt_knows_no_such_exchange_then_it_is_named() -> None:
    with pytest.raises(ConfigError, match="no exchange 'Exchange'"):
        exchange_client("Exchange", {})


SAID = "Unverified HTTPS request is being made to host '{}'. Adding certificate verification is"


def told(*hosts: str) -> list[str]:
    """Return what is told of unverified requests to these hosts, one each."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")  # as urllib3 has it
        exchange_client("binance", {"verify": False})
        for host in hosts:
            warnings.warn(SAID.format(host), stacklevel=1)
    return [str(one.message) for one in said]


def test_loopback_when_asked_unverified_again_and_again_then_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client_module._say_unverified.cache_clear()  # as in a process that begins
    assert told(*["127.1.2.3", "localhost", "::1"] * 3) == told() == []
    assert caplog.text.count("asked without its certificate verified") == 1
    client_module._say_unverified.cache_clear()
    exchange_client("binance", {})
    assert caplog.text.count("asked without its certificate verified") == 1


@pytest.mark.parametrize("host", ["fapi.binance.com", "127.evil.com", "localhost.evil.com"])
def test_another_host_when_asked_unverified_then_every_request_is_told(host: str) -> None:
    assert len(told(*[host] * 3)) == 3


def test_client_when_the_loopback_exchange_is_asked_often_then_the_log_is_not_flooded() -> None:
    with running_exchange(ExchangeState(), tls=True) as url:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            client = exchange_client("binance", trading_ccxt_config(url), apiKey="k", secret="s")
            for _ in range(3):
                client.fapiPublicGetTime()
        assert client.verify is False
        assert len([one for one in said if "Unverified HTTPS" in str(one.message)]) == 0
        verifying = exchange_client("binance", {**trading_ccxt_config(url), "verify": True})
        with pytest.raises(ccxt.NetworkError) as refused:
            verifying.fapiPublicGetTime()
        assert "CERTIFICATE_VERIFY_FAILED" in repr(refused.value.__cause__)


def test_client_when_made_then_its_connections_share_a_tls_context() -> None:
    for client in (exchange_client("okx", {}), account_client({"name": "binanceusdm"})):
        assert isinstance(client.session.get_adapter("https://www.okx.com"), SharedTls)
