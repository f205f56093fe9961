"""Every kind of broken market data is refused, by row and time; sound data pass."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.types import Candles, FloatArray
from models.base.units import HOUR_MS
from models.data.feeds.candles import (
    FUNDING_MS,
    check_candles,
    check_funding,
    check_funding_span,
    check_span,
)

START_MS = 1_640_995_200_000  # 2022-01-01


def sound(rows: int = 48) -> Candles:
    """A rising market of hourly candles."""
    close = 100.0 + np.arange(rows)
    return Candles(
        time_ms=START_MS + np.arange(rows, dtype=np.int64) * HOUR_MS,
        open=close - 0.5,
        high=close + 1,
        low=close - 1,
        close=close,
        volume=np.ones(rows),
    )


def changed(column: str, row: int, value: float) -> Candles:
    """Sound candles with one value replaced."""
    candles = sound()
    values = getattr(candles, column).copy()
    values[row] = value
    return dataclasses.replace(candles, **{column: values})


def take(rows: list[int]) -> Candles:
    """Sound candles, only `rows`, in that order."""
    candles = sound()
    return Candles(**{f.name: getattr(candles, f.name)[rows] for f in dataclasses.fields(Candles)})


def refused(candles: Candles, **options: int) -> str:
    with pytest.raises(InputError) as caught:
        check_candles(candles, HOUR_MS, "BTC 1h", **options)
    return str(caught.value)


def test_sound_candles_pass() -> None:
    check_candles(sound(), HOUR_MS, "BTC 1h")


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("close", np.nan, "close is nan"),
        ("open", np.inf, "open is inf"),
        ("low", 0.0, "low is 0.0"),
        ("high", -3.0, "high is -3.0"),
        ("high", 104.2, "high 104.2 is below open or close 105"),
        ("low", 104.9, "low 104.9 is above open or close 104.5"),
        ("volume", -1.0, "volume is -1.0"),
        ("volume", np.nan, "volume is nan"),
    ],
)
def test_value_fault_when_one_value_is_wrong_then_row_and_time_are_named(
    column: str, value: float, says: str
) -> None:
    text = refused(changed(column, 5, value))
    assert f"row 5 2022-01-01T05:00Z: {says}" in text
    assert "found 1 fault in 48 rows" in text
    assert "--timerange 20220101-20220102" in text


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([0, 2, 1, 3], "row 2 2022-01-01T01:00Z: unsorted: earlier than the row before"),
        ([0, 1, 1, 2], "row 2 2022-01-01T01:00Z: duplicate"),
        ([0, 1, 5, 6], "row 2 2022-01-01T05:00Z: gap: 3 candles missing from 2022-01-01T02:00Z"),
        ([0, 1, 3], "gap: 1 candle missing from 2022-01-01T02:00Z"),
    ],
)
def test_time_fault_when_rows_are_moved_then_it_is_described(rows: list[int], says: str) -> None:
    assert says in refused(take(rows))


def test_off_grid_when_a_candle_opens_late_then_grid_and_overlap_are_named() -> None:
    candles = sound()
    times = candles.time_ms.copy()
    times[7] += 31 * 60_000
    text = refused(dataclasses.replace(candles, time_ms=times))
    assert "row 7 2022-01-01T07:31Z: off the 60-minute grid" in text
    assert "row 8 2022-01-01T08:00Z: overlaps the row before (2022-01-01T07:31Z)" in text


def test_many_faults_when_all_rows_are_wrong_then_ten_are_shown_and_all_counted() -> None:
    text = refused(dataclasses.replace(sound(), volume=np.full(48, -1.0)))
    assert "found 48 faults" in text
    assert text.count("volume is") == 10
    assert "... and 38 more" in text


def test_row_numbers_when_a_slice_is_checked_then_they_are_the_files() -> None:
    assert "row 1005 2022-01-01T05:00Z" in refused(changed("close", 5, np.nan), first_row=1000)


def test_too_few_rows_and_unequal_columns_are_refused() -> None:
    assert "expected at least 50 candles in BTC 1h, got 48" in refused(sound(), min_rows=50)
    assert "expected 48 values" in refused(dataclasses.replace(sound(), close=np.ones(3)))


def test_float32_noise_in_high_is_not_a_fault() -> None:
    check_candles(changed("high", 5, 105.0 * (1 - 1e-12)), HOUR_MS, "BTC 1h")


@given(st.sets(st.integers(1, 46), min_size=1, max_size=20))
def test_gaps_when_any_inner_rows_are_missing_then_refused(missing: set[int]) -> None:
    assert "gap" in refused(take([i for i in range(48) if i not in missing]))


def test_span_when_data_cover_the_run_then_passes() -> None:
    check_span(sound(), START_MS, START_MS + 48 * HOUR_MS, "BTC 1h")


def test_span_when_both_ends_are_short_then_both_cures_are_given() -> None:
    with pytest.raises(InputError) as caught:
        check_span(sound(), START_MS - 2 * HOUR_MS, START_MS + 50 * HOUR_MS, "BTC 1h")
    text = str(caught.value)
    assert "2 candles short at the start and 2 candles short at the end" in text
    assert "2021-12-31T22:00Z to 2022-01-03T02:00Z" in text
    assert "--prepend --timerange 20211231-20220101" in text
    assert "--timerange 20220103-20220104" in text


def test_span_when_empty_then_says_so() -> None:
    with pytest.raises(InputError, match="got no candles"):
        check_span(take([]), START_MS, START_MS + HOUR_MS, "BTC 1h")


def rates(n: int, value: float = 1e-4) -> FloatArray:
    return np.full(n, value)


def test_funding_when_paid_every_8_or_4_hours_and_a_little_late_then_passes() -> None:
    t = START_MS + np.array([0, 8, 12, 16, 24], dtype=np.int64) * HOUR_MS
    check_funding(t + np.array([0, 5, 3, 999, 0]), rates(5), "BTC funding")
    check_funding_span(t, START_MS, START_MS + 32 * HOUR_MS, "BTC funding")


@pytest.mark.parametrize(
    ("hours", "rate", "says"),
    [
        ([0, 8, 24], 1e-4, "gap: 1 payment missing from 2022-01-01T16:00Z"),
        ([0, 8, 8], 1e-4, "duplicate"),
        ([8, 0, 16], 1e-4, "unsorted"),
        ([0, 8, 16], np.nan, "rate is nan"),
        ([0, 8, 16], 0.2, "expected a fraction, not a percentage"),
        ([0, 7.5, 15], 1e-4, "off the 60-minute grid"),
    ],
)
def test_funding_fault_is_described(hours: list[float], rate: float, says: str) -> None:
    t = (START_MS + np.array(hours) * HOUR_MS).astype(np.int64)
    with pytest.raises(InputError) as caught:
        check_funding(t, rates(3, rate), "BTC funding")
    assert says in str(caught.value)


def test_funding_span_when_file_ends_early_then_refused() -> None:
    t = START_MS + np.arange(3, dtype=np.int64) * FUNDING_MS
    with pytest.raises(InputError, match="got payments from 2022-01-01T00:00Z to"):
        check_funding_span(t, START_MS, START_MS + 60 * HOUR_MS, "BTC funding")
