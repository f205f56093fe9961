"""Features on many random markets: finite, free of price units, and blind to the future."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.types import Candles, FloatArray
from models.data.features.candles import LOOKBACK, candle_features
from models.data.features.rolling import rolling_mean
from tests.test_models.markets import in_other_units, random_walk

ROWS = LOOKBACK + 80
PRICES = ("open", "high", "low", "close")


def shocked(candles: Candles, first: int) -> Candles:
    """Double prices and volumes from row `first` on."""
    factor = np.where(np.arange(len(candles)) < first, 1.0, 2.0)
    return dataclasses.replace(
        candles, **{name: factor * getattr(candles, name) for name in (*PRICES, "volume")}
    )


def first_changed(a: FloatArray, b: FloatArray) -> int:
    return int(np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))[0])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sigma=st.floats(1e-4, 0.1))
def test_features_when_a_market_walks_at_random_then_every_name_is_finite_after_the_lookback(
    seed: int, sigma: float
) -> None:
    for name, values in candle_features(random_walk(ROWS, seed=seed, sigma=sigma)).items():
        assert len(values) == ROWS
        assert np.isfinite(values[LOOKBACK:]).all(), name


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sigma=st.floats(1e-3, 0.1))
def test_features_when_prices_are_a_thousand_times_higher_then_they_agree_within_a_billionth(
    seed: int, sigma: float
) -> None:
    market = random_walk(ROWS, seed=seed, sigma=sigma)
    other = candle_features(in_other_units(market, 1000.0))
    for name, values in candle_features(market).items():
        np.testing.assert_allclose(other[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(first=st.integers(LOOKBACK, ROWS - 1))
def test_features_when_the_market_jumps_then_no_name_moves_before_and_returns_move_at_once(
    first: int,
) -> None:
    market = random_walk(ROWS)
    before, after = candle_features(market), candle_features(shocked(market, first))
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][:first], values[:first], err_msg=name)
    assert first_changed(before["return_1"], after["return_1"]) == first
    assert first_changed(before["volume_fast"], after["volume_fast"]) == first


def test_features_control_when_one_is_centred_then_the_jump_shows_before_it_happens() -> None:
    first = LOOKBACK + 20

    def centred(candles: Candles) -> FloatArray:
        return np.roll(rolling_mean(candles.close, 13), -6)  # looks six candles ahead

    market = random_walk(ROWS)
    assert first_changed(centred(market), centred(shocked(market, first))) == first - 6
