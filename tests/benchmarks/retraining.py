"""What training costs the bot's own process: the worker beside it trains, it only hands over rows.

``python -m tests.benchmarks.retraining``: the real `freqtrade trade`, live on the loopback exchange
with signed orders, hourly candles of a simulated market, shipped training settings; it trains
again and again, one training right after the other, which no policy asks for. Told are the CPU
seconds of its own process and of its workers, by the clock and by training, and of the same
bot once nothing is due. Making the rows of a training is in it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from models.base.files import wall_clock_ms
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET

START: Final = datetime(2020, 1, 1, tzinfo=UTC)
_AT_ONCE_H: Final = 1e-4  # between trainings
_LONGEST_S: Final = 1800.0


@dataclass(frozen=True, kw_only=True)
class TrainingShare:
    """What a stretch of time cost."""

    trainings: int
    wall_s: float
    own_s: float  # CPU of the bot's process
    workers_s: float  # of those it trains in
    load: float  # of the machine over the last minute

    @property
    def own_frac(self) -> float:
        """Of one core."""
        return self.own_s / self.wall_s


def configuration(url: str, train_days: int, steps: int, hours: float) -> dict[str, Any]:
    """Return the shipped Bitcoin configuration that trains every so many hours."""
    return settings(url, [BTC], dry_run=False) | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1h",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "dataformat_ohlcv": "feather",
        "freqai": {
            "train_period_days": train_days,
            "live_retrain_hours": hours,
            "feature_parameters": {"include_timeframes": ["1h"]},
            "model_training_parameters": {"training": {"max_steps": steps}},
        },
    }


def training_share(
    folder: Path, *, trainings: int, train_days: int, steps: int, quiet_s: float
) -> tuple[TrainingShare, TrainingShare]:
    """Return what so many trainings cost, one after the other, and a quiet time after them."""
    datadir = write_simulated(folder / "market", seed=11, start=START, days=train_days + 120)
    now, start = wall_clock_ms(), START + timedelta(days=train_days + 100)
    market = starting_now(read_market(datadir, LISTED), int(start.timestamp() * 1000), now)
    found = []
    for name, hours in (("trains", _AT_ONCE_H), ("rests", 24.0)):
        home = folder / name
        home.mkdir()
        venue = LoopbackVenue(market=market, clock=wall_clock_ms)
        venue.open_account(KEY, SECRET)
        with (
            running_exchange(ExchangeState(venue=venue), tls=True) as url,
            running_bot(
                home, configuration(url, train_days, steps, hours), "--strategy",
                "BitcoinCrossMargin", "--strategy-path", str(ROOT / "strategies"),
            ) as bot,
        ):  # fmt: skip
            bot.wait_for(lambda b=bot: trained(b) >= 1, "a first model", _LONGEST_S)
            found.append(_measured(bot, trainings if hours < 1 else 0, quiet_s))
    return found[0], found[1]


def trained(bot: LiveBot) -> int:
    """Return how many trainings its log tells of."""
    return len(re.findall(r"lstm BTC\S+ until \S+: \S+ s, validation gain", bot.log()))


def _measured(bot: LiveBot, trainings: int, quiet_s: float) -> TrainingShare:
    own, before = psutil.Process(bot.process.pid), trained(bot)
    begun, own_s, workers_s = time.monotonic(), _cpu_s([own]), _cpu_s(own.children(recursive=True))
    if trainings:
        bot.wait_for(lambda: trained(bot) >= before + trainings, "more trainings", _LONGEST_S)
    else:
        time.sleep(quiet_s)
    return TrainingShare(
        trainings=trained(bot) - before,
        wall_s=time.monotonic() - begun,
        own_s=_cpu_s([own]) - own_s,
        workers_s=_cpu_s(own.children(recursive=True)) - workers_s,
        load=os.getloadavg()[0],
    )


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system
    return total


def table(shares: Sequence[TrainingShare]) -> str:
    """Return the costs as a table in Markdown."""
    lines = [
        "| | trainings | by the clock, s | bot's own CPU, s | of a core | workers' CPU, s | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in shares:
        name = "training without a pause" if one.trainings else "nothing is due"
        lines.append(
            f"| {name} | {one.trainings} | {one.wall_s:.0f} | {one.own_s:.1f} | "
            f"{one.own_frac:.1%} | {one.workers_s:.0f} | {one.load:.1f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.retraining", description=__doc__)
    parser.add_argument("--trainings", type=int, default=5, help="one after the other")
    parser.add_argument("--train-days", type=int, default=730)
    parser.add_argument("--max-steps", type=int, default=600, help="as shipped")
    parser.add_argument("--quiet", type=float, default=120.0, help="seconds of rest watched")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        shares = training_share(
            Path(scratch), trainings=options.trainings, train_days=options.train_days,
            steps=options.max_steps, quiet_s=options.quiet,
        )  # fmt: skip
    print(table(shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
