"""A Freqtrade data directory as a market."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.base.units import DAY_MS, HOUR_MS
from strategies.desk.loopback.replay import (
    FUNDING_INTERVAL_MS,
    ReplayedMarket,
    candle_feed,
    read_market,
    scripted_feed,
    starting_now,
)
from strategies.desk.loopback.symbols import BCH, LISTED
from strategies.desk.simulated_data import write_simulated

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
