"""A bot that watches its models (`breakwater.retraining`), run by hand; for tests of succession."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest
from freqtrade.freqai import freqai_interface
from onnx import numpy_helper

from freqaimodels.LSTMForecaster import LSTMForecaster
from models.base.types import Artifact, TrainingJob
from models.operate.control.commands import Commands
from models.operate.control.model_book import PairBook, read_book
from models.operate.control.state import Person
from models.serve.scores import LOSS
from tests.test_freqaimodels import bots
from tests.test_freqaimodels.bots import BTC, Bot, Elsewhere
from tests.test_freqaimodels.configs import bitcoin_config

EARLY = -8 * 24  # hours before the bot's usual start, so that weeks can pass
ANN = Person("ann", "command line")
SHADOW_DAYS, CALM_DAYS = 5, 2
POLICY = {
    "enabled": True,
    "calm_days": CALM_DAYS,
    "volatile_days": CALM_DAYS,
    "shadow_days": SHADOW_DAYS,
}
QUIET, ALARMING = 1e9, 3.0  # thresholds


def louder(network: bytes) -> bytes:
    """The same network, surer of itself than it may be."""
    model = onnx.load_from_string(network)
    (weights,) = (one for one in model.graph.initializer if one.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(60 * numpy_helper.to_array(weights), "weights"))
    return bytes(model.SerializeToString())


class Referenced(Elsewhere):
    """Its artifacts have a reference of their loss, and what is `worse` is too sure of itself."""

    threshold = QUIET
    worse = False

    def run(self, job: TrainingJob) -> Artifact:
        self.network = None
        artifact = super().run(job)
        loss = {"mean": -1.0, "std": 0.1, "threshold": self.threshold, "days": 99}
        manifest = artifact.manifest | {"reference": {"rows_per_day": 24, "scores": {LOSS: loss}}}
        network = louder(artifact.onnx) if self.worse else artifact.onnx
        manifest["onnx_sha256"] = Artifact.digest(network)
        return dataclasses.replace(artifact, onnx=network, manifest=manifest)


class Succeeding(LSTMForecaster):
    def make_executor(self) -> Referenced:
        return Referenced()


def config_with_policy(folder: Path, **freqai: Any) -> dict[str, Any]:
    """The shipped configuration with a policy of days that a test can wait for."""
    made = bitcoin_config(folder, **{"expiration_hours": 0, "live_retrain_hours": 9000, **freqai})
    made["breakwater"] = {**made.get("breakwater", {}), "retraining": POLICY}
    return made


@contextmanager
def policy_of_days() -> Iterator[None]:
    """Let bots have that configuration, and FreqAI's thread not wait, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
        patch.setattr(bots, "bitcoin_config", config_with_policy)
        yield


def begun(folder: Path, hours: int = EARLY) -> Bot:
    return Bot(
        folder, hours=hours, forecaster=Succeeding, timeframes=("1h",), days=60,
        live_retrain_hours=9000,
    )  # fmt: skip


def serving(folder: Path) -> Bot:
    """A bot with its first model in service."""
    bot = begun(folder)
    bot.candle()
    assert bot.retrain() == 1
    bot.candle()
    return bot


def passed(bot: Bot, hours: int) -> list[int]:
    """Let so many hours pass, a round of FreqAI's thread in each; return those that trained."""
    trained = []
    for hour in range(1, hours + 1):
        bot.candle()
        bot.model.catch_up()
        if bot.retrain():
            trained.append(hour)
    return trained


def book(bot: Bot) -> PairBook:
    found = read_book(bot.strategy.models_folder)
    assert found is not None
    return found.of(BTC)


def events(bot: Bot) -> list[str]:
    kinds = [entry.kind for entry in bot.strategy.control.journal.entries(kind="model")]
    return [kind.removeprefix("model.") for kind in kinds]


def desk(bot: Bot) -> Commands:
    """The commands of the machine the bot runs on."""
    return Commands(bot.strategy.models_folder.parent)


def said(bot: Bot) -> str:
    return "\n".join(bot.provider.messages)


def judged(bot: Bot, within: int = 20) -> PairBook:
    """Let hours pass until the model in shadow is judged; return the book as of then."""
    for _ in range(within):
        passed(bot, 1)
        found = book(bot)
        if found.shadow is None:
            return found
    raise AssertionError(f"nobody was judged within {within} hours: {found}")


def restarted(bot: Bot) -> Bot:
    again = begun(bot.model.full_path.parents[1], bot.provider.hours)
    passed(again, 2)
    return again
