"""More volatility never means more exposure, and caps hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.base.errors import InputError
from models.trade.decision import sizing
from models.trade.decision.sizing import (
    SizingConfig,
    isolated_leverage_cap,
    kelly_notional_quote,
    leverage_cap,
    position_notional_quote,
    stop_distance_frac,
)

CONFIG = SizingConfig()
sigma = st.floats(1e-6, 10.0)
NOT_POSITIVE = [0.0, -1.0, math.nan, math.inf, -math.inf]


def notional(s: float, equity: float = 10_000.0, config: SizingConfig = CONFIG) -> float:
    return position_notional_quote(equity, stop_distance_frac(s, config), config)


@given(a=sigma, b=sigma)
def test_sizing_when_volatility_rises_then_stops_widen_and_exposure_shrinks(
    a: float, b: float
) -> None:
    low, high = sorted((a, b))
    assert stop_distance_frac(low, CONFIG) <= stop_distance_frac(high, CONFIG)
    assert notional(low) >= notional(high)
    assert leverage_cap(low, 5.0) >= leverage_cap(high, 5.0)


@given(s=sigma, equity=st.floats(1.0, 1e9), cap=st.floats(0.1, 5), risk=st.floats(0.001, 0.05))
def test_sizing_when_sized_then_risk_and_notional_stay_under_their_caps(
    s: float, equity: float, cap: float, risk: float
) -> None:
    config = SizingConfig(max_notional_leverage=cap, risk_per_trade_frac=risk)
    stop = stop_distance_frac(s, config)
    size = position_notional_quote(equity, stop, config)
    assert config.min_stop_frac <= stop <= config.max_stop_frac
    assert 0 < size <= cap * equity * (1 + 1e-12)
    assert size * stop <= risk * equity * (1 + 1e-12)
    assert 1.0 <= leverage_cap(s, cap + 1) <= cap + 1


@given(s=sigma, equity=st.floats(1.0, 1e9), factor=st.floats(0.01, 100))
def test_sizing_when_equity_is_scaled_then_the_notional_is(
    s: float, equity: float, factor: float
) -> None:
    assert notional(s, factor * equity) == pytest.approx(factor * notional(s, equity))


def test_sizing_when_worked_by_hand_then_it_agrees() -> None:
    assert stop_distance_frac(0.001, CONFIG) == 0.01  # at least 1 %
    assert stop_distance_frac(0.5, CONFIG) == 0.10  # at most 10 %
    assert notional(0.02) == pytest.approx(10_000 * 0.005 / 0.06)
    tight = SizingConfig(risk_per_trade_frac=0.05)
    assert notional(0.001, config=tight) == 10_000.0  # five times equity, capped at once
    assert leverage_cap(0.001, 10.0) == pytest.approx(1 / 0.15)
    assert leverage_cap(0.03, 10.0) == pytest.approx(1 / (3 * 3.69 * 0.03))
    assert leverage_cap(1.0, 10.0) == 1.0


def test_isolated_leverage_when_worked_by_hand_then_liquidation_is_twice_as_far_as_the_stop() -> (
    None
):
    assert isolated_leverage_cap(0.05, 20.0) == pytest.approx(10.0)
    assert isolated_leverage_cap(0.01, 20.0) == 20.0  # the limit
    assert isolated_leverage_cap(0.9, 20.0) == 1.0
    assert isolated_leverage_cap(0.05, 0.5) == 1.0


def test_kelly_when_worked_by_hand_then_it_is_the_fraction_of_the_growth_optimum() -> None:
    # (20 - 14) bp over 1 % squared is 6 x equity; a quarter of it is 1.5.
    assert kelly_notional_quote(0.0020, 0.0014, 0.01, 1_000.0, CONFIG) == pytest.approx(1_500.0)
    half = SizingConfig(kelly_frac=0.5)
    assert kelly_notional_quote(0.0020, 0.0014, 0.01, 1_000.0, half) == pytest.approx(3_000.0)
    for nothing in (0.0014, 0.0, -0.02):
        assert kelly_notional_quote(nothing, 0.0014, 0.01, 1_000.0, CONFIG) == 0.0


def test_kelly_when_the_whole_of_it_is_staked_then_no_other_size_grows_faster() -> None:
    # A bet that gains or loses about sigma, with the mean that is left after cost.
    net, s = 0.0006, 0.01
    sizes = np.linspace(0.0, 12.0, 1201)
    growth = 0.5 * (np.log1p(sizes * (net + s)) + np.log1p(sizes * (net - s)))
    best = kelly_notional_quote(0.0014 + net, 0.0014, s, 1.0, SizingConfig(kelly_frac=1.0))
    assert sizes[growth.argmax()] == pytest.approx(best, rel=0.01)


@given(
    low=st.floats(-0.05, 0.05), less=st.floats(0, 1), cost=st.floats(0, 0.01), s=sigma,
    equity=st.floats(1.0, 1e9),
)  # fmt: skip
def test_kelly_when_less_is_known_or_it_costs_more_then_no_size_is_larger(
    low: float, less: float, cost: float, s: float, equity: float
) -> None:
    size = kelly_notional_quote(low, cost, s, equity, CONFIG)
    assert size >= 0
    assert kelly_notional_quote(less * low, cost, s, equity, CONFIG) <= size
    assert kelly_notional_quote(low, cost + 0.001, s, equity, CONFIG) <= size
    assert kelly_notional_quote(low, cost, 2 * s, equity, CONFIG) <= size


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_kelly_when_the_edge_or_the_cost_is_no_number_then_it_is_refused(value: float) -> None:
    for edge, cost in ((value, 0.001), (0.01, value)):
        with pytest.raises(InputError, match="finite edge and cost") as caught:
            kelly_notional_quote(edge, cost, 0.01, 1_000.0, CONFIG)
        assert "without" in caught.value.cure


def test_sizing_config_when_the_stop_has_one_distance_then_it_is_taken() -> None:
    fixed = SizingConfig(min_stop_frac=0.05, max_stop_frac=0.05)
    assert stop_distance_frac(0.001, fixed) == stop_distance_frac(1.0, fixed) == 0.05


def test_sizing_config_when_the_stop_is_closer_than_one_volatility_then_it_is_taken() -> None:
    assert stop_distance_frac(0.05, SizingConfig(stop_sigmas=0.5)) == 0.025


def test_sizing_when_the_shortfall_constant_is_checked_then_it_is_that_of_a_student_t() -> None:
    t = stats.t(df=4)
    q = t.ppf(0.99)
    shortfall = t.pdf(q) * (4 + q * q) / (3 * 0.01)
    assert q == pytest.approx(3.747, abs=5e-4)
    assert shortfall / t.std() == pytest.approx(sizing.ES99_SIGMAS, abs=5e-3)


@pytest.mark.parametrize("value", NOT_POSITIVE)
def test_sizing_when_a_number_is_not_finite_and_positive_then_it_is_refused(value: float) -> None:
    for call in (
        lambda: stop_distance_frac(value, CONFIG),
        lambda: position_notional_quote(value, 0.02, CONFIG),
        lambda: position_notional_quote(1000.0, value, CONFIG),
        lambda: leverage_cap(value, 3.0),
        lambda: kelly_notional_quote(0.01, 0.001, value, 1000.0, CONFIG),
        lambda: kelly_notional_quote(0.01, 0.001, 0.01, value, CONFIG),
        lambda: isolated_leverage_cap(value, 3.0),
    ):
        with pytest.raises(InputError, match="finite and > 0"):
            call()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("risk_per_trade_frac", 0.0),
        ("risk_per_trade_frac", 0.06),
        ("risk_per_trade_frac", math.nan),
        ("min_stop_frac", 0.0),
        ("min_stop_frac", 0.2),
        ("max_stop_frac", 1.0),
        ("max_stop_frac", math.nan),
        ("stop_sigmas", 0.0),
        ("stop_sigmas", math.nan),
        ("stop_sigmas", math.inf),
        ("kelly_frac", 0.0),
        ("kelly_frac", 1.001),
        ("kelly_frac", math.nan),
        ("max_notional_leverage", 0.0),
        ("max_notional_leverage", math.nan),
        ("max_notional_leverage", math.inf),
    ],
)
def test_sizing_config_when_a_value_would_lift_a_cap_then_it_is_refused(
    name: str, value: float
) -> None:
    with pytest.raises(ValueError, match="expected"):
        SizingConfig(**{name: value})
