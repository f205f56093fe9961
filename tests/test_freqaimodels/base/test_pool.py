"""Pooled training through FreqAI: whose rows a job carries, where they end, who is left out."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType, RunMode
from freqtrade.exceptions import TemporaryError

from models.base import columns
from models.base.types import TrainingJob
from models.base.units import HOUR_MS
from models.learn.jobs.job import FEWEST_PEER_ROWS
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.desk.backtests.results import trainings
from tests.places import USER_DATA
from tests.test_freqaimodels.bots import EchoForecaster, Elsewhere, Once
from tests.test_freqaimodels.configs import bitcoin_config

LTC, BTC, ETH, XRP, BCH = (f"{c}/USDT:USDT" for c in ("LTC", "BTC", "ETH", "XRP", "BCH"))
POOL = [BTC, ETH, XRP]
FIRST = pd.Timestamp("2024-01-01", tz="UTC")
DAYS = 130


def market(pair: str) -> pd.DataFrame:
    """Hourly candles with a fall or a squeeze about every nine days."""
    rng = np.random.default_rng([ord(c) for c in pair])
    rows = DAYS * 24
    moves = rng.normal(0, 0.004, rows)
    starts = np.arange(100, rows, 211) + rng.integers(0, 50)
    starts = starts[starts < rows]
    # Some under the floor of 4 % and over Bitcoin's of 3 %: a wrong floor makes other labels.
    moves[starts] = rng.choice((-0.07, 0.07, -0.035, 0.035), len(starts))
    volume = rng.uniform(1, 2, rows)
    volume[starts] = 20.0
    close = 100 * np.exp(np.cumsum(moves))
    dates = pd.date_range(FIRST, periods=rows, freq="1h")
    return pd.DataFrame(
        {
            "date": dates.as_unit("ms"),
            "open": close / np.exp(moves), "high": close * 1.002, "low": close * 0.998,
            "close": close, "volume": volume,
        }
    )  # fmt: skip


class Files:
    """Freqtrade's data provider in a backtest."""

    runmode = RunMode.BACKTEST

    def __init__(self) -> None:
        self.frames = {pair: market(pair) for pair in (LTC, *POOL)}

    def get_pair_dataframe(self, pair: str, timeframe: str) -> pd.DataFrame:
        return self.frames[pair].copy()


def config_of(folder: Path, pair: str, pool: list[str], floor: float) -> dict[str, Any]:
    parameters = {
        "labels": {"cascade_floor_frac": floor},
        "training": {"pool": pool},
    }
    config = bitcoin_config(
        folder, train_period_days=50, backtest_period_days=10, model_training_parameters=parameters,
        save_backtest_models=False,
    )  # fmt: skip
    config["exchange"]["pair_whitelist"] = [pair]
    config["freqai"]["feature_parameters"]["include_corr_pairlist"] = [BTC, ETH]
    shipped = USER_DATA / "config_bitcoin.json"
    return config | {"timerange": "20240320-20240409", "config_files": [shipped]}


class Offline:
    """FreqAI's own backtest of one pair; trainings are noted, an echo answers."""

    def __init__(
        self, folder: Path, files: Files, pair: str = LTC, pool: Any = POOL, floor: float = 0.04
    ) -> None:
        config = config_of(folder, pair, list(pool), floor)
        self.model = EchoForecaster(config)
        strategy = BitcoinCrossMargin(config)
        strategy.dp, strategy.freqai = files, self.model
        frame = files.get_pair_dataframe(pair, "1h")
        frame = frame[frame["date"] < pd.Timestamp("2024-04-09", tz="UTC")]
        strategy.populate_indicators(frame, {"pair": pair})
        executor: Elsewhere = self.model.executor
        self.jobs = executor.jobs


def peers(job: TrainingJob) -> dict[str, TrainingJob]:
    return {peer.title.split()[1]: peer for peer in job.peers}


def same(a: TrainingJob, b: TrainingJob) -> None:
    np.testing.assert_array_equal(a.features, b.features)
    np.testing.assert_array_equal(a.time_ms, b.time_ms)
    for name, values in a.labels.items():
        np.testing.assert_array_equal(values, b.labels[name], err_msg=name)


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    return Offline(tmp_path_factory.mktemp("pooled"), Files())


def test_pool_when_configured_then_each_training_carries_each_coin_over_its_own_span(
    pooled: Offline,
) -> None:
    assert len(pooled.jobs) == 2
    for job in pooled.jobs:
        assert set(peers(job)) == set(POOL)
        for peer in job.peers:
            np.testing.assert_array_equal(peer.time_ms, job.time_ms)
            assert peer.feature_names == job.feature_names
            assert np.isfinite(peer.features).all()
            assert (peer.labels[columns.LABEL_CASCADE_DOWN] == 1).any()


