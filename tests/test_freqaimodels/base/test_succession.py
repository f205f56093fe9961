"""Alarm, shadow, promotion, quarantine and going back, through FreqAI's own loop, by candles."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.base.errors import ControlError
from models.base.types import Artifact
from models.operate.control.model_book import read_wish
from models.serve.predictor import Predictor
from tests.places import ROOT
from tests.test_freqaimodels import bots
from tests.test_freqaimodels.bots import BTC, DAYS, FIRST, Bot
from tests.test_freqaimodels.succeeding import (
    ALARMING,
    ANN,
    CALM_DAYS,
    EARLY,
    SHADOW_DAYS,
    begun,
    book,
    desk,
    events,
    judged,
    louder,
    passed,
    policy_of_days,
    restarted,
    said,
    serving,
)


@pytest.fixture(scope="module", autouse=True)
def policy() -> Iterator[None]:
    with policy_of_days():
        yield


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder whose bot ended some candles before its second model's shadow, and at which hour."""
    folder = tmp_path_factory.mktemp("before")
    bot = serving(folder)
    trained = passed(bot, (CALM_DAYS + SHADOW_DAYS) * 24 - 12)
    assert trained == [pytest.approx(CALM_DAYS * 24, abs=2)]
    assert bot.served() == "echo 1"
    assert events(bot) == ["first", "due", "shadow"]
    return folder, bot.provider.hours


@pytest.fixture
def waiting(before: tuple[Path, int], tmp_path: Path) -> Bot:
    """A bot started again with its second model still in shadow."""
    shutil.copytree(before[0], tmp_path, dirs_exist_ok=True)
    bot = begun(tmp_path, before[1])
    assert passed(bot, 2) == []
    assert bot.served() == "echo 1"
    return bot


def test_bot_when_a_new_model_is_as_good_in_its_shadow_then_it_serves_after_it(
    waiting: Bot,
) -> None:
    then = book(waiting)
    assert then.serving is not None
    assert then.shadow is not None
    assert (then.serving.number, then.shadow.number) == (1, 2)
    assert then.shadow.why == "2 days in a calm market"
    assert "model 2 (echo 2) answers in shadow until" in desk(waiting).risk().text
    now = judged(waiting)
    assert waiting.served() == "echo 2"
    assert now.serving == then.shadow
    assert (now.earlier, now.shadow) == ((then.serving,), None)
    assert events(waiting)[-1] == "promoted"
    assert "model 2 (echo 2) serves: it is not clearly worse" in said(waiting)
    assert restarted(waiting).served() == "echo 2"


def test_bot_when_an_alarm_sounds_then_it_trains_at_once_and_counts_anew(tmp_path: Path) -> None:
    bot = begun(tmp_path)
    bot.executor.threshold = ALARMING
    bot.candle()
    bot.retrain()
    (first, *later) = passed(bot, 40)
    assert first <= 36  # a day of outcomes, and what they need to come
    assert later == []  # one waits already
    assert events(bot)[:4] == ["first", "alarm", "due", "shadow"]
    shadow = book(bot).shadow
    assert shadow is not None
    assert shadow.why == "alarm: loss"
    assert "loss is worse than on the model's left-out rows" in said(bot)


def test_bot_when_the_new_model_is_worse_then_it_is_quarantined_with_its_reason(
    waiting: Bot,
) -> None:
    shelf = waiting.model._succession._shelf
    worse = shelf.get(2)
    network = louder(worse.artifact.onnx)
    manifest = {**worse.manifest, "onnx_sha256": Artifact.digest(network)}
    shelf.put(2, Predictor(Artifact(network, manifest)))
    now = judged(waiting)
    assert waiting.served() == "echo 1"
    (refused,) = now.quarantined
    assert refused.generation.title == "echo 2"
    assert refused.why.startswith("its loss is higher by more than its error: +")
    assert events(waiting)[-1] == "quarantined"
    assert "in quarantine: its loss is higher" in desk(waiting).risk().text
    assert "model 2 (echo 2) is refused: its loss is higher" in said(waiting)
    again = restarted(waiting)
    assert again.served() == "echo 1"
    assert book(again).quarantined[:1] == now.quarantined


def test_bot_when_the_waiting_model_cannot_be_read_then_it_is_quarantined(waiting: Bot) -> None:
    (waiting.model.full_path / "generations" / "generation-2.arrays").write_bytes(b"no model")
    again = restarted(waiting)
    assert judged(again).quarantined[-1].why.startswith("it cannot answer: ")
    assert again.served() == "echo 1"


