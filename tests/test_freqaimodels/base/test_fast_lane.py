"""The fast lane answers what FreqAI's own way answers, candle by candle, or stands aside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException
from freqtrade.freqai import freqai_interface
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from pandas import DataFrame

from freqaimodels.base.fast_lane import RETURNED, FastLane
from tests.test_freqaimodels.bots import BTC, Bot, running


class TwoBots:
    """The same market, one bot with the fast lane and one without."""

    def __init__(self, folder: Path) -> None:
        self.fast = Bot(folder / "fast", timeframes=["1h"])
        self.plain = Bot(folder / "plain", timeframes=["1h"], fast="off")

    def both(self, does: Callable[[Bot], object]) -> None:
        for bot in (self.fast, self.plain):
            does(bot)

    def candle(self) -> tuple[DataFrame, DataFrame]:
        fast, plain = self.fast.frame(), self.plain.frame()
        assert list(fast["date"]) == list(plain["date"])
        return fast, plain


@pytest.fixture
def bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoBots:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    return TwoBots(tmp_path)


def assert_same(fast: DataFrame, plain: DataFrame) -> None:
    for name in RETURNED:
        np.testing.assert_allclose(
            fast[name].to_numpy(np.float64),
            plain[name].to_numpy(np.float64),
            rtol=1e-5,
            atol=1e-6,
            err_msg=name,
        )


def test_lane_when_it_answers_then_its_stages_are_timed_where_the_hooks_are(
    bots: TwoBots, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots.both(running)
    bots.candle()
    timed: list[tuple[str, str]] = []
    monkeypatch.setattr(
        bots.fast.strategy.lane, "took", lambda pair, name, begin_s: timed.append((pair, name))
    )
    bots.candle()
    assert timed == [(BTC, "features"), (BTC, "inference")]


def test_lane_when_candles_come_one_by_one_then_every_row_is_what_freqai_answers(
    bots: TwoBots, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots.both(running)
    standard: list[str] = []
    inherited = freqai_interface.IFreqaiModel.start_live

    def counted(model: object, *args: object) -> object:
        standard.append("fast" if model is bots.fast.model else "plain")
        return inherited(model, *args)

    monkeypatch.setattr(freqai_interface.IFreqaiModel, "start_live", counted)
    for round_ in range(12):
        fast, plain = bots.candle()
        assert_same(fast, plain)
        assert fast["do_predict"].iloc[-1] == 1
        if round_ == 5:  # the next model takes over without a word from FreqAI
            bots.both(lambda bot: bot.retrain())
            assert bots.fast.served() == bots.plain.served() == "echo 2"
    assert standard == ["plain"] * 12  # the lane was on; FreqAI's way was never needed


def test_lane_when_a_candle_was_skipped_then_freqai_answers_and_the_lane_opens_again(
    bots: TwoBots,
) -> None:
    bots.both(running)
    bots.candle()
    for bot in (bots.fast, bots.plain):
        bot.provider.hours += 2
    assert_same(*bots.candle())
    assert bots.fast.model.fast.lanes
    assert_same(*bots.candle())


def test_lane_when_old_candles_are_revised_then_the_next_forecast_knows(
    bots: TwoBots, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots.both(running)
    bots.candle()
    for bot in (bots.fast, bots.plain):
        served = bot.provider.get_pair_dataframe

        def revised(pair: str, timeframe: str, served: object = served) -> DataFrame:
            frame = served(pair, timeframe)
            frame.loc[frame.index[-30], ["high", "close"]] *= 1.01
            return frame

        monkeypatch.setattr(bot.provider, "get_pair_dataframe", revised)
    fast, plain = bots.candle()
    for name in RETURNED:
        same = pytest.approx(plain[name].iloc[-1], rel=1e-5, abs=1e-6, nan_ok=True)
        assert fast[name].iloc[-1] == same, name
    assert fast["do_predict"].iloc[-1] == 1


def test_lane_when_the_strategy_changes_a_feature_then_it_stays_shut_and_says_why_once(
    bots: TwoBots, caplog: pytest.LogCaptureFixture
) -> None:
    for bot in (bots.fast, bots.plain):
        own = bot.strategy.feature_engineering_standard
        bot.strategy.feature_engineering_standard = lambda frame, metadata, own=own: own(
            frame, metadata
        ).assign(**{"%-day_sin": 0.5})
    caplog.set_level(logging.INFO)
    bots.both(running)
    for _ in range(3):
        assert_same(*bots.candle())
    assert not bots.fast.model.fast.lanes
    assert caplog.text.count(f"{BTC} takes FreqAI's slower way") == 1


def test_lane_when_the_model_is_too_old_then_freqai_says_so(
    bots: TwoBots, caplog: pytest.LogCaptureFixture
) -> None:
    bots.both(running)
    bots.candle()
    bots.fast.model.dd.pair_dict[BTC]["trained_timestamp"] -= 80 * 3600
    frame = bots.fast.frame()
    assert frame["do_predict"].iloc[-1] != 1
    assert "Model expired" in caplog.text


def test_lane_when_it_answered_then_freqai_has_the_same_books_as_without_it(bots: TwoBots) -> None:
    bots.both(running)
    for _ in range(5):
        bots.candle()
    bots.fast.model.catch_up()
    fast, plain = (bot.model.dd.historic_predictions[BTC] for bot in (bots.fast, bots.plain))
    assert list(fast["date_pred"]) == list(plain["date_pred"])
    assert_same(fast, plain)
    for name in ("high_price", "low_price", "close_price"):
        pd.testing.assert_series_equal(fast[name], plain[name])
    history = [bot.model.dd.historic_data[BTC]["1h"] for bot in (bots.fast, bots.plain)]
    pd.testing.assert_frame_equal(*history)


def test_lane_when_booking_fails_then_the_log_says_so_and_freqai_answers_the_next_candle(
    bots: TwoBots, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots.both(running)
    bots.candle()

    def broken(*_: object) -> None:
        raise KeyError("date_pred")

    with monkeypatch.context() as patch:
        patch.setattr(bots.fast.model.dd, "append_model_predictions", broken)
        bots.fast.model.catch_up()
    assert "did not book the forecast of BTC" in caplog.text
    assert not bots.fast.model.fast.lanes
    fast, plain = bots.candle()
    assert fast["do_predict"].iloc[-1] == plain["do_predict"].iloc[-1] == 1


def test_lane_when_it_is_switched_off_then_freqai_answers_and_no_lane_opens(
    bots: TwoBots,
) -> None:
    running(bots.plain)
    for _ in range(2):
        assert bots.plain.candle()["do_predict"] == 1
    assert not bots.plain.model.fast.lanes


def test_lane_when_freqai_cannot_book_its_answers_then_it_stays_off_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    with monkeypatch.context() as patch:
        patch.delattr(FreqaiDataDrawer, "append_model_predictions")
        bot = Bot(tmp_path, timeframes=["1h"])
    running(bot)
    assert bot.candle()["do_predict"] == 1
    assert not bot.model.fast.lanes
    assert "FreqaiDataDrawer has no append_model_predictions" in caplog.text


def test_lane_when_it_breaks_then_freqai_answers_for_the_candle_and_the_log_says_so(
    bots: TwoBots, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots.both(running)
    bots.candle()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of the lane")

    with monkeypatch.context() as patch:
        patch.setattr(FastLane, "append", broken)
        assert_same(*bots.candle())
    assert f"The fast lane of {BTC} failed" in caplog.text
    assert_same(*bots.candle())


def test_model_when_the_switch_is_misspelt_then_it_is_refused_with_the_known_values(
    tmp_path: Path,
) -> None:
    with pytest.raises(OperationalException, match="expected fast auto, off, got 'of'"):
        Bot(tmp_path, fast="of")
