"""Indicators know the past only, forget it after `LOOKBACK`, and say what the textbook says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import columns
from models.base.types import Candles, FloatArray
from models.base.units import HOUR_MS
from models.data.features.candles import LOOKBACK, sigma_per_candle
from models.data.features.indicators import (
    bollinger,
    directional_movement,
    indicator_features,
    macd,
    money_flow,
    volume_profile,
)
from models.learn.nets.base import no_indicator
from tests.test_models.markets import START_MS, in_other_units, random_walk, rows_of

ROWS = 420
MARKET = random_walk(ROWS)
WHOLE = indicator_features(MARKET)


def table(features: dict[str, FloatArray]) -> FloatArray:
    return np.column_stack(list(features.values()))


def market(close: list[float], volume: list[float]) -> Candles:
    values = np.array(close)
    return Candles(
        time_ms=START_MS + HOUR_MS * np.arange(len(values), dtype=np.int64),
        open=values, high=values, low=values, close=values, volume=np.array(volume),
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(last=st.integers(LOOKBACK, ROWS - 3), seed=st.integers(0, 100))
def test_indicators_when_later_candles_change_then_earlier_rows_keep_their_bits(
    last: int, seed: int
) -> None:
    other, columns = random_walk(ROWS, seed=seed + 1), {}
    for field in dataclasses.fields(Candles):
        values = getattr(MARKET, field.name).copy()
        values[last + 1 :] = getattr(other, field.name)[last + 1 :]
        columns[field.name] = values
    changed = table(indicator_features(Candles(**columns)))
    np.testing.assert_array_equal(changed[: last + 1], table(WHOLE)[: last + 1])
    moved = (changed[last + 1 :] != table(WHOLE)[last + 1 :]).any(axis=0)
    assert moved.all()  # the probe reached every indicator


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, ROWS))
def test_indicators_when_the_frame_ends_earlier_then_its_rows_keep_their_bits(rows: int) -> None:
    prefix = table(indicator_features(rows_of(MARKET, slice(0, rows))))
    np.testing.assert_array_equal(prefix, table(WHOLE)[:rows])


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, ROWS - LOOKBACK - 1))
def test_indicators_when_older_history_is_cut_then_rows_after_the_lookback_stay(first: int) -> None:
    late = table(indicator_features(rows_of(MARKET, slice(first, ROWS))))
    assert np.isfinite(late[LOOKBACK:]).all()
    gap = np.abs(late[LOOKBACK:] - table(WHOLE)[first + LOOKBACK :])
    assert gap.max() < 1e-6


def test_indicators_when_a_long_wild_history_is_cut_then_a_calm_market_reads_the_same() -> None:
    wild, calm = random_walk(30_000, sigma=0.03), random_walk(1_000, seed=1, sigma=1e-4)
    scale = wild.close[-1] / calm.open[0]
    calm = dataclasses.replace(in_other_units(calm, scale), time_ms=calm.time_ms)
    both = Candles(
        **{
            f.name: np.concatenate((getattr(wild, f.name), getattr(calm, f.name)))
            for f in dataclasses.fields(Candles)
        }
    )
    whole = table(indicator_features(both))[-800:]
    late = table(indicator_features(rows_of(both, slice(len(both) - 800 - LOOKBACK, None))))[-800:]
    assert np.abs(whole - late).max() < 1e-6


@pytest.mark.parametrize("factor", [1e-4, 0.5, 70_000.0])
def test_indicators_when_price_units_change_then_they_do_not(factor: float) -> None:
    other = indicator_features(in_other_units(MARKET, factor))
    for name, values in WHOLE.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-6, atol=1e-6, err_msg=name)


def test_indicators_when_volume_units_change_then_they_do_not() -> None:
    other = indicator_features(dataclasses.replace(MARKET, volume=1e-6 * MARKET.volume))
    for name, values in WHOLE.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-6, atol=1e-9, err_msg=name)


def test_indicators_when_nothing_trades_then_they_stay_finite() -> None:
    rows = 2 * LOOKBACK
    still = indicator_features(market([50.0] * rows, [0.0] * rows))
    assert np.isfinite(table(still)[LOOKBACK:]).all()


def test_macd_when_the_price_is_a_ramp_then_the_line_is_the_distance_of_the_averages() -> None:
    ramp, sigma = 0.01 * np.arange(60.0), np.full(60, 0.01)
    found = macd(ramp, sigma)
    # Averages of 12 and 26 lag by 5.5 and 12.5 candles: 7 candles apart, and always 7.
    np.testing.assert_allclose(found["macd"][33:], 7 / np.sqrt(26))
    np.testing.assert_allclose(found["macd_histogram"][33:], 0.0, atol=1e-10)
    assert np.isnan(found["macd_histogram"][:33]).all()


def test_bollinger_when_prices_alternate_then_the_bands_are_two_deviations_away() -> None:
    log_close, sigma = 0.01 * (np.arange(60) % 2.0), np.full(60, 0.01)
    found = bollinger(log_close, sigma)
    # mean 0.005, deviation 0.005: the bands are at -0.005 and 0.015
    np.testing.assert_allclose(found["bollinger_position"][19:], np.tile([0.5, -0.5], 21)[:41])
    np.testing.assert_allclose(
        found["bollinger_width"][19:], np.log(0.01 / (0.02 * np.sqrt(20))), rtol=1e-6
    )


def test_directional_movement_when_all_up_or_all_down_then_one_and_minus_one() -> None:
    rows = np.arange(60.0)
    up = directional_movement(market((100 * 1.01**rows).tolist(), [1.0] * 60))
    down = directional_movement(market((100 * 0.99**rows).tolist(), [1.0] * 60))
    np.testing.assert_allclose(up["dmi_14"][14:], 1.0)
    np.testing.assert_allclose(down["dmi_14"][14:], -1.0)
    np.testing.assert_allclose(up["adx_14"][27:], 1.0)
    np.testing.assert_allclose(down["adx_14"][27:], 1.0)


def test_money_flow_when_compared_with_ta_lib_on_ordinary_volumes_then_they_agree() -> None:
    busy = dataclasses.replace(MARKET, volume=1000 * MARKET.volume)
    expected = talib.MFI(busy.high, busy.low, busy.close, busy.volume, 14)
    np.testing.assert_allclose(money_flow(busy, 14)[14:], expected[14:], rtol=1e-9)


def test_volume_profile_when_computed_by_hand_then_shares_and_control_are_those() -> None:
    # Volume 1 at 100, 6 at 110, 3 at 121 (the close): 7 below, half of 3 at it.
    below, distance = volume_profile(market([100.0, 110.0, 121.0], [1.0, 6.0, 3.0]), 3)
    assert np.isnan(below[:2]).all()
    assert below[2] == pytest.approx(0.85)
    assert distance[2] == pytest.approx(np.log(121 / 110))


def test_macd_when_taken_from_all_indicators_then_it_is_ta_libs_in_units_of_sigma() -> None:
    sigma = sigma_per_candle(MARKET.close)
    line, _, _ = talib.MACDEXT(
        np.log(MARKET.close), fastperiod=12, fastmatype=0, slowperiod=26, slowmatype=0,
        signalperiod=9, signalmatype=0,
    )  # fmt: skip
    np.testing.assert_allclose(WHOLE["macd"][LOOKBACK:], (line / (sigma * 26**0.5))[LOOKBACK:])


def test_indicators_when_made_then_their_names_are_the_ones_networks_leave_out() -> None:
    assert set(indicator_features(random_walk(400))) == set(columns.INDICATORS)
    assert not any(no_indicator(f"%-{name}_gen_LTC/USDTUSDT_15m") for name in columns.INDICATORS)
    assert no_indicator("%-return_1_gen_LTC/USDTUSDT_15m")
