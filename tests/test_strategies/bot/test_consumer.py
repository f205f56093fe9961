"""Another bot's forecasts: taken for the same candle with the same close, and never else."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.misc import dataframe_to_json, json_to_dataframe
from pandas import DataFrame

from models.base import columns
from models.base.errors import ConfigError
from strategies.bot import consumer
from strategies.bot.config import pack_config
from strategies.bot.consumed import with_told
from strategies.bot.consumer import ConsumerStrategy

BTC = "BTC/USDT:USDT"
ONE = {"name": "trainer", "host": "there", "port": 1, "ws_token": "x"}


def candles(count: int = 5) -> DataFrame:
    dates = pd.date_range("2026-01-01", periods=count, freq="1h", tz="UTC")
    return DataFrame({"date": dates, "close": 60_000 + np.arange(count) / 3})


def told(change: Callable[[DataFrame], DataFrame] = lambda frame: frame) -> DataFrame:
    """What a producer tells of the same candles, after its way over the wire."""
    forecast = dict.fromkeys(columns.FORECAST, 1 / 3) | {columns.ABSTAIN: 0.0, "policy": np.nan}
    frame = candles().assign(**forecast, do_predict=1)
    sent: DataFrame = json_to_dataframe(dataframe_to_json(change(frame)))
    return sent


def last(frame: DataFrame) -> dict[str, float]:
    row: dict[str, float] = frame.iloc[-1][["do_predict", *columns.FORECAST]].to_dict()
    return row


def test_forecast_when_told_of_the_same_candle_then_it_is_taken_but_for_the_tenth_decimal() -> None:
    frame, why = with_told(candles(), told())
    assert why == ""
    assert last(frame)["do_predict"] == 1
    assert last(frame)[columns.P_UP] == pytest.approx(1 / 3, abs=1e-10)
    assert last(frame)[columns.P_UP] != 1 / 3
    assert np.isnan(last(frame)["policy"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda f: f.iloc[:0], "told nothing yet"),
        (lambda f: f.iloc[:-1], "its newest candle is of 2026-01-01 03:00"),
        (lambda f: f.drop(columns=columns.SIGMA), f"does not tell {columns.SIGMA}"),
        (lambda f: f.drop(columns="do_predict"), "does not tell do_predict"),
        (lambda f: f.assign(date=f["date"] + pd.Timedelta("1min")), "its newest candle is of"),
        (lambda f: f.assign(close=f["close"] + 0.01), "this bot at .*: other candles"),
        (lambda f: f.assign(close="much"), "other candles"),
    ],
    ids=["none", "stale", "column", "trust", "times", "market", "text"],
)
def test_forecast_when_it_is_not_of_this_bots_candle_then_there_is_none(
    change: Callable[[DataFrame], DataFrame], why: str
) -> None:
    frame, said = with_told(candles(), told(change))
    pd.testing.assert_frame_equal(frame[["date", "close"]], candles())
    row = last(frame)
    assert (row.pop("do_predict"), row.pop(columns.ABSTAIN)) == (0, 1)
    assert all(np.isnan(value) for value in row.values())
    assert pd.Series([said]).str.contains(why).all(), said


def test_forecast_when_the_producer_does_not_trust_its_own_then_nor_does_this_bot() -> None:
    frame, _ = with_told(candles(), told(lambda f: f.assign(do_predict=2)))
    assert last(frame)["do_predict"] == 2


def test_rows_when_one_of_the_past_differs_then_that_one_alone_has_none() -> None:
    def other(frame: DataFrame) -> DataFrame:
        frame.loc[1, "close"] += 1
        return pd.concat([frame, frame.iloc[-1:]])  # and the newest told twice

    frame, why = with_told(candles(), told(other))
    assert why == ""
    assert frame["do_predict"].tolist() == [1, 0, 1, 1, 1]
    assert np.isnan(frame[columns.P_UP].iloc[1])


def strategy(frames: list[DataFrame], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[float]]:
    """A strategy whose producer tells one frame after the other, and the moments it is asked."""
    clock, asked = [0.0], []

    def tell(pair: str, producer_name: str) -> tuple[DataFrame, None]:
        assert (pair, producer_name) == (BTC, "trainer")
        asked.append(clock[0])
        return frames[min(len(asked), len(frames)) - 1], None

    def wait(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(consumer, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=wait))
    made = SimpleNamespace(dp=SimpleNamespace(get_producer_df=tell), _producer="trainer", _wait_s=1)
    made._told = lambda pair, frame: ConsumerStrategy._told(made, pair, frame)
    made.with_forecasts = lambda *given: ConsumerStrategy.with_forecasts(made, *given)
    return made, asked


def test_consumer_when_the_row_comes_a_little_later_then_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = told(lambda f: f.iloc[:-1])
    made, asked = strategy([late, late, told()], monkeypatch)
    frame = made.with_forecasts(candles(), {"pair": BTC})
    assert last(frame)["do_predict"] == 1
    assert len(asked) == 3
    assert frame["interval_low"].notna().all()


def test_consumer_when_no_row_comes_then_it_stops_waiting_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made, asked = strategy([DataFrame()], monkeypatch)
    frame = made.with_forecasts(candles(), {"pair": BTC})
    assert last(frame)["do_predict"] == 0
    assert asked[-1] == pytest.approx(1.0, abs=0.06)
    assert "no forecast by producer 'trainer'" in caplog.text
    assert "told nothing yet" in caplog.text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"external_message_consumer": {}}, "expected one producer"),
        ({"external_message_consumer": {"enabled": False, "producers": [ONE]}}, "got \\[\\]"),
        ({"external_message_consumer": {"enabled": True, "producers": [ONE, {**ONE, "name": "b"}]}},
         "got \\['trainer', 'b'\\]"),
        ({"freqai": {"enabled": True}}, "without a model of its own"),
    ],
)  # fmt: skip
def test_consumer_when_it_could_not_know_whose_forecasts_then_it_does_not_start(
    change: dict[str, Any], why: str
) -> None:
    config = {
        "runmode": RunMode.DRY_RUN, "freqai": {"enabled": False},
        "external_message_consumer": {"enabled": True, "producers": [ONE]},
    }  # fmt: skip
    assert consumer._producer(config) == "trainer"
    with pytest.raises(ConfigError, match=why):
        consumer._producer(config | change)


@pytest.mark.parametrize("wait_s", [0, -1, 5, float("nan")])
def test_wait_when_it_would_hold_up_the_loop_then_it_is_refused(wait_s: float) -> None:
    with pytest.raises(ConfigError, match="wait_s"):
        pack_config({"breakwater": {"consumer": {"wait_s": wait_s}}})
