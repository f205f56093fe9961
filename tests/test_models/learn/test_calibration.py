"""Calibration recovers what was planted, and shrinks to the prior where there is no skill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.heads import chained, sigmoid, softmax
from models.base.types import FloatArray
from models.learn.calibration import (
    MIN_ROWS,
    fit_conformal_offset,
    fit_direction_slope,
    fit_hazard_scale,
    fit_temperature,
    tempered,
)

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


@pytest.mark.parametrize(("planted", "bound"), [(0.05, 0.25), (200.0, 20.0)])
def test_temperature_when_evidence_is_off_beyond_belief_then_the_bound_is_used(
    planted: float, bound: float
) -> None:
    evidence = np.random.default_rng(0).normal(size=(2_000, 3))
    classes = draws(softmax(PRIOR + evidence), seed=1)
    found = fit_temperature(PRIOR + planted * evidence, classes, PRIOR)
    assert found == pytest.approx(bound, rel=1e-3)


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


def leaning(direction: float, rows: int = 40_000) -> tuple[FloatArray, FloatArray]:
    """Return logits (R, 3), and classes that follow the given share of the direction's evidence."""
    logits = PRIOR + np.random.default_rng(0).normal(size=(rows, 3))
    return logits, draws(chained(logits, PRIOR, 1.0, direction), seed=1)


@pytest.mark.parametrize("direction", [1.0, 0.6, 0.3, 0.0])
def test_direction_when_it_is_overstated_then_the_share_that_came_is_recovered(
    direction: float,
) -> None:
    assert fit_direction_slope(*leaning(direction), PRIOR) == pytest.approx(direction, abs=0.06)


def test_direction_when_it_is_backwards_then_it_is_not_believed_at_all() -> None:
    logits, classes = leaning(1.0)
    backwards = logits[:, [2, 1, 0]] - PRIOR[[2, 1, 0]] + PRIOR
    assert fit_direction_slope(backwards, classes, PRIOR) == pytest.approx(0.0, abs=1e-4)


def test_direction_when_it_is_understated_then_it_is_believed_as_it_stands() -> None:
    logits, classes = leaning(1.0)
    halved = PRIOR + 0.5 * (logits - PRIOR)
    assert fit_direction_slope(halved, classes, PRIOR) == pytest.approx(1.0, abs=1e-4)


def test_direction_when_rows_are_too_few_then_both_numbers_are_named() -> None:
    few = MIN_ROWS - 1
    with pytest.raises(InputError, match=f"at least {MIN_ROWS} calibration rows, got {few}"):
        fit_direction_slope(np.zeros((few, 3)), np.zeros(few), PRIOR)


def test_chained_when_both_slopes_are_one_then_it_is_softmax_and_at_zero_the_prior() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3)) * 5
    np.testing.assert_allclose(chained(logits, PRIOR, 1.0, 1.0), softmax(logits), atol=1e-12)
    rows = np.tile(softmax(PRIOR), (50, 1))
    np.testing.assert_allclose(chained(logits, PRIOR, 0.0, 0.0), rows, atol=1e-12)
    # Less belief in the direction leaves how likely a move is as it was.
    half = chained(logits, PRIOR, 1.0, 0.5)
    np.testing.assert_allclose(half[:, 1], softmax(logits)[:, 1], atol=1e-12)


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


def test_conformal_when_the_next_outcome_is_counted_too_then_one_more_score_lies_inside() -> None:
    # Scores 0..399 of one row each: ceil(401 * 0.9) = 361 of them, not ceil(400 * 0.9) = 360, must
    # lie strictly inside; `higher` then takes the one above position 361 / 400 of the way.
    scores = np.arange(400.0)
    assert fit_conformal_offset(np.zeros(400), np.zeros(400), scores, 0.9) == 361.0


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


def test_calibration_when_rows_are_just_enough_then_it_is_fitted() -> None:
    assert MIN_ROWS == 200
    assert fit_conformal_offset(np.zeros(200), np.zeros(200), np.zeros(200), 0.9) == 0.0


# -- hazard ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "slope"), [(0.9, 1.5), (0.6, 0.5)])
def test_hazard_scale_when_logits_are_off_then_offset_and_slope_are_recovered_in_that_order(
    offset: float, slope: float
) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-2.0, 1.0, size=(60_000, 2))
    event = (rng.random(logits.shape) < sigmoid(offset + slope * logits)).astype(np.float64)
    found = fit_hazard_scale(logits, event, np.ones_like(event))
    assert found == pytest.approx((offset, slope), abs=0.06)


def test_hazard_scale_when_rows_are_few_then_it_stays_near_the_logits_as_they_are() -> None:
    logits = np.full((20, 1), -3.0) + np.linspace(-1, 1, 20)[:, None]
    event = np.zeros((20, 1))
    event[:3] = 1.0  # the unlikeliest rows: no slope would be right
    offset, slope = fit_hazard_scale(logits, event, np.ones((20, 1)))
    assert slope == pytest.approx(1.0, abs=0.1)
    assert abs(offset + (slope - 1.0) * -3.0) < 0.1


