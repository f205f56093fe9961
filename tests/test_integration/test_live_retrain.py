"""Retraining next to a running bot: again and again, past a killed worker, and over a restart."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.base.files import wall_clock_ms
from strategies.desk.backtests import results
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import BTC, ETH, LiveBot, running_bot, settings
from tests.test_integration.running import write_strategy
from tests.test_models.learn.jobs.ray_cluster import Cluster, running_cluster

LTC = "LTC/USDT:USDT"
START, TODAY = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)

# Long on every forecast, out on the next one once the test says so; every forecast is in the log.
STRATEGY = """
import logging
from pathlib import Path

from strategies.BitcoinCrossMargin import BitcoinCrossMargin

logger = logging.getLogger("freqtrade.test")


class EveryForecast(BitcoinCrossMargin):
    timeframe = "1m"

    def populate_entry_trend(self, dataframe, metadata):
        newest = dataframe.iloc[-1]
        logger.info("candle %s do_predict %d", newest["date"], newest["do_predict"])
        entries = dataframe["do_predict"] == 1
        dataframe["enter_long"] = (entries & (not Path("leave").exists())).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        exits = dataframe["do_predict"] == 1
        dataframe["exit_long"] = (exits & Path("leave").exists()).astype(int)
        return dataframe
"""


def configuration(url: str, retrain_hours: float) -> dict[str, Any]:
    config = settings(url, [BTC], dry_run=False)
    return config | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1m",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "dataformat_ohlcv": "feather",
        # Every forecast, edge or not; four days of minutes have no hazard that is worth a veto.
        "breakwater": {"decision": {"without": ["quantiles", "hazard"]}},
        "freqai": {
            "train_period_days": 34,  # cascade labels look back over 30
            "live_retrain_hours": retrain_hours,
            "feature_parameters": {"include_timeframes": ["1m"]},
            "model_training_parameters": {
                "training": {"max_steps": 5, "evaluate_every": 5},
                "network": {"hidden": 8},
            },
        },
    }


@pytest.fixture
def venue(tmp_path: Path) -> LoopbackVenue:
    datadir = write_simulated(tmp_path / "simulated", seed=11, start=START, days=38, timeframe="1m")
    market = starting_now(
        read_market(datadir, LISTED), int(TODAY.timestamp() * 1000), wall_clock_ms()
    )
    return LoopbackVenue(market=market, clock=wall_clock_ms)


def trainings(bot: LiveBot) -> int:
    return len(re.findall(r"lstm BTC\S+ until \S+: \S+ s, validation gain", bot.log()))


def forecasts(bot: LiveBot, start: int = 0) -> list[int]:
    """`do_predict` of every candle analysed, from the log's character `start` on."""
    return [int(n) for n in re.findall(r"candle \S+ \S+ do_predict (\d)", bot.log()[start:])]


def closed(bot: LiveBot) -> bool:
    return any(not trade["is_open"] for trade in bot.trades().values())


def worker_was_killed(bot: LiveBot) -> bool:
    """Kill workers until one dies at work; an idle one is replaced and nobody misses it."""
    if "the training worker died" in bot.log():
        return True
    bot.kill_workers()
    return False