@pytest.mark.parametrize(("coin", "floor"), [(XRP, 0.04), (ETH, 0.04), (BTC, 0.03)])
def test_pool_when_a_coin_is_trained_by_itself_then_its_rows_are_those_it_lends(
    pooled: Offline, tmp_path: Path, coin: str, floor: float
) -> None:
    alone = Offline(tmp_path, Files(), coin, pool=(), floor=floor)
    here, there = (f"_{pair.replace(':', '')}_" for pair in (LTC, coin))
    for job, own in zip(pooled.jobs, alone.jobs, strict=True):
        peer = peers(job)[coin]
        np.testing.assert_array_equal(peer.time_ms, own.time_ms)
        told = 0
        for at, name in enumerate(peer.feature_names):
            if (
                name.replace(here, there) in own.feature_names
            ):  # FreqAI lends a market not to itself
                theirs = own.features[:, own.feature_names.index(name.replace(here, there))]
                np.testing.assert_allclose(peer.features[:, at], theirs, rtol=1e-5, atol=1e-6)
                told += here in name
        assert told > 20
        for name, values in own.labels.items():
            np.testing.assert_allclose(peer.labels[name], values, rtol=1e-9, err_msg=name)


def test_pool_when_a_coins_future_changes_then_no_row_of_the_past_does(
    pooled: Offline, tmp_path: Path
) -> None:
    first, second = pooled.jobs
    files = Files()
    for coin in POOL:
        later = files.frames[coin]["date"] > pd.Timestamp(first.time_ms[-1], unit="ms", tz="UTC")
        files.frames[coin].loc[later, ["open", "high", "low", "close"]] *= 3.0
        files.frames[coin].loc[later, "volume"] = 50.0
    changed = Offline(tmp_path, files)
    same(changed.jobs[0], first)
    for coin, peer in peers(changed.jobs[0]).items():
        same(peer, peers(first)[coin])
    # The control: the next window has seen it.
    theirs = peers(changed.jobs[1])[XRP].features
    assert not np.array_equal(theirs, peers(second)[XRP].features)


def test_pool_when_a_coin_is_missing_or_too_short_then_it_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = Files()
    files.frames[XRP] = files.frames[XRP][:0]
    young = market(BCH)
    born = pd.Timestamp("2024-03-20", tz="UTC") - pd.Timedelta(hours=FEWEST_PEER_ROWS)
    files.frames[BCH] = young[young["date"] > born]
    offline = Offline(tmp_path, files, pool=(BTC, BCH, XRP))
    assert set(peers(offline.jobs[0])) == {BTC}
    manifests = [training.manifest for training in trainings(offline.model.full_path)]
    assert [set(m["pool_left_out"]) for m in manifests] == [{BCH, XRP}, {XRP}]
    said = [r.message for r in caplog.records if "learns without" in r.message]
    assert any(XRP in line and "download-data" in line for line in said)
    assert any(BCH in line and f"at least {FEWEST_PEER_ROWS}" in line for line in said)


# -- live ---------------------------------------------------------------------------------------

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


class Exchange:
    """Freqtrade's exchange, asked for the candles since a time; it is sent no order."""

    def __init__(self, provider: Live) -> None:
        self.provider, self.asked, self.failure = provider, [], None

    def create_order(self, **order: Any) -> dict[str, Any]:
        raise AssertionError(f"nothing is traded here: {order}")

    create_stoploss = cancel_order = create_order

    def get_historic_ohlcv(
        self, pair: str, timeframe: str, since_ms: int, candle_type: CandleType
    ) -> pd.DataFrame:
        self.asked.append((pair, since_ms))
        if self.failure is not None:
            raise self.failure
        known = self.provider.closed(pair)
        return known[known["date"] >= pd.Timestamp(since_ms, unit="ms", tz="UTC")]


class Live:
    """Freqtrade's data provider in a running bot, at a moment that moves on by `hours`."""

    runmode = RunMode.DRY_RUN

    def __init__(self) -> None:
        self.hours, self.messages = 0, []
        self._exchange = Exchange(self)
        apart = TODAY - timedelta(days=DAYS) - FIRST.to_pydatetime()
        self.frames = {p: market(p).assign(date=lambda f: f["date"] + apart) for p in (LTC, *POOL)}

    def current_whitelist(self) -> list[str]:
        return [LTC, BTC]

    def closed(self, pair: str) -> pd.DataFrame:
        now = TODAY - timedelta(days=1) + timedelta(hours=self.hours)
        frame = self.frames[pair]
        return frame[frame["date"] + pd.Timedelta("1h") <= now]

    def get_pair_dataframe(self, pair: str, timeframe: str) -> pd.DataFrame:
        assert pair != XRP  # the bot does not follow it
        return self.closed(pair).tail(700).reset_index(drop=True)

    def send_msg(self, message: str) -> None:
        self.messages.append(message)


