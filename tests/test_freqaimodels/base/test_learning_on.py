"""Fine-tuning after each cascade that is over, through FreqAI's own loop, candle by candle."""

from __future__ import annotations

import dataclasses
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.freqai import freqai_interface

from freqaimodels.base import challenged
from freqaimodels.base.pack_model import PackModel
from freqaimodels.LinearForecaster import LinearForecaster
from freqaimodels.LSTMForecaster import LSTMForecaster
from models.base.types import Artifact, TrainingJob
from models.base.units import HOUR_MS
from models.learn.jobs.executor import ProcessExecutor
from tests.test_freqaimodels import bots
from tests.test_freqaimodels.bots import BTC, DAYS, DEATH, FIRST, Bot, Elsewhere

ONSET = (DAYS - 2) * 24 + 4  # rows: four candles after the bot starts
END, HORIZON = ONSET + 5, 24
KNOWN = END + HORIZON  # and a day without another hit is over
CALM = bots.market


def crashing(timeframe: str, seed: int) -> pd.DataFrame:
    """A calm market that falls 10 % within an hour and takes half of it back five hours later."""
    frame = CALM(timeframe, seed)
    onset, end = (FIRST + timedelta(hours=row) for row in (ONSET, END))
    factor = 1.0 - 0.1 * (frame["date"] >= onset) + 0.06 * (frame["date"] >= end)
    rng = np.random.default_rng(seed)
    wick = 1.0 + 0.002 * rng.random((3, len(frame)))
    close = frame["close"] * factor
    return frame.assign(
        open=close * wick[2], high=close * wick[2] * wick[0], low=close / wick[1], close=close,
        volume=frame["volume"].where(frame["date"] != onset, 50.0),
    )  # fmt: skip


class Taught(Elsewhere):
    """Its artifacts have weights, and tell what they were made from as the pipeline does."""

    takes = True

    def run(self, job: TrainingJob) -> Artifact:
        artifact = super().run(job)
        told: dict[str, Any] = {"lessons_ms": [list(span) for span in job.lessons_ms]}
        if job.warm_start:
            told["warm_start"] = "taken" if self.takes else "the weights do not fit: because"
        return dataclasses.replace(
            artifact,
            manifest=artifact.manifest | told,
            weights=f"weights {len(self.jobs)}".encode(),
        )


class TaughtForecaster(LSTMForecaster):
    def make_executor(self) -> Taught:
        return Taught()


