"""A small installation to backtest with, and the loopback exchange and chat of a live bot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.base.files import wall_clock_ms
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import ROOT, USER_DATA
from tests.telegram.chat import Chat
from tests.telegram.server import running_bot_api
from tests.telegram.state import BotApiState
from tests.test_integration.live_bot import BTC, ETH, Start, running_bot, settings
from tests.test_integration.lone_watchdog import Abandoned
from tests.test_integration.running import KEY, SECRET, write_strategy

TIMERANGE = "20240401-20240515"  # three trainings, 15 days apart


@dataclass(frozen=True)
class Desk:
    """Where one test's Freqtrade lives."""

    userdir: Path
    datadir: Path
    config: Path

    def settings(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.config.read_text(encoding="utf-8"))
        return loaded


@pytest.fixture(scope="session")
def simulated_datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated BTC, ETH and LTC candles from 2023 on, written once a session."""
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=11, start=datetime(2023, 1, 1, tzinfo=UTC), days=520)


def make_desk(folder: Path, datadir: Path, **training: Any) -> Desk:
    """Write a config that trains on 270 days for at most 60 steps, on top of the real one."""
    userdir = folder / "user_data"
    userdir.mkdir(parents=True)
    settings = {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "strategy_path": str(ROOT / "strategies"),
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        # The simulated market has next to no edge, nor a side that leads: whoever asks for neither
        # still makes trades to audit.
        "breakwater": {"decision": {"without": ["quantiles"], "min_advantage": 0.0}},
        "freqai": {
            "train_period_days": 270,
            "backtest_period_days": 15,
            "model_training_parameters": {"training": {"max_steps": 60, **training}},
        },
    }
    config = userdir / "config_test.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    return Desk(userdir, datadir, config)


@pytest.fixture
def venue() -> LoopbackVenue:
    """An exchange whose prices stand still until a test moves them."""
    now = wall_clock_ms()
    feeds = {"BTCUSDT": scripted_feed(60_000.0, now), "ETHUSDT": scripted_feed(3_000.0, now)}
    return LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)


@pytest.fixture
def account(venue: LoopbackVenue) -> Customer:
    """The bot's account there."""
    return venue.open_account(KEY, SECRET)


@pytest.fixture
def state(venue: LoopbackVenue, account: Customer) -> ExchangeState:
    return ExchangeState(venue=venue)


@pytest.fixture
def url(state: ExchangeState) -> Iterator[str]:
    """Where that exchange is served."""
    with running_exchange(state, tls=True) as base_url:
        yield base_url


@pytest.fixture
def api() -> BotApiState:
    return BotApiState()


@pytest.fixture
def chat(api: BotApiState) -> Chat:
    """The owner's chat with the bot."""
    return Chat(api, 1001)


@pytest.fixture
def telegram(api: BotApiState, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve the Bot API; the bot finds it, and what is secret, in its environment."""
    with running_bot_api(api) as endpoint:
        secret = {"ENABLED": "true", "TOKEN": api.token, "CHAT_ID": str(chat.chat_id)}
        for name, value in secret.items():
            monkeypatch.setenv(f"FREQTRADE__TELEGRAM__{name}", value)
        for name, value in endpoint.environment().items():
            monkeypatch.setenv(name, value)
        # Where Freqtrade sees this it does not set up its logging, and httpx would log tokens.
        monkeypatch.delenv("PYTEST_VERSION", raising=False)
        yield


@pytest.fixture
def left(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None
) -> Abandoned:
    """What a killed bot has left: its folder, and whatever the test puts on the account."""
    made = Abandoned(tmp_path, url, state, account)
    made.beat()
    return made


@pytest.fixture
def blocks() -> dict[str, Any]:
    """The bot's `breakwater` block."""
    return {}


@pytest.fixture
def start(
    tmp_path: Path,
    url: str,
    state: ExchangeState,
    api: BotApiState,
    telegram: None,
    strategy: str,
    blocks: dict[str, Any],
) -> Iterator[Start]:
    """Start a chatting bot in a dry run; a second start finds what the first has left."""
    arguments = write_strategy(tmp_path, strategy)
    config = {**settings(url, [BTC, ETH], dry_run=True), "breakwater": blocks}
    yield lambda: running_bot(tmp_path, config, *arguments)
    assert not state.unknown
    assert not api.unknown