def test_bot_when_a_person_goes_back_then_the_model_before_serves_and_the_other_never_again(
    waiting: Bot,
) -> None:
    with pytest.raises(ControlError, match="no earlier model to go back to"):
        desk(waiting).rollback(ANN)
    judged(waiting)
    assert waiting.served() == "echo 2"
    with pytest.raises(ControlError, match="no earlier model of ETH to go back to"):
        desk(waiting).rollback(ANN, "ETH")
    assert "in its next loop" in desk(waiting).rollback(ANN)
    waiting.model.catch_up()
    assert waiting.served() == "echo 1"
    now = book(waiting)
    assert now.serving is not None
    assert (now.serving.title, now.earlier) == ("echo 1", ())
    assert now.quarantined[-1].why == "rolled back by ann by command line"
    assert events(waiting)[-1] == "rolled_back"
    assert "model 1 (echo 1) serves again: instead of model 2 (echo 2)" in said(waiting)
    again = restarted(waiting)
    assert again.served() == "echo 1"
    assert again.candle()["do_predict"] == 1


def test_bot_when_it_was_down_then_a_wish_to_go_back_waits_for_it(waiting: Bot) -> None:
    judged(waiting)
    desk(waiting).rollback(ANN, BTC)
    again = restarted(waiting)
    assert again.served() == "echo 1"
    assert read_wish(again.strategy.models_folder) is None
    assert len(book(again).quarantined) == 1


def crash_at(hour: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fall of 10 % at an hour of the bot, of which a day takes nothing back."""
    at = FIRST + timedelta(days=DAYS - 2, hours=hour)
    calm = bots.market

    def market(timeframe: str, seed: int) -> pd.DataFrame:
        frame = calm(timeframe, seed)
        fallen = np.where(frame["date"] >= at, 0.9, 1.0)
        prices = {name: frame[name] * fallen for name in ("open", "high", "low", "close")}
        volume = frame["volume"].where(frame["date"] != at, 50.0)
        return frame.assign(**prices, volume=volume)

    monkeypatch.setattr(bots, "market", market)


def test_bot_when_it_is_time_inside_a_cascade_then_it_trains_once_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_at(EARLY + CALM_DAYS * 24 - 4, monkeypatch)
    bot = serving(tmp_path)
    assert passed(bot, CALM_DAYS * 24 + 6) == []
    assert book(bot).held == "a cascade is not over"
    assert "trained or promoted now: a cascade is not over" in desk(bot).risk().text
    assert len(passed(bot, 20)) == 1


def test_bot_when_the_shadow_ends_inside_a_cascade_then_the_new_one_waits_for_its_end(
    waiting: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_at(waiting.provider.hours + 4, monkeypatch)
    passed(waiting, 16)
    assert waiting.served() == "echo 1"
    assert book(waiting).held == "a cascade is not over"
    passed(waiting, 20)
    assert waiting.served() == "echo 2"


def test_bot_when_the_future_changes_then_what_it_decided_before_does_not(
    waiting: Bot, before: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = 14
    passed(waiting, hours)
    shutil.copytree(before[0], tmp_path / "again")
    crash_at(before[1] + 2 + hours + 1, monkeypatch)
    other = begun(tmp_path / "again", before[1])
    passed(other, hours + 2)
    assert book(other) == book(waiting)
    assert other.served() == waiting.served() == "echo 2"


def test_bot_when_the_book_cannot_be_read_then_freqais_own_clock_decides(waiting: Bot) -> None:
    (waiting.strategy.models_folder / "models.json").write_text("{")
    again = restarted(waiting)
    assert again.served() == "echo 1"
    assert again.executor.jobs == []  # 9000 hours are not over
    assert again.model.dd.get_pair_dict_info(BTC)[1] == again.trained_s()
    again.model.dd.pair_dict[BTC]["trained_timestamp"] -= 9001 * 3600
    again.candle()
    assert again.retrain() == 1
    assert again.served() == "echo 1"  # of this bot
    assert "without a shadow: expected JSON" in said(again)
    assert "the models are not known: expected JSON" in desk(again).risk().text


@pytest.mark.slow
def test_bot_when_killed_at_every_touch_of_the_disk_then_old_or_new_serves_and_the_book_agrees(
    tmp_path: Path,
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.test_freqaimodels.killed_succession", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=1500, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    points = [tuple(json.loads(line)) for line in told.splitlines()]
    for kind, *end in (("takeover", "echo 2", 2, []), ("rollback", "echo 1", 1, ["echo 2"])):
        own = [point[1:] for point in points if point[0] == kind]
        assert len(own) > 8
        assert {point[0] for point in own[:-1]} == {-signal.SIGKILL}
        assert [list(point[1:4]) for point in own] == [end] * len(own)
        assert {point[4] for point in own} == {""}
