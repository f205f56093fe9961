"""One bot trains and publishes, another without a model trades on what it says, or on nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from models.base import columns
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.places import ROOT
from tests.test_integration import live_bot
from tests.test_integration.api_bot import Api
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import write_strategy
from tests.test_integration.served_bot import (
    STRATEGY,
    answers,
    both,
    configuration,
    forecasts,
    venue_of_minutes,
)

TOKEN = "loopback-websocket-token-of-32-characters"
CONSUMER = STRATEGY.replace("BitcoinCrossMargin", "BitcoinConsumer").replace(
    "class TellsForecasts", "class TakesForecasts"
).replace("enter_long=0", 'enter_long=(dataframe["do_predict"] == 1).astype(int)')  # fmt: skip


@pytest.fixture
def venue(tmp_path: Path) -> LoopbackVenue:
    return venue_of_minutes(tmp_path)


def producing(api: Api) -> dict[str, Any]:
    """Return the blocks of a config that publish what is analysed."""
    told = api.settings()
    return {"api_server": {**told["api_server"], "ws_token": TOKEN}}


def consuming(url: str, folder: Path, api: Api) -> dict[str, Any]:
    """Return the config of a bot without a model that enters on every forecast it trusts."""
    config = configuration(url, folder)
    del config["freqaimodel"], config["freqai"]
    return config | {
        "strategy": "TakesForecasts",
        "freqai": {"enabled": False},
        "breakwater": {
            **config["breakwater"], "decision": {"without": ["quantiles", "hazard"]}
        },
        "external_message_consumer": {
            "enabled": True, "sleep_time": 1, "ping_timeout": 2, "wait_timeout": 5,
            "producers": [
                {"name": "trainer", "host": "127.0.0.1", "port": api.port, "ws_token": TOKEN}
            ],
        },
    }  # fmt: skip


def last(bot: LiveBot) -> dict[str, Any]:
    """Return what it had of its newest candle."""
    found = answers(bot)
    return found[max(found)] if found else {}


@pytest.mark.slow
def test_consumer_when_a_producer_tells_then_it_trades_and_when_it_does_not_nothing_is_trusted(
    tmp_path: Path, url: str, state: ExchangeState
) -> None:
    there, here, api = tmp_path / "producer", tmp_path / "consumer", Api.somewhere()
    for folder, strategy in ((there, STRATEGY), (here, CONSUMER)):
        folder.mkdir()
        write_strategy(folder, strategy)
    with running_bot(here, consuming(url, here, api)) as consumer:
        with running_bot(there, configuration(url, there) | producing(api)) as producer:
            consumer.wait_for(lambda: len(both(producer, consumer)) >= 2, "forecasts passed on")
            consumer.wait_for(consumer.trades, "an entry on them")
            same = both(producer, consumer)
            for date in same:
                told, taken = forecasts(producer)[date], forecasts(consumer)[date]
                for name in columns.FORECAST:
                    wanted = pytest.approx(float(told[name]), abs=1e-9, nan_ok=True)
                    assert float(taken[name]) == wanted, name
        newest = max(answers(consumer))
        consumer.wait_for(lambda: max(answers(consumer)) > newest, "a candle nobody tells of")
        assert (last(consumer)["do_predict"], last(consumer)["abstain"]) == (0, "1.0")
        assert re.search(r"no forecast by producer 'trainer' .* its newest candle", consumer.log())
        (tmp_path / "stranger").mkdir()
        words = write_strategy(tmp_path / "stranger", live_bot.STRATEGY)
        other = settings(url, [BTC], dry_run=True) | producing(api)
        with running_bot(tmp_path / "stranger", other, *words):
            consumer.wait_for(lambda: "it does not tell" in consumer.log(), "foreign columns")
            assert last(consumer)["do_predict"] == 0
        assert consumer.process.poll() is None
    assert state.unknown == []


def test_configs_when_shipped_then_they_hold_no_secret_and_name_no_producer() -> None:
    for name in ("producer", "consumer"):
        text = (ROOT / "user_data" / f"config_{name}.json").read_text(encoding="utf-8")
        assert not re.search("token|password|secret|host", text)
