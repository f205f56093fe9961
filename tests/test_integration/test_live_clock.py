"""A machine's clock that jumps, and a person who stops the bot: real bots, and their watchdogs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, last_beat
from models.operate.control.state import ControlMode
from models.operate.control.watch_sign import WATCH_FILE
from strategies.desk.loopback.account import Customer
from tests.exchange.jumping import set_ahead
from tests.exchange.state import ExchangeState
from tests.test_integration.api_bot import Api
from tests.test_integration.controlled_bot import running_watchdog
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import RunningProcess, write_strategy

MONTH_S = 30 * 86_400.0


@contextmanager
def watched(
    folder: Path, config: dict[str, Any], clock: Path
) -> Iterator[tuple[LiveBot, RunningProcess]]:
    """Run a bot and its watchdog on one clock, from the bot's first position with a stop on."""
    set_ahead(clock, 0)
    jumping = ("tests.exchange.jumping", str(clock))
    with (
        running_bot(
            folder, config, *write_strategy(folder, STRATEGY), runner=(*jumping, "freqtrade")
        ) as bot,
        running_watchdog(folder, *jumping) as dog,
    ):
        sign = folder / "user_data" / "control" / WATCH_FILE
        dog.wait_for(sign.is_file, "a watchdog that looks")
        yield bot, dog


def loops(folder: Path) -> int:
    found: Heartbeat | None = last_beat(folder / "user_data" / "control")
    return 0 if found is None else found.loop


def watch_sign(folder: Path) -> float:
    """Return when the watchdog looked last, seconds since the machine's start."""
    content = (folder / "user_data" / "control" / WATCH_FILE).read_text(encoding="utf-8")
    return float(json.loads(content)["since_boot_s"])


def looked(state: ExchangeState) -> int:
    return sum("positionRisk" in request for request in state.requests)


def watch_on(dog: RunningProcess, state: ExchangeState) -> None:
    """Let the watchdog look, once a second, for twice as long as silence takes."""
    seen = looked(state)
    dog.wait_for(lambda: looked(state) >= seen + 12, "looks of the watchdog")


@pytest.mark.slow
def test_live_bot_when_its_clock_jumps_then_neither_it_nor_its_watchdog_stops_or_stops_counting(
    tmp_path: Path, url: str, account: Customer
) -> None:
    clock, folder = tmp_path / "ahead", tmp_path
    losses = folder / "user_data" / "control" / "losses.json"
    with watched(folder, configuration(url), clock) as (bot, dog):
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        bot.wait_for(losses.is_file, "losses that are counted")
        for ahead_s in (900.0, MONTH_S, -900.0):
            set_ahead(clock, ahead_s)
            side = "ahead of" if ahead_s > 0 else "behind"
            word = f"{side} the exchange's, which refuses such orders"
            told = bot.log().count(word)
            bot.wait_for(lambda w=word, n=told: bot.log().count(w) > n, "word of the clock")
            began, sign = loops(folder), watch_sign(folder)
            set_ahead(clock, 0.0)
            bot.wait_for(lambda n=began: loops(folder) >= n + 3, "loops that go on")
            dog.wait_for(lambda old=sign: watch_sign(folder) > old + 9, "looks that go on")
            now_ms = time.time_ns() // 1_000_000
            kept = json.loads(losses.read_text(encoding="utf-8"))["losses"]
            assert abs(kept["time_ms"] - now_ms) < 3_600_000
        bot.wait_for(lambda: "the machine's clock is right again" in bot.log(), "the end of it")
        assert bot.process.poll() is None
        assert dog.process.poll() is None
        assert "the machine's clock has jumped" in dog.log()
    assert Commands(folder / "user_data").store.read().mode is ControlMode.ACTIVE


@pytest.mark.slow
def test_live_bot_when_a_person_stops_and_ends_it_then_it_is_not_taken_for_dead(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState
) -> None:
    api = Api.somewhere()
    base = configuration(url) | api.settings()
    base["breakwater"]["watchdog"] = {"on_silence": "flatten", "silence_s": 6.0, "every_s": 1.0}
    base["breakwater"]["pacing"] = {"tick_s": 0.5, "look_s": 0.1}
    with watched(tmp_path, base, tmp_path / "ahead") as (bot, dog):
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        held = float(account.position("BTCUSDT").amount)
        assert api.post("stop")[0] == 200
        control = tmp_path / "user_data" / "control"
        bot.wait_for(lambda: (last_beat(control) or Heartbeat(time_ms=0, pid=0, loop=0)).stopped,
                     "word of the stop")  # fmt: skip
        watch_on(dog, state)
        assert float(account.position("BTCUSDT").amount) == held
        bot.process.send_signal(signal.SIGTERM)
        bot.process.wait(60)
        assert (last_beat(control) or Heartbeat(time_ms=0, pid=0, loop=0)).stopped
        watch_on(dog, state)
        assert float(account.position("BTCUSDT").amount) == held
        assert len(account.open_algos()) == 1
        assert "no sign of life" not in dog.log()
    assert Commands(tmp_path / "user_data").store.read().mode is ControlMode.ACTIVE
