"""Live retraining through FreqAI's own loop and data drawer, candle by candle, on feather files."""

from __future__ import annotations

import logging
import shutil
import threading
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.freqai import freqai_interface

from freqaimodels.base import pack_model
from freqaimodels.base.history import unify_dates
from tests.test_freqaimodels.bots import BTC, DEATH, Bot, running


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bot:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    return Bot(tmp_path)


# -- dates ------------------------------------------------------------------------------------


def test_retraining_when_candles_are_appended_to_feather_files_then_every_one_works(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)
    caplog.clear()
    for _ in range(6):
        assert bot.candle()["do_predict"] == 1
        assert bot.retrain() == 1
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert bot.served() == "echo 7"
    assert {d.split(",")[0] for d in bot.date_dtypes()} <= {"datetime64[ms", "datetime64[us"}
    # Each job saw one candle more than the one before, none twice.
    ends = [job.time_ms[-1] for job in bot.executor.jobs]
    assert set(np.diff(ends[1:])) == {3_600_000}
    assert set(np.diff(bot.executor.jobs[-1].time_ms)) == {3_600_000}


def test_retraining_when_dates_are_left_as_freqtrade_has_them_then_the_next_one_fails(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The control: hourly candles were appended, the 4h ones not yet.
    monkeypatch.setattr(pack_model, "unify_dates", lambda history: None)
    running(bot)
    assert bot.retrain() == 0
    assert "object" in bot.date_dtypes()
    assert "You are trying to merge on" in caplog.text


def test_retraining_when_dates_cannot_be_mended_then_the_log_says_so_and_forecasts_go_on(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)

    def broken(history: Any) -> None:
        raise KeyError("date")

    monkeypatch.setattr(pack_model, "unify_dates", broken)
    assert bot.candle()["do_predict"] == 1
    assert any(r.levelname == "ERROR" and "mixed dates" in r.message for r in caplog.records)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_dates_when_a_column_became_objects_then_it_is_mended_and_then_left_alone(
    unit: str,
) -> None:
    berlin = pd.date_range("2024-01-01", periods=2, freq="1h", tz="Europe/Berlin").as_unit(unit)
    utc = pd.date_range("2024-01-01 01:00", periods=2, freq="1h", tz="UTC")
    mixed = pd.Series([*berlin, *utc], dtype=object)
    frame = pd.DataFrame({"date": mixed, "close": [1.0, 2.0, 3.0, 4.0]})
    history = {BTC: {"1h": frame, "4h": pd.DataFrame({"date": utc})}}
    untouched = history[BTC]["4h"]
    unify_dates(history)
    mended = history[BTC]["1h"]
    assert mended["date"].dt.tz == UTC
    assert [d.timestamp() for d in mended["date"]] == [d.timestamp() for d in mixed]
    assert mended["close"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert frame["date"].dtype == object  # whoever holds the old frame keeps it
    unify_dates(history)
    assert history[BTC]["1h"] is mended
    assert history[BTC]["4h"] is untouched


# -- failures ---------------------------------------------------------------------------------


def test_retraining_when_it_fails_then_it_is_loud_the_old_model_serves_and_the_next_recovers(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)
    trained = bot.trained_s()
    bot.executor.failure = DEATH
    assert bot.retrain() == 1
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "SIGKILL(-9)" in record.message
    assert "stays in service until" in record.message
    assert record.exc_info is not None
    assert bot.provider.messages == [record.message]
    assert bot.candle()["do_predict"] == 1
    assert (bot.served(), bot.trained_s()) == ("echo 1", trained)
    bot.executor.failure = None
    assert bot.retrain() == 1
    assert bot.served() == "echo 3"
    assert bot.candle()["do_predict"] == 1


def test_retraining_when_it_keeps_failing_then_the_pauses_double_and_one_success_resets_them(
    bot: Bot,
) -> None:
    running(bot)
    bot.executor.failure = DEATH
    for _ in range(8):
        bot.retrain()
    assert bot.pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    bot.executor.failure = None
    bot.retrain()
    bot.executor.failure = DEATH
    bot.retrain()
    assert bot.pauses[8:] == [5]


def test_retraining_when_the_first_one_fails_then_there_is_no_forecast_and_the_log_says_why(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.executor.failure = DEATH
    bot.candle()
    bot.retrain()
    assert "no model yet" in caplog.text
    assert bot.candle()["do_predict"] == 0
    bot.executor.failure = None
    running(bot)


def test_retraining_when_the_network_cannot_run_then_it_never_replaces_the_one_that_can(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)
    bot.executor.network = b"not a network"
    bot.retrain()
    assert "ERROR" in {r.levelname for r in caplog.records}
    assert bot.served() == "echo 1"
    assert bot.candle()["do_predict"] == 1


def test_retraining_when_the_model_cannot_be_saved_then_the_old_one_keeps_its_age(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)
    bot.model.dd.pair_dict[BTC]["trained_timestamp"] -= 7200
    trained = bot.trained_s()

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(bot.model.dd, "save_data", full)
    bot.retrain()
    assert "No space left on device" in caplog.text
    assert (bot.served(), bot.trained_s()) == ("echo 1", trained)


def test_retraining_when_it_fails_until_the_model_expires_then_there_is_no_forecast(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)
    bot.executor.failure = DEATH
    bot.retrain()
    hours = bot.model.freqai_info["expiration_hours"]
    bot.model.dd.pair_dict[BTC]["trained_timestamp"] -= (hours + 1) * 3600
    expired = bot.candle()
    assert expired["do_predict"] != 1
    assert np.isnan(expired["p_up"])
    assert "Model expired" in caplog.text
    bot.executor.failure = None
    bot.retrain()
    assert bot.candle()["do_predict"] == 1


# -- the thread -------------------------------------------------------------------------------


def test_thread_when_it_ends_then_the_reason_is_logged_and_the_next_candle_starts_another(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)

    def full() -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(bot.model.dd, "save_historic_predictions_to_disk", full)
    thread = threading.Thread(target=bot.retrain)
    thread.start()
    thread.join()
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.exc_info is not None
    assert "No space left" in str(record.exc_info[1])
    bot.model._threads = [thread]
    assert bot.candle()["do_predict"] == 1
    assert bot.threads_started == 2
    assert "starting it again" in caplog.text
    bot.candle()
    assert bot.threads_started == 2


# -- the end ----------------------------------------------------------------------------------


def test_bot_when_its_folder_of_models_is_gone_then_it_ends_all_the_same_and_says_so(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    running(bot)
    waited_for: list[str] = []
    bot.model._threads = [SimpleNamespace(join=lambda: waited_for.append("training"))]
    shutil.rmtree(bot.model.full_path)
    bot.strategy.ft_bot_cleanup()
    assert waited_for == ["training"]
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "cannot be saved" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], FileNotFoundError)
