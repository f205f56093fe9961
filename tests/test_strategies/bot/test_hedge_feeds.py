"""The hedge sees the collected feeds as known at each close, masked when stale, aged for people."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException

from freqaimodels.base.settings import feed_files
from models.base import columns
from models.base.errors import NoForecastError
from models.base.files import wall_clock_ms
from models.data.feeds.catalog import KINDS, MARKET, STATUS, CollectConfig
from models.data.feeds.store import FeedRecord, Origin, Writer, days
from strategies.bot.hedge_feeds import HedgeFeeds
from strategies.LitecoinHedge import LitecoinHedge
from tests.test_strategies.hedges import BTC, ELSEWHERE, ETH, LTC, config

HOUR = 3_600_000
VOTES, AGE = f"{columns.FEED}votes", f"{columns.FEED}votes_age"


def candles(hours: int = 60) -> pd.DataFrame:
    close = 100 + np.cumsum(np.random.default_rng(0).normal(0, 0.1, hours))
    return pd.DataFrame({
        "date": pd.date_range("2024-01-01", periods=hours, freq="1h", tz="UTC"),
        "open": close, "high": close, "low": close, "close": close, "volume": 1.0,
    })  # fmt: skip


def strategy(userdir: Path, **collect: object) -> LitecoinHedge:
    made = config(ELSEWHERE, userdir)
    made["breakwater"]["collect"] = collect
    return LitecoinHedge(made)


def vote(folder: Path, time: str, share: float, coin: str = "LTC") -> None:
    at = int(pd.Timestamp(time, tz="UTC").timestamp() * 1000)
    writer = Writer(folder, Origin("votes", coin, "coingecko"))
    writer.append([FeedRecord(at, at, {"up_frac": share})])
    writer.close()


def test_hedge_when_it_is_fed_then_a_candle_has_what_was_known_at_its_close(tmp_path):
    vote(tmp_path / "feeds", "2024-01-01 05:30", 0.7)
    vote(tmp_path / "feeds", "2024-01-01 09:30", 0.2, coin="BTC")
    frame = candles()
    out = strategy(tmp_path, features=True).feature_engineering_standard(frame, {"pair": LTC})
    assert np.isnan(out[VOTES][:5]).all()  # the candle that opens at 5 closes at 6
    assert (out[VOTES][5:29] == 0.7).all()
    assert np.isnan(out[VOTES][30:]).all()  # stale after a day, with its age
    assert out[AGE][40] == pytest.approx(np.log1p(35.5))
    assert columns.FEATURE_SIGMA in out
    fed = [name for name in out if name.startswith(columns.FEED)]
    assert out[[n for n in fed if "votes" not in n]].isna().all(axis=None)  # missing is not zero


def test_hedge_when_it_is_not_fed_then_its_features_are_as_ever(tmp_path):
    vote(tmp_path / "feeds", "2024-01-01 05:30", 0.7)
    out = strategy(tmp_path).feature_engineering_standard(candles(), {"pair": LTC})
    assert not any(name.startswith(columns.FEED) for name in out)


def test_hedge_when_a_file_is_broken_then_every_feed_is_masked_and_it_says_so_once(
    tmp_path, caplog
):
    vote(tmp_path / "feeds", "2024-01-01 05:30", 0.7)
    ((path,),) = days(tmp_path / "feeds").values()
    path.write_bytes(b"{}\n")
    feeds = HedgeFeeds(CollectConfig(), tmp_path)
    for _ in range(2):
        out = feeds.with_columns(candles(), LTC, HOUR)
    assert out[VOTES].isna().all()
    assert caplog.text.count("feeds are masked") == 1


def test_figures_when_a_collector_ran_then_ages_and_what_is_unsound_are_shown(tmp_path):
    made = strategy(tmp_path)
    assert made._source_figures() == {}  # nobody collects
    now = wall_clock_ms()
    told = [
        {"feed": "votes", "coin": "LTC", "event_ms": now - 30 * 60_000},
        {"feed": "open_interest", "coin": "LTC", "event_ms": now - 5 * HOUR},
        {"feed": "whales", "coin": "LTC", "event_ms": None},
    ]
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / STATUS).write_text(json.dumps({"time_ms": now - 7000, "feeds": told}))
    shown = made._source_figures()
    assert shown["feed votes LTC, min old"] == pytest.approx(30, abs=1)
    assert shown["feed open_interest LTC (STALE), min old"] == pytest.approx(295, abs=1)
    assert "feed whales LTC, min old" not in shown
    (never,) = [name for name in shown if name.startswith("feeds never told")]
    assert "whales LTC" in never
    assert shown[never] == 19
    assert shown["feeds stale or missing"] == 20  # of 21, all but the votes
    assert shown["collector, s silent"] >= 7


def reported(folder: Path, *, silent_s: int = 3, **age_min: float) -> None:
    """Write the collector's report: all feeds of Litecoin fresh but those given, error and all."""
    now = wall_clock_ms()
    told = [
        {"feed": name, "coin": coin, "error": f"binance: {name} is down",
         "event_ms": now - int(60_000 * age_min.get(name, 0) + 1000 * KINDS[name].lag_s)}
        for name in KINDS for coin in ("LTC", MARKET)
    ]  # fmt: skip
    (folder / "feeds").mkdir(exist_ok=True)
    report = {"time_ms": now - 1000 * silent_s, "feeds": told}
    (folder / "feeds" / STATUS).write_text(json.dumps(report))


