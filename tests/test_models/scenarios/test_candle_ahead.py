"""The candle to come: the mean of its worst draws, against closed forms and against more draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.scenarios.candle_ahead import candle_shocks
from models.scenarios.chunked import ChunkedScenarios, all_answer
from models.scenarios.paths import CHUNK, PathBlock

COINS = ("BTC/USDT:USDT", "LTC/USDT:USDT")


def drawing(quantile: dict[str, tuple[float, float]]) -> ChunkedScenarios:
    """Return scenarios whose lows and highs are half-normal, of a sigma for each coin and side."""

    def block(steps: int, rng: np.random.Generator) -> PathBlock:
        shape = (CHUNK, steps, len(quantile))
        down, up = np.array(list(quantile.values())).T
        low, high = (s * np.abs(rng.standard_normal(shape)) for s in (-down, up))
        none: FloatArray = np.zeros(shape)
        return PathBlock(close=none, low=low, high=high, funding=none, answers=all_answer(steps))

    return ChunkedScenarios(coins=tuple(quantile), candle_ms=HOUR_MS, block=block)


def half_normal_shortfall(level: float) -> float:
    """Return the mean beyond the quantile of |N(0, 1)|, in closed form."""
    at = norm.ppf(1 - level / 2)
    return float(2 * norm.pdf(at) / level)


def test_shock_when_lows_are_half_normal_then_it_is_their_expected_shortfall_of_log_price() -> None:
    spread = {COINS[0]: (0.01, 0.02), COINS[1]: (0.03, 0.005)}
    found = candle_shocks(drawing(spread), 400_000, seed=1)
    wanted = half_normal_shortfall(1e-3)
    for coin, (down, up) in spread.items():
        assert -np.log1p(-found[coin].fall_frac) == pytest.approx(down * wanted, rel=0.02)
        assert np.log1p(found[coin].rise_frac) == pytest.approx(up * wanted, rel=0.02)


def test_shock_when_draws_are_few_then_it_is_above_the_truth_nineteen_times_of_twenty() -> None:
    wanted = -np.expm1(-0.01 * half_normal_shortfall(0.01))
    found = [
        candle_shocks(drawing({COINS[0]: (0.01, 0.01)}), 8_192, seed, level=0.01)[COINS[0]]
        for seed in range(200)
    ]
    above = sum(shock.fall_frac >= wanted for shock in found)
    # Binomial of 200 at 0.95: below 181 once in 300; a mean without its error would have 100.
    assert above >= 181
    assert np.mean([shock.fall_frac for shock in found]) == pytest.approx(wanted, rel=0.05)


def test_shock_when_the_seed_is_the_same_then_so_is_it_and_else_it_is_not() -> None:
    market = drawing({COINS[0]: (0.01, 0.02)})
    first = candle_shocks(market, 60_000, seed=1)
    assert candle_shocks(market, 60_000, seed=1) == first
    assert candle_shocks(market, 60_000, seed=2) != first


def test_shock_when_the_tail_has_no_mean_in_price_then_it_is_finite() -> None:
    def block(steps: int, rng: np.random.Generator) -> PathBlock:
        high = 0.01 * rng.pareto(4.0, (CHUNK, steps, 1))  # in log: the price has no mean
        none: FloatArray = np.zeros_like(high)
        return PathBlock(close=none, low=-high, high=high, funding=none, answers=all_answer(steps))

    market = ChunkedScenarios(coins=COINS[:1], candle_ms=HOUR_MS, block=block)
    found = candle_shocks(market, 400_000, seed=3)[COINS[0]]
    # Lomax: beyond its quantile q the mean is q + (q + 1) / 3 for a shape of four.
    quantile = 1e-3**-0.25 - 1
    log_move = 0.01 * (quantile + (quantile + 1) / 3)
    assert np.log1p(found.rise_frac) == pytest.approx(log_move, rel=0.1)
    assert 0 < found.fall_frac < 1


def test_shock_when_the_tail_would_be_of_few_draws_then_more_are_asked_for() -> None:
    market = drawing({COINS[0]: (0.01, 0.02)})
    with pytest.raises(InputError, match=r"at least 50,000 paths, got 49,999"):
        candle_shocks(market, 49_999, seed=0)
    candle_shocks(market, 50_000, seed=0)
