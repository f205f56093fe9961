"""A bot of many pairs for `tests.benchmarks.pairs`: coins, strategy, settings, and its clock.

``python -m tests.benchmarks.pairs_bot CLOCK ...`` runs Freqtrade on a clock that the benchmark
moves to just before the next full hour; every sleep is slept, and no work is skipped.
"""

from __future__ import annotations

import dataclasses
import json
import runpy
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.replay import ReplayedMarket, read_market
from strategies.desk.loopback.symbols import BTC, ETH, LTC, Symbol
from tests.exchange.clock import SkippedClock
from tests.exchange.skipping import install
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import settings

START: Final = datetime(2023, 1, 1, tzinfo=UTC)
DAYS: Final = 260  # half a year to train on, what comes before it, and the hours watched
TRAIN_DAYS: Final = 180
_LEVERED: Final = 75.0  # at the most, what the exchange allows of a coin that is traded much
_THREE: Final = (BTC, ETH, LTC)  # coins of one simulation

STRATEGY: Final = '''
import logging

from strategies.BitcoinCrossMargin import BitcoinCrossMargin

logger = logging.getLogger("freqtrade.bench")


class Pairs(BitcoinCrossMargin):
    """Wants every pair on every candle that has a forecast: how much, the guards decide."""

    def populate_entry_trend(self, dataframe, metadata):
        frame = super().populate_entry_trend(dataframe, metadata)
        newest = frame.iloc[-1]
        logger.info("forecast of %s at %s: %d", metadata["pair"], newest["date"],
                    newest["do_predict"])
        return frame.assign(enter_long=(frame["do_predict"] == 1).astype(int), enter_short=0)
'''


def coins(number: int) -> list[Symbol]:
    """Return that many listed coins: BTC, ETH, LTC, and others that may be levered as those."""
    own = {symbol.base for symbol in _THREE}
    table = resources.files("freqtrade.exchange").joinpath("binance_leverage_tiers.json")
    listed = {
        pair.removesuffix("/USDT:USDT"): tiers[0]["maxLeverage"]
        for pair, tiers in json.loads(table.read_text(encoding="utf-8")).items()
        if pair.endswith("/USDT:USDT")
    }
    names = sorted(
        base for base, leverage in listed.items()
        if leverage >= _LEVERED and base.isalpha() and base.isascii() and base not in own
    )  # fmt: skip
    named = [*(symbol.base for symbol in _THREE), *names][:number]
    return [dataclasses.replace(_THREE[i % 3], base=base) for i, base in enumerate(named)]


def simulated(folder: Path, symbols: Sequence[Symbol]) -> ReplayedMarket:
    """Simulate three coins at a time, each three with a seed of their own."""
    feeds = {}
    for first in range(0, len(symbols), 3):
        datadir = write_simulated(folder / f"{first}", seed=first, start=START, days=DAYS)
        found = read_market(datadir, _THREE).feeds
        for source, symbol in zip(_THREE, symbols[first : first + 3], strict=False):
            feeds[symbol.name] = found[source.name]
    return ReplayedMarket(feeds=feeds)


def configuration(url: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the shipped settings for these pairs, but for what `tests.benchmarks.pairs` names."""
    config = settings(url, list(pairs), dry_run=False)
    for name in ("stake_amount", "internals", "fee"):
        config.pop(name)
    shipped = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    return config | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "strategy": "Pairs",
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "stake_amount": "unlimited",
        "max_open_trades": len(pairs),
        "freqai": {
            "train_period_days": TRAIN_DAYS,
            "model_training_parameters": {"training": {"max_steps": 5, "evaluate_every": 5}},
        },
        "breakwater": {
            "decision": {"without": ["quantiles", "hazard"]},
            "limits": shipped["breakwater"]["limits"],
        },
    }


def main() -> None:
    """Run Freqtrade on the benchmark's clock, with sleeps that are slept."""
    _, path, *arguments = sys.argv
    sleep = time.sleep
    install(SkippedClock(Path(path)))
    time.sleep = sleep
    sys.argv = ["freqtrade", *arguments]
    runpy.run_module("freqtrade", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
