"""Exposure over a market: decided at a close, held from the next open, at the mean asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.types import FloatArray
from models.studies.exposure.walk import ExposureMarket, at_mean, at_turnover, walked
from models.trade.decision.volatility_target import (
    VolatilityTargetConfig,
    no_trade_width,
    rebalanced,
)

CONFIG = VolatilityTargetConfig()
ROWS = 600


def volatility(seed: int = 0, rows: int = ROWS) -> FloatArray:
    """Volatility of one day that wanders and comes back, (N,)."""
    rng, log = np.random.default_rng(seed), np.zeros(rows)
    for t in range(1, rows):
        log[t] = 0.98 * log[t - 1] + 0.08 * rng.normal()
    out: FloatArray = 0.03 * np.exp(log)
    return out


def returns(seed: int = 1, rows: int = ROWS) -> FloatArray:
    out: FloatArray = 0.01 * np.random.default_rng(seed).normal(size=rows)
    return out


def test_move_when_worked_by_hand_then_it_goes_from_open_to_open() -> None:
    market = ExposureMarket(
        time_ms=np.arange(3), open=np.array([100.0, 110.0, 99.0]),
        close=np.array([0.0, 0.0, 108.9]), funding=np.zeros(3),
    )  # fmt: skip
    assert market.moves().tolist() == pytest.approx([0.1, -0.1, 0.1])


def test_walk_when_worked_by_hand_then_the_price_moves_what_is_held() -> None:
    # Half the equity in a price that doubles: equity is 1.5, of which 1.0 is held.
    held, traded = walked(np.full(3, 0.5), np.full(3, 0.1), np.array([0.0, 1.0, 0.0]))
    assert held.tolist() == pytest.approx([0.0, 0.5, 0.6])
    assert traded.tolist() == pytest.approx([0.0, 0.5, 1.0 / 1.5 - 0.6])


def test_walk_when_volatility_is_not_known_then_nothing_is_traded() -> None:
    target = np.array([np.nan, 0.5, np.nan, np.nan, 0.9])
    held, traded = walked(target, 0.1 * target, np.zeros(5))
    assert held.tolist() == [0.0, 0.0, 0.5, 0.5, 0.5]
    assert traded.tolist() == [0.0, 0.0, 0.5, 0.0, 0.0]


def test_walk_when_it_rebalances_then_it_does_what_the_strategy_does() -> None:
    target, move = 0.01 / volatility(), returns()
    width = no_trade_width(target, CONFIG)
    held, _ = walked(target, width, move)
    drifted = held[:-1] * (1 + move[:-1]) / (1 + held[:-1] * move[:-1])
    same = rebalanced(drifted[1:], target[1:-1], width[1:-1])
    np.testing.assert_allclose(held[2:], same, rtol=1e-12)


@given(cut=st.integers(2, ROWS - 1), seed=st.integers(0, 3))
def test_walk_when_the_future_changes_then_the_past_does_not(cut: int, seed: int) -> None:
    """What closes a candle decides the next one, so row `cut` itself is already the past's."""
    sigma, move = volatility(seed), returns(seed)
    target = 0.01 / sigma
    held, traded = walked(target, no_trade_width(target, CONFIG), move)
    sigma[cut:], move[cut:] = sigma[cut:] * 3, -move[cut:]
    target = 0.01 / sigma
    other, also = walked(target, no_trade_width(target, CONFIG), move)
    np.testing.assert_array_equal(held[: cut + 1], other[: cut + 1])
    np.testing.assert_array_equal(traded[: cut + 1], also[: cut + 1])
    assert not np.array_equal(held, other) or cut == ROWS - 1  # the control: later it does


@pytest.mark.parametrize("mean", [0.3, 1.23, 2.0])
def test_mean_when_asked_for_then_it_is_held_whatever_the_volatility(mean: float) -> None:
    for sigma in (volatility(), np.ones(ROWS), 100 * volatility()):
        held, _ = at_mean(sigma, mean, CONFIG, returns())
        assert held.mean() == pytest.approx(mean, rel=1e-3)


def test_turnover_when_asked_for_then_the_band_is_as_wide_as_it_takes() -> None:
    move, sigma = returns(), volatility()
    for turnover in (3.0, 8.0):
        held, traded = at_turnover(sigma, 1.0, turnover, CONFIG, move)
        assert traded.sum() == pytest.approx(turnover, rel=0.05)
        assert held.mean() == pytest.approx(1.0, rel=1e-3)


def test_mean_when_no_volatility_is_known_then_it_is_refused() -> None:
    with pytest.raises(InputError, match="expected volatilities > 0, got none"):
        at_mean(np.full(ROWS, np.nan), 1.0, CONFIG, returns())
