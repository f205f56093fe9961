"""Memory of a bot in a base install that serves an imported bundle.

``python -m tests.benchmarks.served``

Three real bots on the loopback exchange, one after the other, each looked at after its second
forecast: Freqtrade alone with a small strategy, the pack with a model, and the pack with one arena
of the C library's allocator per two threads instead of eight, as the compose file has it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.base_install import base_environment, build_wheel, elsewhere
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration import live_bot
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET, write_strategy
from tests.test_integration.served_bot import Machines, configuration, forecasts, venue_of_minutes

ARENAS = {"MALLOC_ARENA_MAX": "2"}


def measure(folder: Path) -> dict[str, tuple[float, float]]:
    """Return resident memory, MB, and the share of it that is files' (libraries), by bot."""
    (folder / "source").mkdir()
    programs = base_environment(folder / "environment", build_wheel(folder / "source"))
    venue = venue_of_minutes(folder)
    venue.open_account(KEY, SECRET)
    with running_exchange(ExchangeState(venue=venue), tls=True) as url:
        machines = Machines.of(folder, programs)
        config = machines.config(url)
        with running_bot(machines.there, configuration(url, machines.there)) as trainer:
            machines.export(trainer)
        machines.take("first.bundle")
        alone = folder / "alone"
        alone.mkdir()
        words = write_strategy(alone, live_bot.STRATEGY)
        return {
            "Freqtrade alone": _held(alone, settings(url, [BTC], dry_run=True), programs, words),
            "with a bundle": _held(machines.here, config, programs),
            "with a bundle, two arenas": _held(machines.here, config, programs, more=ARENAS),
        }


def _held(
    folder: Path, config: dict[str, Any], programs: Path, words: tuple[str, ...] = (),
    more: dict[str, str] | None = None,
) -> tuple[float, float]:  # fmt: skip
    launch = elsewhere(programs, **(more or {}))
    with running_bot(folder, config, *words, launch=launch) as bot:
        bot.wait_for(_second_answer(bot, bool(words)), "two answers")
        time.sleep(10)
        held = psutil.Process(bot.process.pid).memory_info()
        return held.rss / 1e6, held.shared / 1e6


def _second_answer(bot: LiveBot, alone: bool) -> Callable[[], bool]:
    known, start = len(forecasts(bot)), time.monotonic()
    if alone:  # it says nothing of candles
        return lambda: "state='RUNNING'" in bot.log() and time.monotonic() - start > 130
    return lambda: len(forecasts(bot)) >= known + 2


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name, (rss, files) in measure(Path(scratch)).items():
            print(f"{name:28} {rss:6.0f} MB, {files:4.0f} of them libraries' files")
