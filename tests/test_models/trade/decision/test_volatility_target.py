"""More volatility never means more exposure, unknown volatility changes nothing, bands hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.base.config import from_mapping
from models.base.errors import ConfigError, InputError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.trade.decision.volatility_target import (
    VolatilityTargetConfig,
    daily_volatility,
    no_trade_width,
    rebalanced,
    target_exposure,
)
from models.trade.hedging.band import cost_width, nearest_inside

CONFIG = VolatilityTargetConfig()
volatility = st.floats(1e-4, 1.0)
exposure = st.floats(0.0, 3.0)
UNKNOWN = np.array([np.nan, np.inf, -np.inf, 0.0, -0.01])


def one(value: float) -> FloatArray:
    return np.array([value])


# -- worked out ---------------------------------------------------------------------------------


def test_volatility_when_worked_by_hand_then_it_goes_with_the_root_of_time() -> None:
    # 1 % over four hours: a day has six of them, and 2.449 is their root.
    assert daily_volatility(one(0.01), 4, HOUR_MS) == pytest.approx(0.01 * math.sqrt(6))
    assert daily_volatility(one(0.03), 24, HOUR_MS) == pytest.approx(0.03)
    assert daily_volatility(one(0.03), 1, 96 * HOUR_MS) == pytest.approx(0.015)


def test_target_when_worked_by_hand_then_equity_moves_by_the_target_risk() -> None:
    config = VolatilityTargetConfig(target_risk=0.015, max_exposure=0.9)
    sigma = np.array([0.03, 0.06, 0.01])
    assert target_exposure(sigma, config).tolist() == pytest.approx([0.5, 0.25, 0.9])
    assert target_exposure(sigma, config, cap=0.4).tolist() == pytest.approx([0.4, 0.25, 0.4])
    assert target_exposure(sigma, config, cap=0.0).tolist() == [0, 0, 0]


def test_band_when_worked_by_hand_then_it_goes_with_the_cube_root_of_cost_over_volatility() -> None:
    config = VolatilityTargetConfig(band_frac=0.2, target_risk=0.012, max_exposure=9.0)
    sigma = np.array([0.03, 0.03 / 8, 0.24])
    target = target_exposure(sigma, config)  # 0.4, 3.2 and 0.05
    # 0.2 of it at 3 % a day; at an eighth of the volatility twice that share, at eight times half.
    wide = no_trade_width(target, config)
    assert wide.tolist() == pytest.approx([0.2 * 0.4, 0.4 * 3.2, 0.1 * 0.05])
    dear = VolatilityTargetConfig(band_frac=0.2, target_risk=0.012, cost_frac=8 * 0.0007)
    assert no_trade_width(one(0.4), dear) == pytest.approx(0.4 * 0.4)
    assert no_trade_width(one(0.4), VolatilityTargetConfig(cost_frac=0.0)) == 0.0
    half = VolatilityTargetConfig(band_frac=0.2, target_risk=0.006)
    assert no_trade_width(one(0.4), half, 0.012) == pytest.approx(0.2 * 0.4)


def test_band_when_derived_from_costs_then_it_has_the_shape_of_the_hedges() -> None:
    """A target that wanders by a share of itself, held by one person: one aversion throughout."""
    risk, wander = 0.01, 0.2
    sigma = np.array([0.02, 0.03, 0.05, 0.08])
    target = risk / sigma
    ours = no_trade_width(target, VolatilityTargetConfig(target_risk=risk)) / target
    theirs = cost_width(0.0007, (wander * target) ** 2, sigma**2, 3.0, 99.0) / target
    np.testing.assert_allclose(ours / ours[0], theirs / theirs[0], rtol=1e-9)
    np.testing.assert_allclose(ours / ours[0], (sigma / sigma[0]) ** (-1 / 3), rtol=1e-9)


def test_band_when_the_target_is_capped_then_a_calmer_market_does_not_widen_it() -> None:
    config = VolatilityTargetConfig(target_risk=0.01, max_exposure=0.5)
    sigma = np.array([0.02, 0.01, 0.001])
    assert set(no_trade_width(target_exposure(sigma, config), config)) == {
        no_trade_width(one(0.5), config)[0]
    }


# -- properties ---------------------------------------------------------------------------------


@given(a=volatility, b=volatility, cap=st.floats(0.0, 3.0), risk=st.floats(0.001, 0.05))
def test_target_when_volatility_rises_then_exposure_never_does_and_caps_hold(
    a: float, b: float, cap: float, risk: float
) -> None:
    config = VolatilityTargetConfig(target_risk=risk)
    low, high = sorted((a, b))
    calm, wild = target_exposure(np.array([low, high]), config, cap)
    assert 0 <= wild <= calm <= min(cap, config.max_exposure)
    assert wild * high <= risk * (1 + 1e-12)


@given(held=exposure, a=volatility, b=volatility)
def test_next_exposure_when_volatility_rises_then_it_is_not_higher(
    held: float, a: float, b: float
) -> None:
    sigma = np.array(sorted((a, b)))
    target = target_exposure(sigma, CONFIG)
    calm, wild = rebalanced(one(held), target, no_trade_width(target, CONFIG))
    assert wild <= calm + 1e-12


@given(
    held=arrays(np.float64, 5, elements=exposure), target=arrays(np.float64, 5, elements=exposure),
    width=arrays(np.float64, 5, elements=st.floats(0.0, 1.0)),
)  # fmt: skip
def test_next_exposure_when_inside_the_band_then_nothing_is_ordered_and_else_its_edge_is_reached(
    held: FloatArray, target: FloatArray, width: FloatArray
) -> None:
    new = rebalanced(held, target, width)
    inside = (held >= target - width) & (held <= target + width)
    np.testing.assert_array_equal(new[inside], held[inside])
    distance = np.abs(new - target)[~inside]
    np.testing.assert_allclose(distance, width[~inside], atol=1e-12)
    each = [nearest_inside(*row) for row in zip(held, target, width, strict=True)]
    np.testing.assert_array_equal(new, each)
    never = rebalanced(held, target, width, may_grow=False)
    assert (never <= held).all()
    np.testing.assert_array_equal(never, np.minimum(new, held))  # what falls, falls as far


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_next_exposure_when_volatility_is_not_known_then_it_stays(unknown: float) -> None:
    day = daily_volatility(one(unknown), 24, HOUR_MS)
    assert np.isnan(day).all()
    target = target_exposure(day, CONFIG)
    width = no_trade_width(target, CONFIG)
    held = np.array([0.0, 0.3, 2.0])
    np.testing.assert_array_equal(rebalanced(held, target, width), held)
    np.testing.assert_array_equal(rebalanced(held, target, width, may_grow=False), held)


@given(target=st.floats(0.0, 3.0), band=st.floats(0.0, 0.99), cost=st.floats(0.0, 0.049))
def test_band_when_as_wide_as_can_be_then_it_is_half_the_target(
    target: float, band: float, cost: float
) -> None:
    config = VolatilityTargetConfig(band_frac=band, cost_frac=cost)
    assert 0 <= no_trade_width(one(target), config)[0] <= target / 2


# -- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_risk", 0.0), ("target_risk", 0.051), ("target_risk", math.nan),
        ("max_exposure", 0.0), ("max_exposure", math.inf), ("max_exposure", math.nan),
        ("cost_frac", -0.1), ("cost_frac", 0.05), ("cost_frac", math.nan),
        ("band_frac", -0.1), ("band_frac", 1.0), ("band_frac", math.nan),
        ("cascade_keep_frac", -0.1), ("cascade_keep_frac", 1.1), ("cascade_keep_frac", math.nan),
        ("leverage", 0.9), ("leverage", 5.1), ("leverage", math.nan),
        ("stop_frac", 0.26), ("stop_frac", 0.0), ("stop_frac", math.nan),
    ],
)  # fmt: skip
def test_config_when_a_value_would_lift_a_cap_or_a_stop_then_it_is_refused(
    name: str, value: float
) -> None:
    with pytest.raises(ValueError, match=f"expected .*{name}"):
        VolatilityTargetConfig(**{name: value})


def test_config_when_a_value_is_the_largest_allowed_then_it_is_taken() -> None:
    assert VolatilityTargetConfig(target_risk=0.05).target_risk == 0.05


def test_config_when_a_setting_is_misspelled_then_the_nearest_one_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'target_risk'"):
        from_mapping(VolatilityTargetConfig, {"target_rsk": 0.01}, where="x")


def test_numbers_when_they_make_no_sense_then_they_are_refused() -> None:
    with pytest.raises(InputError, match="horizon"):
        daily_volatility(one(0.01), 0, HOUR_MS)
    for cap in (-0.1, math.nan):
        with pytest.raises(InputError, match="cap"):
            target_exposure(one(0.02), CONFIG, cap)


def test_settings_when_nothing_is_said_then_they_are_what_was_measured() -> None:
    assert (CONFIG.target_risk, CONFIG.max_exposure, CONFIG.leverage) == (0.01, 1.0, 2.0)
    assert (CONFIG.cost_frac, CONFIG.band_frac) == (0.0007, 0.25)
    assert (CONFIG.cascade_keep_frac, CONFIG.stop_frac) == (0.5, 0.25)


@pytest.mark.parametrize(
    "edge",
    [
        {"cascade_keep_frac": 0.0}, {"cascade_keep_frac": 1.0},
        {"leverage": 1.0}, {"leverage": 5.0, "stop_frac": 0.1},
        {"leverage": 1.0, "stop_frac": 0.02}, {"leverage": 1.0, "stop_frac": 0.5},
    ],
)  # fmt: skip
def test_settings_when_at_the_edge_of_what_is_allowed_then_they_are_taken(
    edge: dict[str, float],
) -> None:
    taken = VolatilityTargetConfig(**edge)
    assert all(getattr(taken, name) == value for name, value in edge.items())


@pytest.mark.parametrize(
    "beyond",
    [
        {"cascade_keep_frac": -0.01}, {"cascade_keep_frac": 1.01},
        {"leverage": 0.99}, {"leverage": 5.01, "stop_frac": 0.05},
        {"leverage": 1.0, "stop_frac": 0.019}, {"leverage": 1.0, "stop_frac": 0.51},
    ],
)  # fmt: skip
def test_settings_when_just_beyond_what_is_allowed_then_they_are_refused(
    beyond: dict[str, float],
) -> None:
    with pytest.raises(ValueError, match="expected"):
        VolatilityTargetConfig(**beyond)


def test_volatility_when_a_candle_lasts_a_millisecond_then_it_is_still_one() -> None:
    assert daily_volatility(one(1e-6), 1, 1) == pytest.approx(1e-6 * math.sqrt(24 * HOUR_MS))
    with pytest.raises(InputError, match="candle >= 1"):
        daily_volatility(one(1e-6), 1, 0)
