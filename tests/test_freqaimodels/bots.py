"""The pack's model and strategy with FreqAI's training loop, run by hand, round by round."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType, RunMode

from freqaimodels.base.pack_model import PackModel
from freqaimodels.LSTMForecaster import LSTMForecaster
from models.base.errors import TrainingError
from models.base.types import Artifact, TrainingJob
from models.serve.drift import fit_drift
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from tests.test_contract import echo
from tests.test_freqaimodels.configs import bitcoin_config

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
DAYS = 90
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
FIRST = TODAY - timedelta(days=DAYS)
DEATH = TrainingError("the training worker died: SIGKILL(-9)", where="training lstm")


class Elsewhere:
    """Training that answers at once with a network that repeats the first feature."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []
        self.failure: Exception | None = None
        self.network: bytes | None = None  # sent instead of a sound one

    def check(self, network: str, blocks: dict[str, Any]) -> None: ...

    def run(self, job: TrainingJob) -> Artifact:
        self.jobs.append(job)
        if self.failure is not None:
            raise self.failure
        onnx = self.network or echo.graph_of(job.feature_names)
        manifest = self.manifest_of(job.feature_names, onnx) | {"title": f"echo {len(self.jobs)}"}
        return dataclasses.replace(echo.echo_artifact(), onnx=onnx, manifest=manifest)

    @staticmethod
    def manifest_of(names: tuple[str, ...], onnx: bytes) -> dict[str, Any]:
        """Return the manifest of an echo over the features `names`."""
        features = len(names)
        return echo.echo_artifact().manifest | {
            "feature_names": list(names),
            "calibration": echo.plain_calibration(names),
            "novelty": {"mean": [0.0] * features, "std": [1.0] * features, "threshold": 1e9},
            "drift": fit_drift(np.zeros((1, features), np.float32)),
            "onnx_sha256": Artifact.digest(onnx),
            "seconds": {"all": 0.0},
            "metrics": {"validation": {"gain_millibits": 0.0}},
        }


class EchoForecaster(LSTMForecaster):
    def make_executor(self) -> Elsewhere:
        return Elsewhere()


class Provider:
    """Freqtrade's data provider at a moment that moves on by `hours`."""

    runmode = RunMode.DRY_RUN

    def __init__(self) -> None:
        self.hours = 0
        self.messages: list[str] = []

    def current_whitelist(self) -> list[str]:
        return [BTC]

    def get_pair_dataframe(self, pair: str, timeframe: str) -> pd.DataFrame:
        now = FIRST + timedelta(days=DAYS - 2, hours=self.hours)
        closed = market(timeframe, seed=len(pair))
        closed = closed[closed["date"] + pd.Timedelta(timeframe) <= now]
        return closed.tail(700).reset_index(drop=True)

    def send_msg(self, message: str) -> None:
        self.messages.append(message)


class Once(threading.Event):
    """FreqAI's stop event, set after the first round; pauses are noted instead of made."""

    def __init__(self, pauses: list[float]) -> None:
        super().__init__()
        self.pauses, self.rounds = pauses, 0

    def is_set(self) -> bool:
        self.rounds += 1
        return self.rounds > 1

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        return False


def market(timeframe: str, seed: int) -> pd.DataFrame:
    dates = pd.date_range(FIRST, FIRST + timedelta(days=DAYS), freq=timeframe, inclusive="left")
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, len(dates))))
    return pd.DataFrame(
        {
            "date": dates.as_unit("us"),
            "open": close, "high": close * 1.002, "low": close * 0.998, "close": close,
            "volume": rng.uniform(1, 2, len(dates)),
        }
    )  # fmt: skip


class Bot:
    """The pack's model and strategy, with FreqAI's thread run by hand, one round at a time."""

    def __init__(
        self,
        folder: Path,
        timeframes: Sequence[str] = ("1h", "4h"),
        hours: int = 0,
        days: int = 20,
        forecaster: type[PackModel] = EchoForecaster,
        fast: str = "auto",
        training: str = "here",
        **freqai: Any,
    ) -> None:
        config = bitcoin_config(
            folder, **{"train_period_days": days, "live_retrain_hours": 0, **freqai}
        )
        config["runmode"] = RunMode.DRY_RUN
        config["breakwater"] = {**config.get("breakwater", {}), "fast": fast, "training": training}
        config["freqai"]["feature_parameters"]["include_timeframes"] = list(timeframes)
        self.provider = Provider()
        self.provider.hours = hours
        write_history(config["datadir"], self.provider)
        self.model = forecaster(config)
        self.executor: Any = self.model.executor
        self.strategy = BitcoinCrossMargin(config)
        self.strategy.dp = self.provider
        self.strategy.freqai = self.model
        self.pauses: list[float] = []
        self.threads_started = 0
        self.model.start_scanning = self.start_scanning

    def start_scanning(self, strategy: Any) -> None:
        self.threads_started += 1
        self.model._threads.append(threading.main_thread())  # alive, and does nothing

    def candle(self) -> pd.Series:
        """Let an hour pass and return the newest analysed row."""
        return self.frame().iloc[-1]

    def frame(self) -> pd.DataFrame:
        """Let an hour pass and return the analysed frame."""
        self.provider.hours += 1
        frame = self.provider.get_pair_dataframe(BTC, "1h")
        return self.strategy.populate_indicators(frame, {"pair": BTC})

    def retrain(self) -> int:
        """Run one round of FreqAI's training thread; return how many trainings there were."""
        before = len(self.executor.jobs)
        self.model._stop_event = Once(self.pauses)
        self.model._start_scanning(self.strategy)
        return len(self.executor.jobs) - before

    def date_dtypes(self) -> set[str]:
        history = self.model.dd.historic_data
        return {str(f["date"].dtype) for frames in history.values() for f in frames.values()}

    def served(self) -> str:
        title: str = self.model.dd.model_dictionary[BTC].manifest["title"]
        return title

    def trained_s(self) -> int:
        return int(self.model.dd.pair_dict[BTC]["trained_timestamp"])


def write_history(datadir: Path, provider: Provider) -> None:
    (datadir / "futures").mkdir(parents=True, exist_ok=True)
    handler = get_datahandler(datadir, "feather")
    for pair in (BTC, ETH):
        for timeframe in ("1h", "4h"):
            known = market(timeframe, seed=len(pair))
            stop = provider.get_pair_dataframe(pair, timeframe)["date"].iloc[-1]
            handler.ohlcv_store(pair, timeframe, known[known["date"] <= stop], CandleType.FUTURES)


def running(bot: Bot) -> Bot:
    """A bot with its first model in service."""
    bot.candle()
    assert bot.retrain() == 1
    bot.candle()  # the first after a training only shows FreqAI's placeholder
    assert bot.candle()["do_predict"] == 1
    return bot
