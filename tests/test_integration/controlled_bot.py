"""A small strategy under the pack's control, its watchdog, and an exchange they share."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

from models.operate.control.commands import Commands
from strategies.desk.loopback.account import Customer
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import BTC, ETH, settings
from tests.test_integration.running import RunningProcess, running

STRATEGY = '''
from models.base import columns
from strategies.bot.forecast import ForecastStrategy


class ControlledSignals(ForecastStrategy):
    """Long BTC at once, again after every exit; a bid for ETH that never fills.

    What is tried is control over orders: the model's answer is made up, the guards on it are not
    asked, and sizes are Freqtrade's own.
    """

    timeframe = "1m"
    startup_candle_count = 10
    order_types = {**ForecastStrategy.order_types, "entry": "limit"}

    def populate_indicators(self, dataframe, metadata):
        made_up = {**dict.fromkeys(columns.FORECAST, 0.01), columns.ABSTAIN: 0.0}
        made_up |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}  # calm
        return dataframe.assign(do_predict=1, **made_up)

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def leverage(self, **kwargs):
        return 3.0

    def custom_stake_amount(self, pair, proposed_stake, leverage, **kwargs):
        self.guarding.leverage[pair] = leverage  # what the order gate is to let through
        # The bid rests at half the price: as much of it as the standing guards bear beside BTC.
        return proposed_stake if pair.startswith("BTC") else proposed_stake / 4

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
        "breakwater": {"pacing": {"tick_s": 0.5, "look_s": 0.1}},
        **more,
    }


def prepare(folder: Path, config: dict[str, Any]) -> None:
    """Make what a watchdog needs that starts before its bot."""
    (folder / "user_data").mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def commands(folder: Path) -> Commands:
    """Return control and journal of the bot in `folder`."""
    return Commands(folder / "user_data")


def running_watchdog(
    folder: Path, *runner: str, **how: Any
) -> AbstractContextManager[RunningProcess]:
    """Run `breakwater watchdog` over the bot in `folder` until the block ends.

    Parameters
    ----------
    runner
        The module that runs it, with its own arguments; by default Python does.
    **how
        As `running` takes it.
    """
    config, userdir = str(folder / "config.json"), str(folder / "user_data")
    module = ("strategies.desk.cli", "watchdog", "--config", config, "--userdir", userdir)
    return running(RunningProcess, folder, "watchdog", (*runner, *module), **how)


def unprotected(state: ExchangeState, account: Customer) -> dict[str, Decimal]:
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
