"""Memory of a bot in a base install that serves an imported bundle.

``python -m tests.benchmarks.served --rounds 3``

Three real bots on the loopback exchange, at the same time and several times over, each looked at
after its second forecast: Freqtrade alone with a small strategy, the pack with a model, and the
pack with two arenas of the C library's allocator, as the compose file has it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.base_install import elsewhere, trading_machine
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration import live_bot
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET, write_strategy
from tests.test_integration.served_bot import Machines, configuration, forecasts, venue_of_minutes

ARENAS = {"MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class MeasuredBot:
    """A bot to look at: where, with what, and how it is started."""

    folder: Path
    config: dict[str, Any]
    programs: Path
    words: tuple[str, ...] = ()  # where it is Freqtrade's own
    more: Mapping[str, str] = field(default_factory=dict)  # environment


def measure(folder: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return resident memory, MB, and what of it is libraries' files, by bot, of each round."""
    programs = trading_machine(folder)
    venue = venue_of_minutes(folder)
    venue.open_account(KEY, SECRET)
    with running_exchange(ExchangeState(venue=venue), tls=True) as url:
        machines = Machines.of(folder, programs)
        machines.config(url)
        with running_bot(machines.there, configuration(url, machines.there)) as trainer:
            machines.export(trainer)
        machines.take("first.bundle")
        bots = _bots(folder, machines, url)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in bots}
        for _ in range(rounds):
            with ThreadPoolExecutor(len(bots)) as at_once:
                for name, held in zip(bots, at_once.map(_held, bots.values()), strict=True):
                    found[name].append(held)
    return found


def _bots(folder: Path, machines: Machines, url: str) -> dict[str, MeasuredBot]:
    """Return the bots, each in a folder of its own."""
    alone = folder / "alone"
    alone.mkdir()
    words = write_strategy(alone, live_bot.STRATEGY)
    plain = settings(url, [BTC], dry_run=True)
    bots = {"Freqtrade alone": MeasuredBot(alone, plain, machines.programs, words)}
    for name, more in {"with a bundle": {}, "with a bundle, two arenas": ARENAS}.items():
        own = Machines(machines.there, folder / name.replace(" ", "-"), machines.programs)
        shutil.copytree(machines.here, own.here)
        bots[name] = MeasuredBot(own.here, own.config(url), machines.programs, more=more)
    return bots


def _held(one: MeasuredBot) -> tuple[float, float]:
    launch = elsewhere(one.programs, **one.more)
    with running_bot(one.folder, one.config, *one.words, launch=launch) as bot:
        bot.wait_for(_second_answer(bot, bool(one.words)), "two answers")
        time.sleep(10)
        held = psutil.Process(bot.process.pid).memory_info()
        return held.rss / 1e6, held.shared / 1e6


def _second_answer(bot: LiveBot, alone: bool) -> Callable[[], bool]:
    known, start = len(forecasts(bot)), time.monotonic()
    if alone:  # it says nothing of candles
        return lambda: "state='RUNNING'" in bot.log() and time.monotonic() - start > 130
    return lambda: len(forecasts(bot)) >= known + 2


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name, held in measure(Path(scratch), asked.rounds).items():
            rss, files = (statistics.median(part) for part in zip(*held, strict=True))
            each = ", ".join(f"{total:.0f}" for total, _ in held)
            print(f"{name:28} {rss:6.0f} MB, {files:4.0f} of them libraries' files ({each})")
