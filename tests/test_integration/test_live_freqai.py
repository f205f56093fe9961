"""The pack itself, live: FreqAI trains in the bot's background, then forecasts become orders."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.serve.latency import STAGES
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from strategies.seams.fast_mode import FastMode
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import BTC, FAST, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET, write_strategy

START, TODAY = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)

# The simulated market has next to no edge: what is tried is the way from forecast to order, with
# the pack's own sizing, limits, confirmation and stop.
STRATEGY = """
from strategies.bot.stages import timed
from strategies.BitcoinCrossMargin import BitcoinCrossMargin


class EveryForecast(BitcoinCrossMargin):
    timeframe = "1m"

    @timed("decision")
    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = (dataframe["do_predict"] == 1).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""


def configuration(url: str) -> dict[str, Any]:
    config = settings(url, [BTC], dry_run=False)
    return config | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1m",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "dataformat_ohlcv": "json",
        # Every forecast, edge or not; four days of minutes have no hazard that is worth a veto.
        "breakwater": {"decision": {"without": ["quantiles", "hazard"]}},
        "freqai": {
            "train_period_days": 34,  # cascade labels look back over 30
            "feature_parameters": {
                "include_timeframes": ["1m"],
                "include_corr_pairlist": ["ETH/USDT:USDT"],
            },
            "model_training_parameters": {"training": {"max_steps": 20}},
        },
    }


def test_live_run_when_freqai_has_trained_then_the_next_candle_becomes_a_protected_position(
    tmp_path: Path,
) -> None:
    datadir = write_simulated(tmp_path / "simulated", seed=11, start=START, days=38, timeframe="1m")
    market = starting_now(
        read_market(datadir, LISTED), int(TODAY.timestamp() * 1000), wall_clock_ms()
    )
    venue = LoopbackVenue(market=market, clock=wall_clock_ms)
    account = venue.open_account(KEY, SECRET)
    state = ExchangeState(venue=venue)
    with (
        running_exchange(state, tls=True) as url,
        running_bot(tmp_path, configuration(url), *write_strategy(tmp_path, STRATEGY)) as bot,
    ):
        bot.wait_for(lambda: has_trained(bot), "a trained model")
        # The forecasts of candles that closed before the training are not acted upon.
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        bot.wait_for(lambda: stands_at_the_working_stop(bot, account), "the working stop")
        [trade] = bot.trades().values()
        [stop] = account.open_algos()
        troubles = bot.troubles()
    if os.environ.get(FAST) == FastMode.OFF:  # stages are timed by the fast lane
        assert not Commands(tmp_path / "user_data").journal.entries(kind="latency")
    else:
        assert stages_of_the_entry(tmp_path) == list(STAGES)
    assert float(account.position("BTCUSDT").amount) == trade["amount"]
    assert (stop.side, float(stop.quantity)) == (-1, trade["amount"])
    assert len(account.algos) == 1  # the working stop is the first there is
    assert trade["leverage"] <= 3
    assert state.unknown == []
    assert troubles == []


def stages_of_the_entry(folder: Path) -> list[str]:
    """Return the stages of the candle that led to the order, as the journal has them."""
    lines = Commands(folder / "user_data").journal.entries(kind="latency", pair=BTC)
    [record] = [line.record for line in lines if "sent" in line.record["at_ms"]]
    ends = [record["at_ms"][stage] for stage in STAGES]
    assert ends == sorted(ends)
    assert all(record["took_ms"][stage] >= 0 for stage in STAGES)
    return list(record["at_ms"])


def stands_at_the_working_stop(bot: LiveBot, account: Customer) -> bool:
    wanted = [trade["stop_loss"] for trade in bot.trades().values()]
    return wanted == pytest.approx([float(a.trigger) for a in account.open_algos()], rel=1e-5)


def has_trained(bot: LiveBot) -> bool:
    assert bot.troubles() == []  # a failed training would only be tried again
    return "spent training pairlist" in bot.log()
