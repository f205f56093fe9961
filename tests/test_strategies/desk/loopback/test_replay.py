"""A Freqtrade data directory as a market."""

from __future__ import annotations

import argparse
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.base.units import DAY_MS, HOUR_MS
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.coins import coins_in
from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.loopback.replay import (
    FUNDING_INTERVAL_MS,
    ReplayedMarket,
    candle_feed,
    read_market,
    scripted_feed,
    starting_now,
)
from strategies.desk.loopback.serving import replayed
from strategies.desk.loopback.symbols import BCH, LISTED

START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=3, start=START, days=20)


def test_directory_when_read_then_candles_mark_and_funding_are_the_files(datadir: Path) -> None:
    market = read_market(datadir, LISTED)
    assert set(market.feeds) == {"BTCUSDT", "ETHUSDT", "LTCUSDT"}
    feed = market.feeds["BTCUSDT"]
    stop = START_MS + 20 * DAY_MS
    for kind, path in (("futures", feed.contract), ("mark", feed.mark)):
        file = pd.read_feather(datadir / "futures" / f"BTC_USDT_USDT-1h-{kind}.feather")
        cut = path.candles(START_MS, stop, HOUR_MS, stop)
        for column in ("open", "high", "low", "close"):
            np.testing.assert_array_equal(getattr(cut, column), file[column])
    funding = pd.read_feather(datadir / "futures" / "BTC_USDT_USDT-1h-funding_rate.feather")
    np.testing.assert_array_equal(feed.funding_rate, funding["funding_rate"])
    assert feed.rate_at(START_MS + FUNDING_INTERVAL_MS) == funding["funding_rate"].iloc[1]


def test_directory_when_a_part_is_asked_for_then_only_that_is_read(datadir: Path) -> None:
    part = read_market(datadir, LISTED, start_ms=START_MS + DAY_MS, stop_ms=START_MS + 2 * DAY_MS)
    assert part.span_ms() == (START_MS + DAY_MS, START_MS + 2 * DAY_MS - 1)


def test_directory_when_nothing_listed_is_there_then_it_says_what_it_looked_for(
    datadir: Path,
) -> None:
    with pytest.raises(InputError, match="expected futures candles of BCHUSDT"):
        read_market(datadir, [BCH])


def test_replay_when_started_now_then_hours_of_day_and_prices_are_kept(datadir: Path) -> None:
    market = read_market(datadir, LISTED)
    now = int(datetime(2031, 7, 9, 13, 37, tzinfo=UTC).timestamp() * 1000)
    moved = starting_now(market, START_MS + 10 * DAY_MS, now)
    at_the_time = START_MS + 10 * DAY_MS + 13 * HOUR_MS + 37 * 60_000
    assert moved.price("BTCUSDT", now) == market.price("BTCUSDT", at_the_time)
    assert moved.mark("BTCUSDT", now) == market.mark("BTCUSDT", at_the_time)
    assert (moved.feeds["BTCUSDT"].funding_ms % FUNDING_INTERVAL_MS == 0).all()
    with pytest.raises(InputError, match=r"in the data, \d{4}-\d\d-\d\d to \d{4}-"):
        starting_now(market, START_MS - 1, now)


def test_directory_when_minutes_lie_beside_hours_then_the_years_of_hours_stay(
    datadir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "both" / "futures"
    shutil.copytree(datadir / "futures", folder)
    hours = pd.read_feather(folder / "BTC_USDT_USDT-1h-futures.feather")
    begin = START_MS + 15 * DAY_MS + 30 * 60_000  # in the middle of an hour
    dates = pd.date_range(pd.Timestamp(begin, unit="ms", tz="UTC"), periods=2 * 24 * 60, freq="min")
    minutes = pd.DataFrame({"date": dates, **dict.fromkeys(("open", "high", "low", "close"), 77.0),
                            "volume": 2.0})  # fmt: skip
    minutes.to_feather(folder / "BTC_USDT_USDT-1m-futures.feather")
    market = read_market(tmp_path / "both", LISTED)
    path = market.feeds["BTCUSDT"].contract
    assert path.start_ms == START_MS
    assert market.span_ms()[1] == START_MS + 20 * DAY_MS - 1
    cut = path.candles(START_MS, START_MS + 20 * DAY_MS, HOUR_MS, START_MS + 20 * DAY_MS)
    own = (cut.time_ms < begin) | (cut.time_ms >= begin + 2 * DAY_MS - HOUR_MS)
    for column in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(cut, column)[own], hours[column][own])
        assert (getattr(cut, column)[~own] == 77.0).all()
    np.testing.assert_allclose(cut.volume[own], hours["volume"][own], rtol=1e-6)
    np.testing.assert_allclose(cut.volume[~own], 120.0)