def test_changes_when_feeds_fall_silent_and_come_back_then_each_is_told_once(tmp_path):
    feeds = HedgeFeeds(CollectConfig(coins=("LTC",)), tmp_path)
    assert feeds.changes() == "Without: the collector, which never ran here"
    assert feeds.changes() == ""
    reported(tmp_path)
    assert feeds.changes() == "Back: collector"
    reported(tmp_path, open_interest=40, order_book=2)
    assert feeds.changes() == (
        "Without: order_book LTC stale, 2 min old (binance: order_book is down); "
        "open_interest LTC stale, 40 min old (binance: open_interest is down)"
    )
    reported(tmp_path, open_interest=41, order_book=3)
    assert feeds.changes() == ""
    reported(tmp_path, order_book=4, silent_s=300)
    assert feeds.changes() == (
        "Without: the collector, silent for 5 min. Back: open_interest LTC"
    )  # fmt: skip
    (tmp_path / "feeds" / STATUS).write_text("{")
    assert "expected the collector's report" in feeds.changes()
    reported(tmp_path)
    assert feeds.changes() == "Back: report"


def test_hedge_when_a_feed_dies_then_a_person_hears_of_it_once_a_candle_at_most(tmp_path):
    said: list[str] = []
    made = strategy(tmp_path, features=True, coins=["LTC"])
    made.dp = SimpleNamespace(send_msg=lambda text, *, always_send: said.append(text))
    reported(tmp_path, whales=200)
    for _ in range(3):
        made._look_at_sources()
    assert len(said) == 1
    assert "whales LTC stale, 200 min old" in said[0]
    (line,) = made.control.journal.entries(kind="feeds")
    assert "whales LTC" in line.record["what"]


def test_hedge_when_it_is_not_fed_then_nothing_is_said_of_feeds(tmp_path):
    made = strategy(tmp_path, coins=["LTC"])
    reported(tmp_path, whales=200)
    made._look_at_sources()  # without a data provider to say it through
    assert list(made.control.journal.entries(kind="feeds")) == []


def test_freqai_when_it_trains_live_then_only_the_position_s_pair(tmp_path):
    made = LitecoinHedge(config(ELSEWHERE, tmp_path, freqai={"enabled": True}))
    asked: list[str] = []  # FreqAI trains what it is asked about

    def answer(frame: pd.DataFrame, metadata: dict[str, str], _: object) -> pd.DataFrame:
        asked.append(metadata["pair"])
        raise NoForecastError("no model yet")

    made.freqai = SimpleNamespace(start=answer)
    made.dp = SimpleNamespace(
        get_pair_dataframe=lambda pair, timeframe: candles(), send_msg=lambda text, **_: None
    )
    for pair in (BTC, ETH):
        made.populate_indicators(candles(), {"pair": pair})
    assert asked == []
    with pytest.raises(NoForecastError):
        made.populate_indicators(candles(), {"pair": LTC})
    assert asked == [LTC]


def test_hedge_when_the_block_is_wrong_then_it_does_not_start(tmp_path):
    with pytest.raises(OperationalException, match="did you mean 'features'"):
        strategy(tmp_path, featurs=True)


def test_identifier_when_models_are_fed_then_the_files_are_part_of_it(tmp_path):
    vote(tmp_path / "feeds", "2024-01-01 05:30", 0.7)
    block = {"user_data_dir": str(tmp_path), "breakwater": {"collect": {"features": True}}}
    assert [p.parent.parent.parent.name for p in feed_files(block)] == ["votes"]
    assert feed_files({**block, "breakwater": {}}) == []
