"""Expected shortfall of draws: closed forms, published thresholds, size and power."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.base.errors import InputError
from models.base.types import FloatArray
from models.evaluate.tails.shortfall import (
    drawn_ratios,
    drawn_tail,
    shortfall_ratio,
    shortfall_test,
)


def test_tail_when_drawn_from_a_normal_then_it_is_the_closed_form() -> None:
    losses = np.random.default_rng(0).standard_normal((400_000, 2)) * [1.0, 3.0]
    tail = drawn_tail(losses, 0.01)
    q = stats.norm.ppf(0.99)
    assert tail.value_at_risk == pytest.approx([q, 3 * q], rel=0.01)
    shortfall = stats.norm.pdf(q) / 0.01
    assert tail.expected_shortfall == pytest.approx([shortfall, 3 * shortfall], rel=0.01)


def test_quantile_when_a_further_draw_comes_then_it_passes_it_as_often_as_stated() -> None:
    """Few draws: 60 at 5 %. The order statistic keeps its promise, NumPy's quantile does not."""
    drawn = np.random.default_rng(1).standard_normal((61, 40_000))
    passed = drawn[60] > drawn_tail(drawn[:60], 0.05).value_at_risk
    assert passed.mean() == pytest.approx(3 / 61, abs=3 * np.sqrt(0.05 / 40_000))
    interpolated = drawn[60] > np.quantile(drawn[:60], 0.95, axis=0)
    assert interpolated.mean() > 0.055


def test_null_when_drawn_from_normals_then_its_thresholds_are_the_published_ones() -> None:
    """Acerbi & Szekely 2014, table 4: -0.70 at 5 % and -1.8 at 0.01 %, for 250 days at 2.5 %."""
    rng = np.random.default_rng(2)
    losses = rng.standard_normal((20_000, 1))
    ratios = drawn_ratios(losses, drawn_tail(losses, 0.025))[:, 0]
    assert ratios.mean() == pytest.approx(1.0)
    null = np.sort(1 - ratios[rng.integers(0, 20_000, (40_000, 250))].mean(axis=1))
    assert null[2000] == pytest.approx(-0.70, abs=0.03)
    assert null[4] == pytest.approx(-1.8, abs=0.2)


def _p_values(truth: FloatArray, level: float, seed: int) -> FloatArray:
    """p of each run (R,) of outcomes (R, D), forecast daily by 400 normal draws of their own."""
    rng = np.random.default_rng(seed)
    runs, days = truth.shape
    ratios, null = np.empty((runs, days)), np.zeros((500, runs))
    for day in range(days):
        drawn = rng.standard_normal((400, runs))
        tail = drawn_tail(drawn, level)
        ratios[:, day] = shortfall_ratio(truth[:, day], tail, level)
        null += drawn_ratios(drawn, tail)[rng.integers(0, 400, 500)]
    return np.array([shortfall_test(ratios[r], null[:, r]).p for r in range(runs)])


@pytest.mark.parametrize("level", [0.01, 0.05])
def test_size_when_the_forecast_is_right_then_as_many_are_rejected_as_stated(level: float) -> None:
    runs = 500
    p = _p_values(np.random.default_rng(3).standard_normal((runs, 250)), level, 4)
    rejected = int((p <= 0.05).sum())
    low, high = stats.binom.ppf([0.001, 0.999], runs, 0.05)
    assert rejected <= high
    if level == 0.05:
        assert rejected >= low


def test_power_when_the_truth_has_fatter_tails_then_it_is_rejected() -> None:
    """Student's t with three degrees of freedom and variance 1 against a normal of variance 1."""
    rng = np.random.default_rng(5)
    fat = rng.standard_t(3, (100, 1000)) / np.sqrt(3)
    assert (_p_values(fat, 0.01, 6) <= 0.05).sum() > 50
    narrow = 0.5 * rng.standard_normal((100, 250))  # forecast too wide
    assert (_p_values(narrow, 0.05, 7) <= 0.01).sum() > 90


def test_ratios_when_draws_are_tied_then_the_tail_is_still_its_share() -> None:
    losses = np.repeat([1.0, 2.0], [50, 49])[:, None]
    tail = drawn_tail(losses, 0.05)
    assert (drawn_ratios(losses, tail) > 0).sum() == 5
    assert drawn_ratios(losses, tail).mean() == pytest.approx(1.0)


def test_tail_when_it_cannot_be_told_then_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"at least one draw in a tail of 0\.01, got 9 draws"):
        drawn_tail(np.ones((9, 1)), 0.01)
    with pytest.raises(InputError, match="finite losses, got 1 others"):
        drawn_tail(np.array([[np.nan], [1.0]]), 0.5)
    gains = -np.ones((99, 1))
    with pytest.raises(InputError, match="the drawn tail earns money"):
        shortfall_ratio(np.zeros(1), drawn_tail(gains, 0.05), 0.05)
