"""A run stops on unsound data with one error naming file, row, time and cure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType

from models.base.errors import InputError
from models.base.units import HOUR_MS
from strategies.bot.data_files import DataFile
from strategies.desk.backtests import data
from tests.places import SHARED

START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
DAYS = 10
STOP_MS = START_MS + DAYS * 24 * HOUR_MS
BTC = "BTC/USDT:USDT"
PAIRS = [BTC, "ETH/USDT:USDT", "LTC/USDT:USDT"]
CANDLES = "BTC_USDT_USDT-1h-futures.feather"

REAL = SHARED / "data" / "binance"


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    """A sound data directory that counts as real: the marker is gone."""
    data.write_simulated(tmp_path / "data", start=START, days=DAYS)
    (tmp_path / "data" / data.MARKER).unlink()
    return tmp_path / "data"


def spoil(datadir: Path, change: Callable[[pd.DataFrame], pd.DataFrame], name: str) -> None:
    path = datadir / "futures" / name
    change(pd.read_feather(path)).reset_index(drop=True).to_feather(path)


def refused(datadir: Path, start_ms: int = START_MS, stop_ms: int = STOP_MS) -> str:
    with pytest.raises(InputError) as caught:
        data.check_datadir(datadir, PAIRS, "1h", start_ms, stop_ms)
    return str(caught.value)


def with_value(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, column] = value
        return frame

    return change


def test_sound_directory_is_summarised(datadir: Path) -> None:
    summary = data.check_datadir(datadir, PAIRS, "1h", START_MS, STOP_MS)
    assert summary.source == "real"
    assert [f.rows for f in summary.files] == [240, 240, 30] * 3
    assert summary.files[0].first_ms == START_MS
    assert summary.files[0].last_ms == STOP_MS - HOUR_MS
    again = data.check_datadir(datadir, PAIRS, "1h", START_MS, STOP_MS)
    assert again == summary
    spoil(datadir, with_value("volume", 3, 1.0), CANDLES)
    changed = data.check_datadir(datadir, PAIRS, "1h", START_MS, STOP_MS)
    assert changed.sha256 != summary.sha256


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.iloc[[0, 2, 1, *range(3, 240)]], "row 2 2024-01-01T01:00Z: unsorted"),
        (lambda f: f.iloc[[0, 1, 1, *range(2, 240)]], "row 2 2024-01-01T01:00Z: duplicate"),
        (
            lambda f: f.drop(index=[5, 6]),
            "row 5 2024-01-01T07:00Z: gap: 2 candles missing from 2024-01-01T05:00Z",
        ),
        (with_value("close", 7, np.nan), "row 7 2024-01-01T07:00Z: close is nan"),
        (with_value("open", 8, 0.0), "row 8 2024-01-01T08:00Z: open is 0.0"),
        (with_value("high", 9, 1.0), "row 9 2024-01-01T09:00Z: high 1 is below open or close"),
        (with_value("volume", 9, -1.0), "row 9 2024-01-01T09:00Z: volume is -1.0"),
    ],
)
def test_corrupt_candles_are_named_by_file_row_and_time(
    datadir: Path, change: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    spoil(datadir, change, CANDLES)
    text = refused(datadir)
    assert "found faults in 1 of 9 files" in text
    assert str(datadir / "futures" / CANDLES) in text
    assert says in text
    assert f"--pairs {BTC} --timeframes 1h --erase" in text


def test_fault_outside_the_run_does_not_stop_it_but_inside_keeps_its_row(datadir: Path) -> None:
    spoil(datadir, with_value("close", 5, np.nan), CANDLES)
    data.check_datadir(datadir, PAIRS, "1h", START_MS + 8 * HOUR_MS, STOP_MS)
    spoil(datadir, with_value("close", 100, np.nan), CANDLES)
    assert "row 100 2024-01-05T04:00Z" in refused(datadir, START_MS + 8 * HOUR_MS)


@pytest.mark.parametrize(("start_h", "stop_h"), [(22, 240), (0, 22)])
def test_gap_across_the_edge_of_the_run_is_seen(datadir: Path, start_h: int, stop_h: int) -> None:
    spoil(datadir, lambda f: f.drop(index=range(20, 25)), CANDLES)
    text = refused(datadir, START_MS + start_h * HOUR_MS, START_MS + stop_h * HOUR_MS)
    assert "gap: 5 candles missing from 2024-01-01T20:00Z" in text


@pytest.mark.parametrize("kind", ["mark", "funding_rate", "futures"])
def test_missing_file_is_named_with_what_is_there(datadir: Path, kind: str) -> None:
    name = f"ETH_USDT_USDT-1h-{kind}.feather"
    (datadir / "futures" / name).unlink()
    text = refused(datadir)
    assert f"expected the file {name}, found 8 files in {datadir / 'futures'}: ETH_" in text
    assert "--pairs ETH/USDT:USDT --timeframes 1h" in text
    assert "--timerange 20240101-20240111" in text
    assert ("--candle-types " + kind in text) is (kind != "futures")


def test_truncated_file_is_unreadable_and_says_so(datadir: Path) -> None:
    path = datadir / "futures" / CANDLES
    path.write_bytes(path.read_bytes()[:1000])
    text = refused(datadir)
    assert f"could not read {CANDLES} (1000 bytes)" in text
    assert "delete the file, then freqtrade download-data" in text


def test_funding_with_a_missing_payment_is_refused(datadir: Path) -> None:
    spoil(datadir, lambda f: f.drop(index=4), "LTC_USDT_USDT-1h-funding_rate.feather")
    assert "gap: 1 payment missing from 2024-01-02T08:00Z" in refused(datadir)


def test_funding_in_the_older_layout_is_read(datadir: Path) -> None:
    def older(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.rename(columns={"funding_rate": "open"}).assign(
            high=0.0, low=0.0, close=0.0, volume=0.0
        )

    expected = data.load_funding(datadir, BTC)[1]
    spoil(datadir, older, "BTC_USDT_USDT-1h-funding_rate.feather")
    np.testing.assert_array_equal(data.load_funding(datadir, BTC)[1], expected)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.drop(columns="low"), "missing low; wanted date, open, high, low"),
        (lambda f: f.rename(columns={"date": "time"}), "missing date"),
        (lambda f: f.assign(close=f["close"].astype(str)), "wrong type of close"),
        (lambda f: f.assign(date=f["date"].dt.tz_localize(None)), "wrong type of date"),
        (with_value("date", 3, pd.NaT), "1 dates are empty, the first in row 3"),
        (
            lambda f: f.assign(date=f["date"].dt.tz_convert("Asia/Dubai")),
            "dates in UTC wanted, got Asia/Dubai: row 0 is stamped 2024-01-01 04:00:00+04:00",
        ),
        (lambda f: f.assign(date=f["date"].dt.tz_convert("Europe/London")), "got Europe/London"),
        (
            lambda f: f.assign(date=f["date"].dt.tz_localize(None).dt.tz_localize("+04:00")),
            "got UTC+04:00",
        ),
    ],
)
def test_wrong_columns_are_named(
    datadir: Path, change: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    spoil(datadir, change, CANDLES)
    text = refused(datadir)
    assert CANDLES in text
    assert says in text


@pytest.mark.parametrize("hours", [-11, -4, 1, 4, 14])
def test_candles_when_stamped_with_another_zones_times_as_utc_then_they_are_refused(
    datadir: Path, hours: int
) -> None:
    def late(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(date=frame["date"] + pd.Timedelta(hours=hours))

    spoil(datadir, late, CANDLES)
    inside = START_MS + 48 * HOUR_MS, STOP_MS - 48 * HOUR_MS  # nothing is missing there
    text = refused(datadir, *inside)
    assert f"expected {CANDLES} in UTC, got times {hours:+d} h from those of the mark" in text
    assert "row 0 is stamped 2024-01-03T00:00Z" in text
    assert "find out which of the two is not UTC" in text


@pytest.mark.parametrize("hours", [-5, 4, 12])
def test_funding_when_stamped_with_another_zones_times_as_utc_then_it_is_refused(
    datadir: Path, hours: int
) -> None:
    name = "BTC_USDT_USDT-1h-funding_rate.feather"
    spoil(datadir, lambda f: f.assign(date=f["date"] + pd.Timedelta(hours=hours)), name)
    text = refused(datadir, START_MS + 48 * HOUR_MS, STOP_MS - 48 * HOUR_MS)
    assert "payments every 8 h are at 00:00, 08:00 and 16:00 UTC" in text


def test_run_beyond_all_data_is_refused(datadir: Path) -> None:
    text = refused(datadir, STOP_MS + 48 * HOUR_MS, STOP_MS + 96 * HOUR_MS)
    assert "expected" in text
    assert "96 candles short at the end" in text
    assert "got payments from 2024-01-01T00:00Z to 2024-01-10T16:00Z" in text


def test_pooled_coins_are_read_as_far_as_they_go_and_must_be_sound(datadir: Path) -> None:
    pool = ["ETH/USDT:USDT", "LTC/USDT:USDT", "XRP/USDT:USDT"]  # the last has no file
    name = "LTC_USDT_USDT-1h-futures.feather"
    spoil(datadir, lambda frame: frame[100:], name)  # listed later
    summary = data.check_datadir(datadir, PAIRS[:2], "1h", START_MS, STOP_MS, pool)
    assert [f.path.name for f in summary.files if "LTC" in f.path.name] == [name]
    spoil(datadir, lambda frame: frame.drop(index=20), name)
    with pytest.raises(InputError, match=name):
        data.check_datadir(datadir, PAIRS[:2], "1h", START_MS, STOP_MS, pool)


def test_several_faults_are_listed_in_one_error(datadir: Path) -> None:
    spoil(datadir, with_value("close", 7, np.nan), CANDLES)
    (datadir / "futures" / "ETH_USDT_USDT-1h-mark.feather").unlink()
    text = refused(datadir, stop_ms=STOP_MS + HOUR_MS)
    assert "found faults in 9 of 9 files" in text
    assert "1 candle short at the end" in text


def test_empty_directory_gets_one_command_for_all_pairs(tmp_path: Path) -> None:
    text = refused(tmp_path)
    assert f"no such directory: {tmp_path / 'futures'}" in text
    assert f"--pairs {' '.join(PAIRS)}" in text


def test_empty_file_is_refused(datadir: Path) -> None:
    spoil(datadir, lambda f: f.iloc[:0], CANDLES)
    assert "got no candles" in refused(datadir)
    spoil(datadir, lambda f: f.iloc[:0], "BTC_USDT_USDT-1h-funding_rate.feather")
    assert "got 0 times and 0 rates" in refused(datadir)


def test_simulated_directory_reads_with_freqtrades_own_handler(tmp_path: Path) -> None:
    data.write_simulated(tmp_path / "sim", start=START, days=DAYS, timeframe="15m")
    handler = get_datahandler(tmp_path / "sim", "feather")
    for timeframe, kind, rows in [
        ("15m", CandleType.FUTURES, 960),
        ("1h", CandleType.FUTURES, 240),
        ("1h", CandleType.MARK, 240),
        ("1h", CandleType.FUNDING_RATE, 30),
    ]:
        frame = handler.ohlcv_load(BTC, timeframe, kind, fill_missing=False)
        assert len(frame) == rows
        assert frame["date"].iloc[0] == pd.Timestamp(START)
        file = DataFile(datadir=tmp_path / "sim", pair=BTC, timeframe=timeframe, candle_type=kind)
        assert file.path.is_file()
    summary = data.check_datadir(tmp_path / "sim", PAIRS, "15m", START_MS, STOP_MS)
    assert summary.source == "simulated"
    marker = data.read_marker(tmp_path / "sim")
    assert (marker["seed"], marker["days"], marker["timeframe"]) == (7, DAYS, "15m")


def test_simulation_when_repeated_then_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        data.write_simulated(tmp_path / name, start=START, days=DAYS)
        digests.append(data.check_datadir(tmp_path / name, PAIRS, "1h", START_MS, STOP_MS).sha256)
    assert digests[0] == digests[1]


def test_simulation_replaces_a_simulation_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "sim"
    data.write_simulated(target, start=START, days=DAYS)
    data.write_simulated(target, start=START, days=DAYS, seed=8)
    assert data.read_marker(target)["seed"] == 8
    (target / "futures" / "XRP_USDT_USDT-1h-futures.feather").write_bytes(b"downloaded")
    with pytest.raises(InputError, match="found futures/XRP_USDT_USDT-1h-futures"):
        data.write_simulated(target, start=START, days=DAYS)
    assert [p.name for p in tmp_path.iterdir()] == ["sim"]


def test_simulation_never_overwrites_real_data(datadir: Path) -> None:
    with pytest.raises(InputError, match="real data are never overwritten"):
        data.write_simulated(datadir, start=START, days=DAYS)


@pytest.mark.parametrize("kind", ["file", "fifo", "link", "link inside", "fifo inside"])
def test_simulation_when_what_is_there_is_no_folder_of_files_then_it_is_refused_and_kept(
    tmp_path: Path, kind: str
) -> None:
    target, mine = tmp_path / "target", tmp_path / "mine"
    mine.mkdir()
    place = target
    if kind.endswith("inside"):
        (target / "futures").mkdir(parents=True)
        place = target / "futures" / "inside"
    if kind == "file":
        place.write_text("mine")
    elif kind.startswith("fifo"):
        os.mkfifo(place)
    else:
        place.symlink_to(mine)
    was = place.lstat().st_ino
    with pytest.raises(InputError, match="real data are never overwritten"):
        data.write_simulated(target, start=START, days=DAYS)
    assert place.lstat().st_ino == was


@pytest.mark.parametrize(("timeframe", "hours"), [("4h", 4), ("1d", 24)])
def test_simulation_when_longer_than_an_hour_then_its_candles_are_hours_joined(
    tmp_path: Path, timeframe: str, hours: int
) -> None:
    data.write_simulated(tmp_path / "sim", start=START, days=DAYS, timeframe=timeframe)
    data.write_simulated(tmp_path / "hours", start=START, days=DAYS)
    long = data.load_checked(tmp_path / "sim", BTC, timeframe)
    short = data.load_checked(tmp_path / "sim", BTC, "1h")
    np.testing.assert_array_equal(
        short.close, data.load_checked(tmp_path / "hours", BTC, "1h").close
    )
    assert len(long) * hours == len(short) == DAYS * 24
    np.testing.assert_array_equal(long.close, short.close[hours - 1 :: hours])
    np.testing.assert_array_equal(long.high, short.high.reshape(-1, hours).max(axis=1))
    summary = data.check_datadir(tmp_path / "sim", PAIRS, timeframe, START_MS, STOP_MS)
    assert summary.source == "simulated"
    assert data.read_marker(tmp_path / "sim")["timeframe"] == timeframe


def test_simulation_when_candles_fit_no_day_or_the_marker_is_broken_then_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="whole hours that divide a day, got 3d"):
        data.write_simulated(tmp_path / "sim", timeframe="3d")
    (tmp_path / data.MARKER).write_text("{")
    with pytest.raises(InputError, match=r"expected a readable SIMULATED\.json"):
        data.write_simulated(tmp_path)


def test_short_simulation_has_its_own_cure(tmp_path: Path) -> None:
    data.write_simulated(tmp_path / "sim", start=START, days=DAYS)
    assert "this is simulated data" in refused(tmp_path / "sim", stop_ms=STOP_MS + HOUR_MS)


def test_datadir_is_explicit_then_downloaded_then_simulated(
    tmp_path: Path, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    userdir = tmp_path / "user_data"

    def write(target: Path) -> Path:
        return data_write(target, start=START, days=DAYS)

    data_write = data.write_simulated
    monkeypatch.setattr(data, "write_simulated", write)
    assert data.choose_datadir(datadir, userdir) == datadir
    assert not userdir.exists()
    simulated = data.choose_datadir(None, userdir)
    assert simulated == userdir / "data" / "simulated"
    assert json.loads((simulated / data.MARKER).read_text())["days"] == DAYS
    before = (simulated / data.MARKER).stat().st_mtime_ns
    assert data.choose_datadir(None, userdir) == simulated
    assert (simulated / data.MARKER).stat().st_mtime_ns == before
    (userdir / "data" / "binance" / "futures").mkdir(parents=True)
    assert data.choose_datadir(None, userdir) == simulated
    of_days = data.choose_datadir(None, userdir, "1d")
    assert of_days == userdir / "data" / "simulated-1d"
    last = data.load_checked(of_days, BTC, "1d").time_ms[-1]
    assert pd.Timestamp(last, unit="ms") == pd.Timestamp("2025-10-16")
    (userdir / "data" / "binance" / "futures" / CANDLES).touch()
    assert data.choose_datadir(None, userdir) == userdir / "data" / "binance"


def test_datadir_when_explicit_and_wrong_then_error_and_no_fallback(
    tmp_path: Path, datadir: Path
) -> None:
    with pytest.raises(InputError, match="no such directory"):
        data.choose_datadir(tmp_path / "nowhere", tmp_path)
    with pytest.raises(InputError, match=f"give its parent, {datadir}"):
        data.choose_datadir(datadir / "futures", tmp_path)
    (tmp_path / "empty" / "futures").mkdir(parents=True)
    with pytest.raises(InputError, match="no files in"):
        data.choose_datadir(tmp_path / "empty", tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="no downloaded market data beside the checkout")
def test_downloaded_market_data_pass() -> None:
    start, stop = (int(pd.Timestamp(t, tz="UTC").timestamp()) * 1000 for t in ("2022", "2025-10"))
    summary = data.check_datadir(REAL, PAIRS, "1h", start, stop)
    assert summary.source == "real"
    assert {f.rows for f in summary.files} == {32_856, 4_107}
