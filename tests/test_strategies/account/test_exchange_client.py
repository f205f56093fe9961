"""One maker of clients: a person's settings go over the pack's, and stay as they were."""

from __future__ import annotations

import ccxt.pro
import pytest

from models.base.errors import ConfigError
from strategies.account.exchange_client import exchange_client


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