class Bot:
    """The pack's model and strategy, with FreqAI's thread run by hand, one round at a time."""

    def __init__(self, folder: Path) -> None:
        config = config_of(folder, LTC, POOL, 0.04)
        config["exchange"]["pair_whitelist"] = [LTC, BTC]
        config["pairs"] = config["exchange"]["pair_whitelist"]  # as Freqtrade's configuration does
        config["runmode"] = RunMode.DRY_RUN
        config["freqai"] |= {"live_retrain_hours": 0, "train_period_days": 50}
        self.config, self.provider = config, Live()
        handler = get_datahandler(config["datadir"], "feather")
        (config["datadir"] / "futures").mkdir(parents=True)
        for pair in (LTC, *POOL):
            on_disk = self.provider.closed(pair)
            short = on_disk[: -48 if pair == XRP else None]  # two days behind
            handler.ohlcv_store(pair, "1h", short, CandleType.FUTURES)
            self.on_disk_ms = int(short["date"].iloc[-1].timestamp() * 1000)  # of the last pair
        self.model = EchoForecaster(config)
        self.strategy = BitcoinCrossMargin(config)
        self.strategy.dp, self.strategy.freqai = self.provider, self.model
        self.model.scanning = True
        self.model._threads = [threading.main_thread()]  # alive, and does nothing
        self.candle()

    @property
    def jobs(self) -> list[TrainingJob]:
        executor: Elsewhere = self.model.executor
        return executor.jobs

    def candle(self) -> None:
        self.provider.hours += 1
        frame = self.provider.get_pair_dataframe(LTC, "1h")
        self.strategy.populate_indicators(frame, {"pair": LTC})

    def retrain(self) -> None:
        self.model._stop_event = Once([])
        self.model._start_scanning(self.strategy)


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bot:
    monkeypatch.setattr("freqtrade.freqai.freqai_interface.time.sleep", lambda seconds: None)
    return Bot(tmp_path)


def test_live_pool_when_trained_then_coins_the_bot_does_not_follow_are_topped_up_once_each_time(
    bot: Bot,
) -> None:
    bot.retrain()
    (first,) = bot.jobs
    assert {pair: peer.time_ms[-1] for pair, peer in peers(first).items()} == dict.fromkeys(
        POOL, first.time_ms[-1]
    )
    assert (np.diff(peers(first)[XRP].time_ms) == HOUR_MS).all()
    (asked,) = bot.provider._exchange.asked
    assert asked == (XRP, bot.on_disk_ms + HOUR_MS)
    for _ in range(3):
        bot.candle()
    bot.retrain()
    last = bot.jobs[-1]
    assert last.time_ms[-1] > first.time_ms[-1]
    assert peers(last)[XRP].time_ms[-1] == last.time_ms[-1]
    assert [pair for pair, _ in bot.provider._exchange.asked] == [XRP, XRP]
    _, since = bot.provider._exchange.asked[-1]
    assert bot.on_disk_ms + 48 * HOUR_MS <= since < last.time_ms[-1]  # only what is new


def test_live_pool_when_the_exchange_is_silent_then_what_is_there_is_learned_from(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.provider._exchange.failure = TemporaryError("no answer")
    bot.retrain()
    (job,) = bot.jobs
    assert peers(job)[XRP].time_ms[-1] == bot.on_disk_ms < job.time_ms[-1]
    assert set(peers(job)) == set(POOL)
    assert "newest candles of XRP/USDT:USDT are not learned from: no answer" in caplog.text


def test_live_pool_when_the_bot_starts_then_freqai_downloads_its_coins_and_no_candle_asks_for_them(
    bot: Bot,
) -> None:
    assert bot.config["pairs"] == [LTC, BTC, ETH, XRP]
    assert bot.config["exchange"]["pair_whitelist"] == [LTC, BTC]
    asked = {pair for pair, *_ in bot.strategy.gather_informative_pairs()}
    assert XRP not in asked


def test_live_training_when_the_strategy_asks_for_one_pair_then_no_other_is_trained(
    bot: Bot,
) -> None:
    for _ in range(3):
        bot.retrain()
        bot.candle()
    assert {job.title.split()[1] for job in bot.jobs} == {LTC}
    assert len(bot.jobs) == 3
