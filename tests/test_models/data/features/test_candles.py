"""Features know the past only, forget it after `LOOKBACK`, and do not care about price units."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.types import Candles, FloatArray
from models.base.units import HOUR_MS
from models.data.features.candles import (
    LOOKBACK,
    SLOW,
    calendar_features,
    candle_features,
    cutler_rsi,
    sigma_per_candle,
)
from tests.test_models.markets import START_MS, in_other_units, random_walk, rows_of

ROWS = 420
MARKET = random_walk(ROWS)
WHOLE = candle_features(MARKET)


def table(features: dict[str, FloatArray]) -> FloatArray:
    return np.column_stack(list(features.values()))


@settings(max_examples=25, deadline=None)
@given(last=st.integers(0, ROWS - 2), seed=st.integers(0, 100))
def test_features_when_later_candles_change_then_earlier_rows_keep_their_bits(
    last: int, seed: int
) -> None:
    other, columns = random_walk(ROWS, seed=seed + 1), {}
    for field in dataclasses.fields(Candles):
        values = getattr(MARKET, field.name).copy()
        values[last + 1 :] = getattr(other, field.name)[last + 1 :]
        columns[field.name] = values
    changed = table(candle_features(Candles(**columns)))
    np.testing.assert_array_equal(changed[: last + 1], table(WHOLE)[: last + 1])
    # The candles did change: a complete later row must show it.
    complete = slice(max(last + 1, LOOKBACK), None)
    assert last > ROWS - 3 or not np.array_equal(changed[complete], table(WHOLE)[complete])


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, ROWS))
def test_features_when_the_frame_ends_earlier_then_its_rows_keep_their_bits(rows: int) -> None:
    prefix = table(candle_features(rows_of(MARKET, slice(0, rows))))
    np.testing.assert_array_equal(prefix, table(WHOLE)[:rows])


@settings(max_examples=25, deadline=None)
@given(first=st.integers(0, ROWS - LOOKBACK - 1))
def test_features_when_older_history_is_cut_then_rows_after_the_lookback_keep_their_bits(
    first: int,
) -> None:
    late = table(candle_features(rows_of(MARKET, slice(first, ROWS))))
    assert np.isfinite(late[LOOKBACK:]).all()
    np.testing.assert_array_equal(late[LOOKBACK:], table(WHOLE)[first + LOOKBACK :])


def test_features_when_one_candle_fewer_than_the_lookback_then_no_row_is_complete() -> None:
    assert not np.isfinite(table(WHOLE)[: LOOKBACK - 1]).all(axis=1).any()
    assert np.isfinite(table(WHOLE)[LOOKBACK:]).all()


@pytest.mark.parametrize("factor", [1e-4, 0.5, 70_000.0])
def test_features_when_price_units_change_then_they_do_not(factor: float) -> None:
    other = candle_features(in_other_units(MARKET, factor))
    for name, values in WHOLE.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-6, atol=1e-8, err_msg=name)


def test_features_when_nothing_trades_then_they_stay_finite() -> None:
    rows = 2 * LOOKBACK
    flat = np.full(rows, 50.0)
    still = Candles(
        time_ms=START_MS + HOUR_MS * np.arange(rows, dtype=np.int64),
        open=flat, high=flat, low=flat, close=flat, volume=np.zeros(rows),
    )  # fmt: skip
    assert np.isfinite(table(candle_features(still))[LOOKBACK:]).all()


def test_sigma_when_every_return_has_one_size_then_it_is_that_size() -> None:
    close = np.exp(0.02 * (np.arange(300) % 2))
    sigma = sigma_per_candle(close)
    assert np.isnan(sigma[:SLOW]).all()
    np.testing.assert_allclose(sigma[SLOW:], 0.02, rtol=1e-12)


def test_sigma_when_a_crash_comes_then_it_rises_at_once() -> None:
    close = np.exp(0.01 * (np.arange(400) % 2))
    close[300:] *= 0.8
    sigma = sigma_per_candle(close)
    assert sigma[299] == pytest.approx(0.01)
    # mean squares over 24 and 168 candles, each with one return near log 0.8 - 0.01
    jump = np.log(close[300] / close[299]) ** 2
    fast, slow = (23 * 1e-4 + jump) / 24, (167 * 1e-4 + jump) / 168
    assert sigma[300] == pytest.approx(np.sqrt(0.5 * (fast + slow)))


def test_rsi_when_all_up_all_down_or_still_then_100_0_and_50() -> None:
    rows = np.arange(40.0)
    assert cutler_rsi(100 + rows, 14)[14:].tolist() == [100.0] * 26
    assert cutler_rsi(100 - rows, 14)[14:].tolist() == [0.0] * 26
    assert cutler_rsi(np.full(40, 7.0), 14)[14:].tolist() == [50.0] * 26
    assert np.isnan(cutler_rsi(100 + rows, 14)[:14]).all()
    # three up, one down of the same size in every window of four
    sawtooth = np.cumsum(np.tile([1.0, 1.0, 1.0, -1.0], 10))
    np.testing.assert_allclose(cutler_rsi(sawtooth, 4)[4:], 75.0)


@pytest.mark.parametrize("candle_h", [1 / 12, 0.25, 1, 2, 3, 4, 6, 8, 12, 24, 72, 168])
def test_calendar_when_candles_have_any_length_then_no_column_stands_still(candle_h: float) -> None:
    candle_ms = round(candle_h * HOUR_MS)
    times = START_MS // candle_ms * candle_ms + candle_ms * np.arange(4000, dtype=np.int64)
    for name, values in calendar_features(times, candle_ms).items():
        assert values.std() > 0.5, name


def test_calendar_when_candles_are_short_then_all_six_columns_are_there() -> None:
    for candle_ms in (60_000, HOUR_MS):
        assert len(calendar_features(np.array([0]), candle_ms)) == 6
    assert list(calendar_features(np.array([0]), 24 * HOUR_MS)) == ["week_sin", "week_cos"]


def test_calendar_when_a_candle_closes_on_the_hour_then_the_clock_is_that_hour() -> None:
    times = START_MS + HOUR_MS * np.arange(336, dtype=np.int64)
    clock = calendar_features(times, HOUR_MS)
    # The candle opened at 05:00 closes at 06:00: a quarter of the day.
    assert clock["day_sin"][5] == pytest.approx(1.0)
    assert clock["day_cos"][5] == pytest.approx(0.0, abs=1e-12)
    # The candle opened at 07:00 closes with the funding payment of 08:00.
    assert clock["funding_cos"][7] == pytest.approx(1.0)
    assert np.flatnonzero(clock["funding_cos"][:24] > 1 - 1e-9).tolist() == [7, 15, 23]
    for name, period in (("day", 24), ("week", 168), ("funding", 8)):
        for part in ("sin", "cos"):
            values = clock[f"{name}_{part}"]
            np.testing.assert_allclose(values[period:], values[:-period], atol=1e-9)
        radius = clock[f"{name}_sin"] ** 2 + clock[f"{name}_cos"] ** 2
        np.testing.assert_allclose(radius, 1.0)
        points = np.column_stack((clock[f"{name}_sin"], clock[f"{name}_cos"]))[:period]
        assert len(np.unique(points.round(9), axis=0)) == period
