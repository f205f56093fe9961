"""Calibration recovers what was planted, and shrinks to the prior where there is no skill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.heads import softmax
from models.base.types import FloatArray
from models.learn.calibration import MIN_ROWS, fit_conformal_offset, fit_temperature, tempered

PRIOR = np.log([0.3, 0.3, 0.4])


def draws(p: FloatArray, seed: int) -> FloatArray:
    """Return one class index per row of probabilities (R, 3)."""
    u = np.random.default_rng(seed).random(len(p))
    return (u[:, None] > np.cumsum(p, axis=1)).sum(axis=1).astype(np.float64)


@pytest.mark.parametrize("planted", [0.5, 1.0, 2.0, 4.0])
def test_temperature_when_evidence_is_overstated_then_the_factor_is_recovered(
    planted: float,
) -> None:
    evidence = np.random.default_rng(0).normal(size=(40_000, 3))
    classes = draws(softmax(PRIOR + evidence), seed=1)
    found = fit_temperature(PRIOR + planted * evidence, classes, PRIOR)
    assert found == pytest.approx(planted, rel=0.05)


def test_temperature_when_there_is_no_skill_then_probabilities_shrink_to_the_prior() -> None:
    rng = np.random.default_rng(0)
    logits = PRIOR + 2.0 * rng.normal(size=(20_000, 3))
    classes = draws(np.tile(softmax(PRIOR), (20_000, 1)), seed=1)
    found = fit_temperature(logits, classes, PRIOR)
    p = tempered(logits, PRIOR, found)
    assert found > 15
    assert np.abs(p - softmax(PRIOR)).mean() < 0.03
    # Plain temperature would have gone to one third each, which is not the class frequencies.
    assert np.abs(p.mean(axis=0) - [0.3, 0.3, 0.4]).max() < 0.005


@settings(max_examples=40, deadline=None)
@given(temperature=st.floats(0.25, 20), seed=st.integers(0, 1000))
def test_tempered_when_the_temperature_rises_then_rows_move_towards_the_prior(
    temperature: float, seed: int
) -> None:
    logits = np.random.default_rng(seed).normal(size=(20, 3))
    np.testing.assert_allclose(tempered(logits, PRIOR, 1.0), softmax(logits))
    np.testing.assert_allclose(tempered(PRIOR[None], PRIOR, temperature), softmax(PRIOR)[None])

    def divergence(t: float) -> FloatArray:
        p = tempered(logits, PRIOR, t)
        return (p * np.log(p / softmax(PRIOR))).sum(axis=1)

    assert (divergence(2 * temperature) <= divergence(temperature) + 1e-12).all()


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.99])
def test_conformal_when_outcomes_are_exchangeable_then_coverage_is_at_least_nominal(
    coverage: float,
) -> None:
    # Theorem: E[coverage] >= nominal, and <= nominal + 1 / (n + 1) without ties.
    rng, inside, n = np.random.default_rng(0), [], 400
    for _ in range(300):
        y = rng.standard_t(3, size=n + 200)
        offset = fit_conformal_offset(np.full(n, -1.0), np.full(n, 1.0), y[:n], coverage)
        inside.append((np.abs(y[n:]) <= 1.0 + offset).mean())
    error = np.std(inside) / np.sqrt(len(inside))
    assert np.mean(inside) >= coverage - 3 * error
    assert np.mean(inside) <= coverage + 1 / (n + 1) + 3 * error


def test_conformal_when_the_interval_is_too_wide_then_the_offset_narrows_it() -> None:
    y = np.linspace(-1, 1, 401)
    assert fit_conformal_offset(np.full(401, -5.0), np.full(401, 5.0), y, 0.9) < 0
    # 401 scores |y|: the ceil(402 * 0.9) = 362nd smallest of them is |y| = 0.905.
    offset = fit_conformal_offset(np.zeros(401), np.zeros(401), y, 0.9)
    assert offset == pytest.approx(0.905)


def test_conformal_when_the_coverage_needs_more_rows_than_there_are_then_the_largest_is_used() -> (
    None
):
    y = np.linspace(0, 1, MIN_ROWS)
    assert fit_conformal_offset(np.zeros(MIN_ROWS), np.zeros(MIN_ROWS), y, 0.999) == 1.0


def test_calibration_when_rows_are_too_few_then_both_numbers_are_named() -> None:
    few = MIN_ROWS - 1
    with pytest.raises(InputError, match=f"at least {MIN_ROWS} calibration rows, got {few}"):
        fit_temperature(np.zeros((few, 3)), np.zeros(few), PRIOR)
    with pytest.raises(InputError, match=f"at least {MIN_ROWS} calibration rows, got {few}"):
        fit_conformal_offset(np.zeros(few), np.zeros(few), np.zeros(few), 0.9)