class Here(ProcessExecutor):
    """The real worker on this machine, with what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[TrainingJob] = []
        self.artifacts: list[Artifact] = []

    def run(self, job: TrainingJob) -> Artifact:
        self.jobs.append(job)
        self.artifacts.append(super().run(job))
        return self.artifacts[-1]


class Trained(LinearForecaster):
    def make_executor(self) -> Here:
        return Here()


class Untaught(LSTMForecaster):
    def make_executor(self) -> Elsewhere:
        return Elsewhere()  # no weights: as trees


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(bots, "market", crashing)


def started(
    folder: Path,
    forecaster: type[PackModel] = TaughtForecaster,
    days: int = 20,
    hours: int = 0,
    **training: Any,
) -> Bot:
    """A bot that is not due by the clock for a year."""
    return Bot(
        folder, timeframes=("1h",), hours=hours, days=days, forecaster=forecaster,
        live_retrain_hours=9000,
        model_training_parameters={"training": {"fine_tune": True, **training}},
    )  # fmt: skip


def learning(folder: Path, forecaster: type[PackModel] = TaughtForecaster, **more: Any) -> Bot:
    """The same with a model in service from before the crash."""
    bot = started(folder, forecaster, **more)
    bot.candle()
    assert bot.retrain() == 1
    return bot


def newest_row(bot: Bot) -> int:
    return (DAYS - 2) * 24 + bot.provider.hours - 1


def hours(bot: Bot, until_row: int) -> list[int]:
    """Let candles close up to row `until_row`; return the newest row at each training."""
    trained = []
    while newest_row(bot) < until_row:
        bot.candle()
        bot.model.catch_up()  # as the strategy has it done between candles
        if bot.retrain():
            trained.append(newest_row(bot))
    return trained


def row_ms(row: int) -> int:
    return int(FIRST.timestamp() * 1000) + row * HOUR_MS


def named() -> str:
    return f"the cascade of {FIRST + timedelta(hours=ONSET):%Y-%m-%d %H:%M} UTC"


@pytest.mark.usefixtures("crash")
def test_bot_when_a_cascade_is_over_then_it_is_fine_tuned_once_and_not_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bot = learning(tmp_path)
    assert hours(bot, KNOWN + 30) == [KNOWN]
    first, tuned = bot.executor.jobs
    assert (first.warm_start, first.lessons_ms) == (b"", ())
    assert tuned.warm_start == b"weights 1"
    assert tuned.lessons_ms == ((row_ms(ONSET - HORIZON), row_ms(END)),)
    assert tuned.time_ms[-1] == row_ms(KNOWN)
    m = bot.model.dd.model_dictionary[BTC].manifest
    assert m["fine_tuned"] == {"from": "echo 1", "after": named()}
    assert m["challenge"]["serves"] == "challenger"  # asked for by nobody, held all the same
    assert f"{BTC}: fine-tuned from echo 1 after {named()}" in caplog.text


@pytest.mark.usefixtures("crash")
def test_bot_when_the_market_is_calm_or_it_is_not_asked_for_then_only_the_clock_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hours(learning(tmp_path / "off", fine_tune=False), KNOWN + 2) == []
    monkeypatch.setattr(bots, "market", CALM)
    assert hours(learning(tmp_path / "calm"), KNOWN + 2) == []


@pytest.mark.usefixtures("crash")
def test_bot_when_the_model_knew_the_cascade_then_it_is_not_due_for_it(tmp_path: Path) -> None:
    bot = learning(tmp_path)
    champion = bot.model.dd.model_dictionary[BTC]
    known = champion.history_time_ms + row_ms(KNOWN) - champion.history_time_ms[-1]
    bot.model.dd.model_dictionary[BTC] = type(champion)(champion.artifact, champion.history, known)
    assert hours(bot, KNOWN + 2) == []


@pytest.mark.usefixtures("crash")
def test_bot_when_the_champion_wins_then_it_serves_on_and_the_cascade_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = learning(tmp_path)
    monkeypatch.setattr(
        challenged, "challenge", lambda *_: {"serves": "champion", "why": "as told"}
    )
    assert hours(bot, KNOWN + 30) == [KNOWN]
    assert bot.served() == "echo 1"
    served = bot.model.dd.model_dictionary[BTC]
    assert "fine_tuned" not in served.manifest
    assert served.artifact.weights == b"weights 1"  # the next one starts from it


@pytest.mark.usefixtures("crash")
def test_bot_when_the_fine_tuning_fails_then_it_backs_off_and_tries_again_until_it_works(
    tmp_path: Path,
) -> None:
    bot = learning(tmp_path)
    trained = bot.trained_s()
    bot.executor.failure = DEATH
    hours(bot, KNOWN + 2)
    assert bot.pauses == [5, 10, 20]
    assert (bot.served(), bot.trained_s()) == ("echo 1", trained)
    bot.executor.failure = None
    assert hours(bot, KNOWN + 6) == [KNOWN + 3]
    assert bot.executor.jobs[-1].warm_start == b"weights 1"


@pytest.mark.usefixtures("crash")
def test_bot_when_restarted_after_the_cascade_then_it_still_learns_from_it(tmp_path: Path) -> None:
    assert hours(learning(tmp_path), KNOWN - 4) == []
    # Down for a while; the cascade became known meanwhile.
    bot = started(tmp_path, hours=KNOWN + 4 - (DAYS - 2) * 24)
    (when,) = hours(bot, KNOWN + 8)
    assert KNOWN + 4 <= when <= KNOWN + 6
    (job,) = bot.executor.jobs
    assert job.warm_start == b"weights 1"
    # Down once more: it has learned from it now.
    again = started(tmp_path, hours=bot.provider.hours)
    assert hours(again, newest_row(again) + 4) == []
    assert again.served() == "echo 1"  # the first the second bot made
    assert "fine_tuned" in again.model.dd.model_dictionary[BTC].manifest


@pytest.mark.usefixtures("crash")
@pytest.mark.parametrize("forecaster", [Untaught, TaughtForecaster])
def test_bot_when_it_cannot_go_on_from_the_weights_then_it_trains_anew_and_says_so(
    tmp_path: Path, forecaster: type[PackModel], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bot = learning(tmp_path, forecaster)
    bot.executor.takes = False
    assert hours(bot, KNOWN + 3) == [KNOWN]
    assert "fine_tuned" not in bot.model.dd.model_dictionary[BTC].manifest
    assert re.search(r"BTC\S+: a whole training (after|instead of)", caplog.text)


@pytest.mark.usefixtures("crash")
def test_bot_when_the_clock_is_due_later_then_the_lesson_is_learned_again_from_random_weights(
    tmp_path: Path,
) -> None:
    bot = learning(tmp_path)
    hours(bot, KNOWN + 2)
    bot.model.dd.pair_dict[BTC]["trained_timestamp"] -= 9001 * 3600
    bot.candle()
    assert bot.retrain() == 1
    job = bot.executor.jobs[-1]
    assert (job.warm_start, len(job.lessons_ms)) == (b"", 1)


@pytest.mark.usefixtures("crash")
def test_age_when_a_pair_is_due_then_only_the_training_thread_takes_it_for_never_trained(
    tmp_path: Path,
) -> None:
    bot = learning(tmp_path)
    bot.model._learning_on._due.add(BTC)
    assert bot.model.dd.get_pair_dict_info(BTC)[1] == bot.trained_s() > 0


@pytest.mark.usefixtures("crash")
def test_bot_when_it_trains_for_real_then_a_worker_goes_on_from_the_serving_weights(
    tmp_path: Path,
) -> None:
    bot = learning(
        tmp_path, Trained, days=58, max_steps=20, evaluate_every=10,
        validation_frac=0.25, calibration_frac=0.25, fine_tune_max_steps=10,
    )  # fmt: skip
    before = bot.model.dd.model_dictionary[BTC].manifest
    assert hours(bot, KNOWN + 2) == [KNOWN]
    first, tuned = bot.executor.artifacts
    assert bot.executor.jobs[1].warm_start == first.weights != b""
    m = tuned.manifest
    assert m["warm_start"] == "taken"
    assert m["history"][0][0][0] == 0  # judged before the first step
    assert m["lessons_ms"] == [[row_ms(ONSET - HORIZON), row_ms(END)]]
    served = bot.model.dd.model_dictionary[BTC]  # whoever won
    assert served.manifest["challenge"]["champion"] == before["title"]
    assert served.manifest["challenge"]["rows"] > 200
    assert served.history_time_ms[-1] == row_ms(KNOWN)
