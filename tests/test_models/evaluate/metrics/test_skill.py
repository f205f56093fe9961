"""A gain in log loss and its two parts."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.units import MILLIBITS
from models.evaluate.metrics.skill import split_gain

ROWS = 4_000
PRIOR = np.array([0.3, 0.4, 0.3])


@pytest.fixture
def outcome() -> np.ndarray:
    return np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=ROWS, p=PRIOR)


def test_parts_when_added_then_they_are_the_gain_of_the_three_classes(outcome: np.ndarray) -> None:
    p = np.random.default_rng(1).dirichlet([2.0, 3.0, 2.0], size=ROWS)
    chosen = (outcome + 1).astype(int)
    whole = MILLIBITS * np.log(p[np.arange(ROWS), chosen] / PRIOR[chosen])
    assert split_gain(p, outcome, PRIOR).total == pytest.approx(whole)


def test_gain_when_only_the_size_of_moves_is_known_then_none_of_it_is_direction(
    outcome: np.ndarray,
) -> None:
    p = np.where((outcome != 0)[:, None], [0.45, 0.1, 0.45], [0.1, 0.8, 0.1])
    gain = split_gain(p, outcome, PRIOR)
    assert gain.volatility.mean() > 300
    assert gain.direction == pytest.approx(np.zeros(ROWS))


def test_gain_when_only_sides_are_known_then_none_of_it_is_volatility(outcome: np.ndarray) -> None:
    p = np.where((outcome > 0)[:, None], [0.1, 0.4, 0.5], [0.5, 0.4, 0.1])
    gain = split_gain(p, outcome, PRIOR)
    assert gain.volatility == pytest.approx(np.zeros(ROWS))
    assert gain.direction.mean() > 300
    assert not gain.direction[outcome == 0].any()


def test_gain_when_sides_are_guessed_wrong_with_conviction_then_direction_loses_what_volatility_won(
    outcome: np.ndarray,
) -> None:
    knows = np.where((outcome != 0)[:, None], [0.45, 0.1, 0.45], [0.1, 0.8, 0.1])
    wrong = np.where((outcome > 0)[:, None], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8])
    p = np.where((outcome == 0)[:, None], knows, wrong)
    gain = split_gain(p, outcome, PRIOR)
    assert gain.volatility.mean() > 300
    assert gain.direction.mean() < -300


def test_gain_when_a_model_is_certain_that_nothing_moves_then_it_is_finite() -> None:
    gain = split_gain(np.array([[0.0, 1.0, 0.0]] * 2), np.array([1.0, 0.0]), PRIOR)
    assert np.isfinite(gain.total).all()
    assert gain.volatility[0] < -20_000 < 0 < gain.volatility[1]
    assert gain.direction == pytest.approx([0.0, 0.0])
