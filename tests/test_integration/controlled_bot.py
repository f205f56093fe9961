"""A small strategy under the pack's control, its watchdog, and an exchange they share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from models.control.commands import Commands
from tests.exchange.account import Account
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import KEY, ROOT, SECRET, settings

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"

STRATEGY = '''
from models import columns
from strategies.base.pack_strategy import PackStrategy


class ControlledSignals(PackStrategy):
    """Long BTC at once, again after every exit; a bid for ETH that never fills.

    What is tried is control over orders: the model's answer is made up, the guards on it are not
    asked, and sizes are Freqtrade's own.
    """

    timeframe = "1m"
    startup_candle_count = 10
    order_types = {**PackStrategy.order_types, "entry": "limit"}

    def populate_indicators(self, dataframe, metadata):
        made_up = {**dict.fromkeys(columns.FORECAST, 0.01), columns.ABSTAIN: 0.0}
        return dataframe.assign(do_predict=1, **made_up)

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def leverage(self, **kwargs):
        return 3.0

    def custom_stake_amount(self, proposed_stake, **kwargs):
        return proposed_stake

    def custom_entry_price(self, pair, proposed_rate, **kwargs):
        return proposed_rate * (1.001 if pair.startswith("BTC") else 0.5)

    def _refusal(self, *args):
        return ""

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        return "profit" if current_profit > 0.02 else None
'''


def configuration(url: str, **more: Any) -> dict[str, Any]:
    """Return the bot's configuration; entries rest far from the market if asked to."""
    return {
        **settings(url, [BTC, ETH], dry_run=False),
        "custom_price_max_distance_ratio": 0.9,
        "strategy": "ControlledSignals",
        "breakwater": {"pacing": {"tick_s": 0.5, "look_s": 0.1}},
        **more,
    }


def write_strategy(folder: Path) -> tuple[str, str]:
    """Write the strategy and return the arguments that find it."""
    strategies = folder / "strategies"
    strategies.mkdir(exist_ok=True)
    (strategies / "ControlledSignals.py").write_text(STRATEGY, encoding="utf-8")
    return "--strategy-path", str(strategies)


def prepare(folder: Path, config: dict[str, Any]) -> None:
    """Make what a watchdog needs that starts before its bot."""
    (folder / "user_data").mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def commands(folder: Path) -> Commands:
    """Return control and journal of the bot in `folder`."""
    return Commands(folder / "user_data")


@dataclass(frozen=True)
class RunningWatchdog:
    """A watchdog process, seen from outside."""

    folder: Path
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        """Return everything it has printed."""
        return (self.folder / "watchdog.log").read_text(encoding="utf-8")

    def wait_for(self, happens: Callable[[], Any], what: str, timeout_s: float = 60.0) -> None:
        """Wait until `happens`; fail with the log if it does not, or the watchdog dies."""
        deadline = time.monotonic() + timeout_s
        while not happens():
            ended = self.process.poll()
            if ended is not None or time.monotonic() > deadline:
                raise AssertionError(f"expected {what}; watchdog: {ended}\n{self.log()[-4000:]}")
            time.sleep(0.1)


@contextmanager
def running_watchdog(folder: Path) -> Iterator[RunningWatchdog]:
    """Run `breakwater watchdog` over the bot in `folder` until the block ends."""
    environment = {
        **os.environ,
        "FREQTRADE__EXCHANGE__KEY": KEY,
        "FREQTRADE__EXCHANGE__SECRET": SECRET,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "1000",  # Freqtrade wraps its log at the width of the terminal
    }
    command = [
        *(sys.executable, "-m", "strategies.desk.cli", "watchdog"),
        *("--config", str(folder / "config.json"), "--userdir", str(folder / "user_data")),
    ]
    with (folder / "watchdog.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield RunningWatchdog(folder, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def unprotected(state: ExchangeState, account: Account) -> dict[str, Decimal]:
    """Return how much of each position on the exchange no stop would close."""
    assert state.venue is not None
    with state.venue.lock:
        bare = {}
        for symbol, position in account.open_positions().items():
            stops = sum(
                (a.quantity for a in account.open_algos(symbol)
                 if a.reduce_only and a.side * position.amount < 0), Decimal(0)
            )  # fmt: skip
            if abs(position.amount) > stops:
                bare[symbol] = abs(position.amount) - stops
        return bare