@pytest.mark.slow
def test_live_run_when_it_retrains_again_and_again_then_only_a_killed_worker_is_ever_a_trouble(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    with running_bot(tmp_path, configuration(url, 0.002), *arguments) as bot:
        bot.wait_for(lambda: trainings(bot) >= 1, "a trained model")
        bot.wait_for(lambda: 1 in forecasts(bot), "a forecast")
        appended = len(forecasts(bot))
        before = trainings(bot)
        bot.wait_for(lambda: trainings(bot) >= before + 5, "five more trainings")
        bot.wait_for(lambda: len(forecasts(bot)) >= appended + 2, "two more candles")
        assert bot.troubles() == []

        bot.wait_for(lambda: worker_was_killed(bot), "a worker killed at work")
        trained, analysed = trainings(bot), len(forecasts(bot))
        bot.wait_for(lambda: len(forecasts(bot)) > analysed, "a candle after the failure")
        bot.wait_for(lambda: trainings(bot) >= trained + 2, "training to recover")
        log, seen = bot.log(), forecasts(bot)
        assert account.open_algos()  # the position of the first forecast, and its stop
    failure = log[log.index("raised exception TrainingError: the training worker died") :]
    assert re.search(r" - ERROR - Training BTC/USDT:USDT raised exception", log)
    assert "SIGKILL" in failure
    assert "stays in service until" in failure
    # From the first forecast on there was one on every candle, whatever became of retraining.
    assert set(seen[seen.index(1) :]) == {1}
    assert "Model expired" not in log
    assert "UserWarning: no explicit representation of timezones" not in log
    assert state.unknown == []


@pytest.mark.slow
def test_live_run_when_it_trains_on_a_cluster_then_neither_a_killed_worker_nor_its_end_stops_it(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    config = configuration(url, 0.002)
    training = config["freqai"]["model_training_parameters"]["training"]
    with running_cluster() as cluster:
        training |= {"executor": "ray", "ray_address": cluster.address}
        with running_bot(tmp_path, config, *write_strategy(tmp_path, STRATEGY)) as bot:
            bot.wait_for(lambda: trainings(bot) >= 2 and 1 in forecasts(bot), "a trained model")
            assert bot.troubles() == []
            bot.wait_for(lambda: killed_there(bot, cluster), "a worker killed at work")
            trained = trainings(bot)
            bot.wait_for(lambda: trainings(bot) >= trained + 2, "training to recover")
            cluster.die()
            bot.wait_for(lambda: "no Ray cluster can be reached" in bot.log(), "a lost cluster")
            seen = len(forecasts(bot))
            bot.wait_for(lambda: len(forecasts(bot)) >= seen + 2, "candles without a cluster")
            assert account.open_algos()  # the position of the first forecast, and its stop
            log, answers = bot.log(), forecasts(bot)
    assert "the worker on the cluster died in the middle of it" in log
    assert "stays in service until" in log
    assert set(answers[answers.index(1) :]) == {1}
    assert state.unknown == []


def killed_there(bot: LiveBot, cluster: Cluster) -> bool:
    if "the worker on the cluster died" in bot.log():
        return True
    for worker in cluster.trainings():
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    return False


@pytest.mark.slow
def test_live_run_when_it_learns_from_coins_it_does_not_follow_then_every_training_has_them(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    config = configuration(url, 0.002)
    training = config["freqai"]["model_training_parameters"]["training"]
    training["pool"] = [ETH, LTC]  # ETH lends columns, too; LTC is not followed
    with running_bot(tmp_path, config, *write_strategy(tmp_path, STRATEGY)) as bot:
        bot.wait_for(lambda: trainings(bot) >= 2, "two trainings", 400)
        appended = len(forecasts(bot))
        bot.wait_for(lambda: len(forecasts(bot)) > appended, "one more candle")
        assert bot.troubles() == []
        log = bot.log()
    assert "learns without" not in log
    assert "are not learned from" not in log
    (models,) = (tmp_path / "user_data" / "models").glob("*--*")
    for made in results.trainings(models):
        shares = {share["title"].split()[1]: share["rows"] for share in made.manifest["pool"]}
        assert set(shares) == {BTC, ETH, LTC}
        assert min(shares.values()) > 0.9 * max(shares.values())
    assert state.unknown == []


@pytest.mark.slow
def test_live_run_when_restarted_then_the_saved_model_manages_the_open_position(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    config = configuration(url, 24)
    arguments = write_strategy(tmp_path, STRATEGY)
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop", 400)
        assert bot.troubles() == []
    held = account.position("BTCUSDT").amount
    assert held > 0
    before = len(bot.log())

    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: 1 in forecasts(bot, before), "a forecast")
        assert [t["is_open"] for t in bot.trades().values()] == [1]
        assert account.position("BTCUSDT").amount == held
        assert [float(a.quantity) for a in account.open_algos()] == [float(held)]
        (tmp_path / "leave").touch()
        bot.wait_for(lambda: closed(bot), "the position closed on the next forecast")
        bot.wait_for(lambda: not account.open_algos(), "its stop taken back")  # after the booking
        [trade] = bot.trades().values()
        assert bot.troubles() == []
    assert trainings(bot) == 1  # before the restart
    assert trade["exit_reason"] == "exit_signal"
    assert account.open_positions() == {}
    assert state.unknown == []
