"""One real bot with its chat and its API, for tests that take it through several things in turn.

A start costs more than most of what is tried on it: a module's tests may share one, and each leaves
it as it found it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import Person
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.telegram.server import running_bot_api
from tests.telegram.state import BotApiState
from tests.test_integration.api_bot import Api
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import BTC, LiveBot, acknowledge_risk, running_bot
from tests.test_integration.running import KEY, SECRET, write_strategy

ANN: Final = Person("ann", "command line")
PRICES: Final = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0}


@dataclass(frozen=True, kw_only=True)
class ToldBot:
    """The bot, and everybody it has to do with."""

    bot: LiveBot
    state: ExchangeState
    venue: LoopbackVenue
    account: Customer
    desk: Commands
    chat: Chat
    rest: Api
    config: dict[str, Any]  # as it was started with

    @property
    def userdir(self) -> Path:
        return self.bot.folder / "user_data"

    @property
    def control(self) -> Path:
        return self.desk.store.folder

    def loop(self) -> int:
        """Return how often this very bot has looked after what it holds."""
        beat = last_beat(self.control)
        return beat.loop if beat is not None and beat.pid == self.bot.process.pid else 0

    def loops(self, number: int = 3) -> None:
        """Wait for whole loops: what halts, sells or enters has had its chance then."""
        begun = self.loop()
        self.bot.wait_for(lambda: self.loop() > begun + number, f"{number} loops")

    def held(self, symbol: str = "BTCUSDT") -> float:
        """Return the position at the exchange."""
        with self.venue.lock:
            return float(self.account.position(symbol).amount)

    def stopped(self, symbol: str = "BTCUSDT") -> float:
        """Return how much of it stops at the exchange would close."""
        with self.venue.lock:
            return sum(float(a.quantity) for a in self.account.open_algos(symbol) if a.reduce_only)

    def protected(self, symbol: str = "BTCUSDT") -> bool:
        """Whether there is a position, and a stop of its size."""
        return self.stopped(symbol) == abs(self.held(symbol)) > 0

    def refusals(self) -> list[str]:
        """Return why entries were refused, oldest first."""
        return [e.record["rules"][-1] for e in self.desk.journal.entries(kind="entry.refused")]

    def reloaded(self, **changes: Any) -> None:
        """Have it read its configuration with these changes to the first level.

        Raises
        ------
        AssertionError
            If it refuses, with its answer.
        """
        config = quick({**self.config, **changes})
        (self.bot.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        status, text = self.rest.post("reload_config")
        assert status == 200, text

    def own_risk(self, words: str) -> str:
        """Return what the bot itself answers to `/risk`, asked until these words are in it."""
        self.chat.say("/risk")
        return self.chat.wait_for(words).text


def quick(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of a bot that loops twice a second."""
    return {**config, "breakwater": {"pacing": {"tick_s": 0.5, "look_s": 0.1},
                                     **config["breakwater"]}}  # fmt: skip


def accept(folder: Path, config: Mapping[str, Any]) -> None:
    """Note that a person has accepted the risk of this configuration, whatever is started."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    acknowledge_risk(folder / "user_data", folder / "config.json")


@contextmanager
def running_told_bot(
    folder: Path,
    *,
    strategy: str = STRATEGY,
    prices: Mapping[str, float] = PRICES,
    pairs: Sequence[str] = (BTC,),
    held_back: str = "",
    changes: Mapping[str, Any] = MappingProxyType({}),
    accepted: Mapping[str, Any] | None = None,
    within: Callable[[dict[str, Any]], dict[str, Any]] = lambda config: config,
) -> Iterator[ToldBot]:
    """Start exchange, chat and bot; it has given a sign of life when the block begins.

    Parameters
    ----------
    held_back
        Why a person has forbidden entries before the start; empty if he has not.
    changes
        To the configuration's first level.
    within
        Changes to the whole configuration, at any depth.
    accepted
        Other changes, with which a person has accepted the risk; None where with these.
    """
    now = wall_clock_ms()
    feeds = {symbol: scripted_feed(price, now) for symbol, price in prices.items()}
    venue = LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)
    account, state = venue.open_account(KEY, SECRET), ExchangeState(venue=venue)
    chats, desk, rest = BotApiState(), Commands(folder / "user_data"), Api.somewhere()
    chat = Chat(chats, 1001)
    with (
        pytest.MonkeyPatch.context() as patch,
        running_exchange(state, tls=True) as url,
        running_bot_api(chats) as endpoint,
    ):
        secret = {"ENABLED": "true", "TOKEN": chats.token, "CHAT_ID": str(chat.chat_id)}
        for name, value in secret.items():
            patch.setenv(f"FREQTRADE__TELEGRAM__{name}", value)
        for name, value in endpoint.environment().items():
            patch.setenv(name, value)
        patch.delenv("PYTEST_VERSION", raising=False)  # seen, Freqtrade sets up no logging
        base = {**configuration(url), **rest.settings()}
        base["exchange"]["pair_whitelist"] = list(pairs)
        config = within(quick({**base, **changes}))
        if held_back:
            desk.reduce(ANN, held_back)
        if accepted is not None:
            accept(folder, quick({**base, **accepted}))
        arguments = write_strategy(folder, strategy)
        with running_bot(folder, config, *arguments, acknowledged=accepted is None) as bot:
            told = ToldBot(bot=bot, state=state, venue=venue, account=account, desk=desk,
                           chat=chat, rest=rest, config=config)  # fmt: skip
            bot.wait_for(lambda: told.loop() > 1, "first loops")
            chats.wait_for_listener()
            yield told
            bot.kill()  # its client of the chat takes ten seconds to end, and that is not tried
    assert not state.unknown
    assert not chats.unknown