def test_directory_when_days_lie_beside_hours_then_no_hour_is_cut_from_a_day(
    datadir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "both" / "futures"
    shutil.copytree(datadir / "futures", folder)
    dates = pd.date_range(START - timedelta(days=50), periods=60, freq="D")
    days = pd.DataFrame({"date": dates, **dict.fromkeys(("open", "high", "low", "close"), 77.0),
                         "volume": 2.0})  # fmt: skip
    days.to_feather(folder / "BTC_USDT_USDT-1d-futures.feather")
    assert read_market(tmp_path / "both", LISTED).span_ms()[0] == START_MS


def test_directory_when_it_has_another_coin_then_that_is_listed_and_one_without_brackets_is_not(
    datadir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "more" / "futures"
    shutil.copytree(datadir / "futures", folder)
    for coin in ("SOL", "NOSUCHCOIN"):
        shutil.copy(folder / "LTC_USDT_USDT-1h-futures.feather",
                    folder / f"{coin}_USDT_USDT-1h-futures.feather")  # fmt: skip
    *known, sol = coins_in(tmp_path / "more")
    assert (tuple(known), sol.name) == (LISTED, "SOLUSDT")
    frame = pd.read_feather(folder / "SOL_USDT_USDT-1h-futures.feather")
    assert float(sol.tick) <= frame["low"].min() * 2e-4
    assert float(sol.lot) * frame["close"].iloc[-1] < 20
    assert "NOSUCHCOIN is left out: Freqtrade has no leverage brackets" in caplog.text


def test_exchange_when_a_coin_begins_after_the_start_then_it_is_left_out_and_said(
    datadir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "late" / "futures"
    shutil.copytree(datadir / "futures", folder)
    late = pd.read_feather(folder / "LTC_USDT_USDT-1h-futures.feather").iloc[-24:]
    late.reset_index(drop=True).to_feather(folder / "SOL_USDT_USDT-1h-futures.feather")
    words = argparse.ArgumentParser()
    add_exchange_options(words)
    venue = replayed(words.parse_args(["--data", str(tmp_path / "late")])).venue
    assert venue is not None
    assert [s.name for s in venue.symbols] == ["BTCUSDT", "ETHUSDT", "LTCUSDT"]
    assert "SOLUSDT is left out: no candles on 2024-01-16" in caplog.text


def test_mark_when_coarser_than_the_contract_then_it_follows_the_contract_by_its_basis() -> None:
    minutes = 15 * 60_000
    times = START_MS + minutes * np.arange(8, dtype=np.int64)
    price = np.array([100.0, 110, 90, 100, 100, 100, 100, 100])
    contract = Candles(
        time_ms=times, open=price, high=price, low=price, close=price, volume=np.ones(8)
    )
    flat = np.array([101.0, 101.0])
    mark = Candles(
        time_ms=times[::4], open=flat, high=flat, low=flat, close=flat, volume=np.zeros(2)
    )
    feed = candle_feed(contract, minutes, mark=mark)
    assert feed.mark.at(START_MS) == 101
    assert feed.mark.at(START_MS + minutes) == pytest.approx(110 * 1.01)


def test_mark_when_frozen_then_it_keeps_the_price_of_that_moment() -> None:
    market = ReplayedMarket(feeds={"BTCUSDT": scripted_feed(100.0, START_MS)})
    market.freeze_mark("BTCUSDT", START_MS + 10, START_MS + 20)
    market.feeds["BTCUSDT"].move(START_MS, 200.0, 100)
    marks = [market.mark("BTCUSDT", START_MS + t) for t in (9, 10, 19, 20)]
    assert marks == [109, 110, 110, 120]
