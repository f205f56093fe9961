"""A live bot that watches its models, on a replayed market whose candles are drifted at will.

Days cannot be waited for: the bot is killed, its book of models re-dated as if it had been made
days earlier, and started again on the same market days later, as after an outage.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from models.base.files import wall_clock_ms
from models.base.units import DAY_MS
from models.operate.control.commands import Commands
from models.operate.control.model_book import MODEL_BOOK, PairBook, read_book
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET

START, QUIET_DAYS, DRIFTED_DAYS = datetime(2024, 1, 1, tzinfo=UTC), 300, 24
TODAY: Final = START + timedelta(days=QUIET_DAYS)  # from then on the market is another one
STRATEGY: Final = ("--strategy", "BitcoinCrossMargin", "--strategy-path", str(ROOT / "strategies"))
POLICY: Final = {"enabled": True, "calm_days": 60, "volatile_days": 60, "shadow_days": 5}


def configuration(url: str, **training: Any) -> dict[str, Any]:
    """Return the shipped Bitcoin configuration, small, with that policy."""
    return settings(url, [BTC], dry_run=False) | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1h",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "dataformat_ohlcv": "feather",
        "breakwater": {"retraining": POLICY},
        "freqai": {
            "train_period_days": 260,
            "live_retrain_hours": 24 * 60,
            "expiration_hours": 24 * 90,
            "feature_parameters": {"include_timeframes": ["1h"]},
            "model_training_parameters": {
                "training": {"max_steps": 10, "evaluate_every": 10, "cross_fit": 2, **training},
                "network": {"hidden": 8},
            },
        },
    }


def drifted_market(folder: Path) -> Path:
    """Write candles of a simulated market that goes to and fro by 1 % an hour from `TODAY` on."""
    days = QUIET_DAYS + DRIFTED_DAYS
    datadir = write_simulated(folder, seed=11, start=START, days=days, timeframe="1h")
    path = datadir / "futures" / "BTC_USDT_USDT-1h-futures.feather"
    frame = pd.read_feather(path)
    later = (frame["date"] >= TODAY).to_numpy()
    moves = 0.01 * (-1.0) ** np.arange(later.sum())
    moves += 0.001 * np.random.default_rng(0).normal(size=len(moves))
    close = float(frame.loc[~later, "close"].iloc[-1]) * np.exp(np.cumsum(moves))
    opened = np.concatenate((frame.loc[~later, "close"].to_numpy()[-1:], close[:-1]))
    values = {
        "open": opened, "close": close, "volume": np.full(len(close), 100.0),
        "high": np.maximum(opened, close) * 1.0005, "low": np.minimum(opened, close) / 1.0005,
    }  # fmt: skip
    for name, column in values.items():
        frame.loc[later, name] = column
    frame.to_feather(path)
    return datadir


@dataclass(frozen=True)
class Drifting:
    """The bot's folder, and what it knows of its models."""

    folder: Path
    datadir: Path

    @property
    def userdir(self) -> Path:
        return self.folder / "user_data"

    @property
    def commands(self) -> Commands:
        return Commands(self.userdir)

    def book(self) -> PairBook:
        """Return what is known of the pair, nothing before there is a book."""
        found = read_book(self.userdir / "control")
        return PairBook(pair=BTC) if found is None else found.of(BTC)

    def serving(self) -> int | None:
        """Return the number of the model that serves, by the book."""
        serving = self.book().serving
        return None if serving is None else serving.number

    def is_saved(self) -> bool:
        """Return whether FreqAI would find a model after a restart."""
        found = (self.userdir / "models").glob("*--*/pair_dictionary.json")
        entries = [json.loads(path.read_text()).get(BTC, {}) for path in found]
        return any(entry.get("model_filename") for entry in entries)

    def events(self) -> list[str]:
        """Return what has become of models, by the journal."""
        lines = self.commands.journal.entries(kind="model")
        return [entry.kind.removeprefix("model.") for entry in lines]

    @contextmanager
    def running(self, days: int, **training: Any) -> Iterator[LiveBot]:
        """Run the bot so many days after `TODAY`, by the market's time."""
        now = wall_clock_ms()
        start = int((TODAY + timedelta(days=days)).timestamp() * 1000)
        market = starting_now(read_market(self.datadir, LISTED), start, now)
        venue = LoopbackVenue(market=market, clock=wall_clock_ms)
        venue.open_account(KEY, SECRET)
        with (
            running_exchange(ExchangeState(venue=venue), tls=True) as url,
            running_bot(self.folder, configuration(url, **training), *STRATEGY) as bot,
        ):
            yield bot

    def later(self, days: int) -> None:
        """Re-date the book as if it had been written so many days earlier; forget all candles."""
        path = self.userdir / "control" / MODEL_BOOK
        path.write_text(json.dumps(_earlier(json.loads(path.read_text()), days * DAY_MS)))
        shutil.rmtree(self.userdir / "data")

    def copied(self, folder: Path) -> Drifting:
        """Return a copy of it."""
        shutil.copytree(self.folder, folder)
        return Drifting(folder, self.datadir)


def _earlier(value: Any, by_ms: int) -> Any:
    """Return JSON whose times of candles are that much earlier."""
    if isinstance(value, list):
        return [_earlier(part, by_ms) for part in value]
    if not isinstance(value, dict):
        return value
    candles = ("trained_ms", "watched_ms")
    out = {name: _earlier(part, by_ms) for name, part in value.items()}
    out |= {name: value[name] - by_ms for name in candles if value.get(name)}
    if value.get("pair") and value.get("shadow_ms"):
        out["shadow_ms"] = value["shadow_ms"] - by_ms
    return out