@pytest.mark.parametrize("shift", [-4.0, -2.5, 2.5, 4.0])
def test_hazard_scale_when_logits_are_far_off_then_the_events_rate_is_met_nevertheless(
    shift: float,
) -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(-2.0, 1.0, size=(20_000, 2))
    event = (rng.random(truth.shape) < sigmoid(truth)).astype(np.float64)
    logits = truth + shift
    offset, slope = fit_hazard_scale(logits, event, np.ones_like(event))
    fitted = sigmoid(offset + slope * logits)
    assert fitted.mean() == pytest.approx(event.mean(), rel=0.1)  # the penalty holds back a little
    assert 0.5 < slope < 1.5


def test_hazard_scale_when_a_logit_is_not_finite_then_it_is_refused() -> None:
    logits = np.zeros((300, 2))
    logits[7, 1] = np.nan
    with pytest.raises(InputError, match="finite hazard logits, got 1 of 600"):
        fit_hazard_scale(logits, np.zeros_like(logits), np.ones_like(logits))


def test_hazard_scale_when_rows_are_not_at_risk_then_they_do_not_count() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(-2.0, 1.0, size=(5_000, 1))
    event = (rng.random(logits.shape) < sigmoid(logits)).astype(np.float64)
    at_risk = np.ones_like(event)
    alone = fit_hazard_scale(logits, event, at_risk)
    more = np.concatenate((logits, logits)), np.concatenate((event, np.zeros_like(event)))
    both = fit_hazard_scale(*more, np.concatenate((at_risk, np.zeros_like(at_risk))))
    assert both == pytest.approx(alone)


def test_hazard_scale_when_fitted_then_the_penalised_likelihood_is_at_its_peak() -> None:
    # Both parameters held near (0, 1) by a penalty of 100 rows, around the events' own rate.
    rng = np.random.default_rng(2)
    logits = rng.normal(-2.0, 1.0, size=(800, 3))
    event = (rng.random(logits.shape) < sigmoid(0.5 + 0.7 * logits)).astype(np.float64)
    at_risk = (rng.random(logits.shape) < 0.8).astype(np.float64)
    event *= at_risk
    centre = np.log(event.sum() / at_risk.sum())

    def cost(offset: float, slope: float) -> float:
        shift = offset - centre * (1.0 - slope)  # what the fit calls its offset
        p = sigmoid(offset + slope * logits)
        fit = -(at_risk * (event * np.log(p) + (1 - event) * np.log(1 - p))).sum()
        return float(fit + 50.0 * (shift**2 + (slope - 1.0) ** 2))

    offset, slope = fit_hazard_scale(logits, event, at_risk)
    best = cost(offset, slope)
    for step in (-0.01, 0.01):
        assert cost(offset + step, slope) > best
        assert cost(offset, slope + step) > best


def imbalance(
    logits: FloatArray, event: FloatArray, at_risk: FloatArray, rate: float
) -> tuple[float, float]:
    """Return the gradient of the penalised likelihood at what is fitted, around a rate of onsets.

    Both are 0 where it is highest: events beyond those expected weigh as much as 100 rows do.
    """
    offset, slope = fit_hazard_scale(logits, event, at_risk)
    centre = np.log(rate)
    beyond = at_risk * (event - sigmoid(offset + slope * logits))
    shift = offset - centre * (1.0 - slope)  # of the logits around the rate
    own = beyond.sum() - 100.0 * shift
    tilt = (beyond * (logits - centre)).sum() - 100.0 * (slope - 1.0)
    return float(own), float(tilt)


def test_hazard_scale_when_nearly_every_row_is_an_onset_then_the_peak_is_still_reached() -> None:
    # Likelihoods bend little at rates near 1: steps of a wrong length would not arrive.
    rng = np.random.default_rng(3)
    logits = rng.normal(3.0, 1.0, size=(4_000, 2))
    event = (rng.random(logits.shape) < sigmoid(0.5 + 0.8 * logits)).astype(np.float64)
    at_risk = np.ones_like(event)
    assert imbalance(logits, event, at_risk, event.mean()) == pytest.approx((0, 0), abs=1e-6)


def test_hazard_scale_when_frequent_onsets_are_overstated_then_the_search_begins_near_enough() -> (
    None
):
    # Begun at the logits as they are the search arrives; begun one higher its steps explode.
    rng = np.random.default_rng(5)
    logits = rng.normal(5.0, 0.5, size=(4_000, 1))
    event = (rng.random(logits.shape) < sigmoid(logits - 1.5)).astype(np.float64)
    at_risk = np.ones_like(event)
    assert imbalance(logits, event, at_risk, event.mean()) == pytest.approx((0, 0), abs=1e-6)


def test_hazard_scale_when_there_was_no_onset_then_half_a_one_stands_for_it() -> None:
    logits = np.random.default_rng(4).normal(-2.0, 1.0, size=(300, 1))
    none, at_risk = np.zeros_like(logits), np.ones_like(logits)
    assert imbalance(logits, none, at_risk, 0.5 / 300) == pytest.approx((0, 0), abs=1e-6)
    at_risk[1:] = 0.0
    assert imbalance(logits, none, at_risk, 0.5) == pytest.approx((0, 0), abs=1e-6)
