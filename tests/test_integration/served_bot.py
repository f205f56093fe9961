"""A bot that trains and one in a base install that serves what the first has exported."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.base.files import wall_clock_ms
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.bundles.contents import opened, read_sealed, seal
from strategies.desk.bundles.keys import private_key
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from tests.base_install import output
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import BTC, LiveBot, settings
from tests.test_integration.running import write_strategy

START, TODAY = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)
STRATEGY = """
import json

from models.base import columns
from strategies.BitcoinCrossMargin import BitcoinCrossMargin


class TellsForecasts(BitcoinCrossMargin):
    timeframe = "1m"

    def populate_entry_trend(self, dataframe, metadata):
        row = dataframe.iloc[-1]
        told = {name: repr(float(row[name])) for name in columns.FORECAST}
        told |= {"date": str(row["date"]), "do_predict": int(row["do_predict"])}
        with open("forecasts", "a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\\n")
        return dataframe.assign(enter_long=0)

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""


def configuration(url: str, folder: Path, **breakwater: str) -> dict[str, Any]:
    return settings(url, [BTC], dry_run=True) | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "strategy": "TellsForecasts",
        "strategy_path": str(folder / "strategies"),
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1m",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "dataformat_ohlcv": "feather",
        "breakwater": {"pacing": {"tick_s": 0.5, "look_s": 0.1}, **breakwater},
        "freqai": {
            "train_period_days": 34,  # cascade labels look back over 30
            "live_retrain_hours": 24,
            "feature_parameters": {"include_timeframes": ["1m"]},
            "model_training_parameters": {
                "training": {"max_steps": 5, "evaluate_every": 5}, "network": {"hidden": 8},
            },
        },
    }  # fmt: skip


def answers(bot: LiveBot) -> dict[str, dict[str, Any]]:
    """Return what it had of each candle, every column as it is written down exactly."""
    path = bot.folder / "forecasts"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row["date"]: row for row in map(json.loads, lines)}


def forecasts(bot: LiveBot) -> dict[str, dict[str, Any]]:
    """Return the trusted ones."""
    return {date: row for date, row in answers(bot).items() if row["do_predict"] == 1}


def both(a: LiveBot, b: LiveBot) -> list[str]:
    """Return the candles both have a forecast of."""
    return sorted(forecasts(a).keys() & forecasts(b).keys())


def venue_of_minutes(folder: Path) -> LoopbackVenue:
    """Return an exchange whose minutes go on from five simulated weeks."""
    datadir = write_simulated(folder / "simulated", seed=11, start=START, days=38, timeframe="1m")
    market = starting_now(
        read_market(datadir, LISTED), int(TODAY.timestamp() * 1000), wall_clock_ms()
    )
    return LoopbackVenue(market=market, clock=wall_clock_ms)


@dataclass(frozen=True)
class Machines:
    """The one that trains and the one that trades, and the programs a base install has."""

    there: Path
    here: Path
    programs: Path

    def type(self, folder: Path, *words: str) -> str:
        """Type a `bundle` command in the base install, and return what it says."""
        return output([str(self.programs / "breakwater"), "bundle", *words], folder)

    def take(self, name: str, *more: str) -> str:
        """Import a bundle of the trainer's where the bot trades."""
        return self.type(
            self.here, "import", str(self.there / name), "--trust", "signing.pub",
            "--config", "config.json", "--userdir", "user_data", *more,
        )  # fmt: skip

    def dated(self, name: str, later_s: int) -> None:
        """Seal the trainer's bundle again, as if it had been trained later."""
        path = self.there / "first.bundle"
        bundle = opened(read_sealed(path), str(path))
        models = [replace(m, trained_s=m.trained_s + later_s) for m in bundle.models]
        key = private_key(self.there / "signing")
        (self.there / name).write_bytes(seal(replace(bundle, models=models), key))

    @staticmethod
    def of(folder: Path, programs: Path) -> Machines:
        """Return both, each with the strategy and a user directory."""
        made = Machines(folder / "trainer", folder / "trader", programs)
        for one in (made.there, made.here):
            (one / "user_data").mkdir(parents=True)
            write_strategy(one, STRATEGY)
        return made

    def config(self, url: str) -> dict[str, Any]:
        """Return, and write where it is typed, the config of the bot that serves."""
        (site,) = self.programs.parent.glob("lib/*/site-packages")
        config = configuration(url, self.here, training="elsewhere")
        config["freqaimodel_path"] = str(site / "freqaimodels")
        (self.here / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return config

    def export(self, trainer: LiveBot) -> None:
        """Wait for a model, and pass it on."""
        trainer.wait_for(lambda: "spent training pairlist" in trainer.log(), "a trained model")
        self.type(self.there, "key", "signing")
        words = ("first.bundle", "--key", "signing", "--userdir", "user_data")
        self.type(self.there, "export", *words)
        shutil.copy(self.there / "signing.pub", self.here)
