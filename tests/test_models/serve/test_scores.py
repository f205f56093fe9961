"""Scores by hand: outside the interval, improbable, short of the claim, and bold."""

from __future__ import annotations

import numpy as np

from models.base import columns
from models.serve.predictor import Predictor
from models.serve.scores import (
    BOLDNESS,
    CLAIM,
    COVERAGE,
    FEATURES,
    LOSS,
    class_loss,
    job_outcome,
    row_scores,
)
from tests.test_contract import echo
from tests.test_models.serve.echo_job import job


def told(rows: int = 4, **values: object) -> dict[str, np.ndarray]:
    known = {
        columns.P_UP: 0.6, columns.P_FLAT: 0.3, columns.P_DOWN: 0.1, columns.SIGMA: 0.01,
        columns.RETURN_LOW: -0.02, columns.RETURN_HIGH: 0.02, columns.EDGE: 0.004,
        columns.EDGE_LOW: 0.002, columns.DRIFT: 0.5,
    }  # fmt: skip
    return {
        name: np.broadcast_to(np.asarray(values.get(name, known.get(name, np.nan)), float), rows)
        for name in columns.FORECAST
    }


R = np.array([0.01, 0.03, -0.03, np.nan])
CLASS = np.array([1.0, 1.0, -1.0, np.nan])


def test_scores_when_outcomes_are_known_then_each_is_as_by_hand_and_else_nan():
    found = row_scores(told(), R, CLASS)
    np.testing.assert_allclose(found[COVERAGE], [0, 1, 1, np.nan])
    entropy = -sum(p * np.log(p) for p in (0.6, 0.3, 0.1))
    raw = np.array([-np.log(0.6)] * 2 + [-np.log(0.1), np.nan])
    np.testing.assert_allclose(found[LOSS], raw - entropy)
    np.testing.assert_allclose(class_loss(told(), CLASS), raw)
    # 0.4 sigmas were claimed; 1, 3 and -3 came.
    np.testing.assert_allclose(found[CLAIM], [0.4 * (0.4 - 1), 0.4 * (0.4 - 3), 0.4 * 3.4, np.nan])
    np.testing.assert_allclose(found[BOLDNESS], [0.7] * 4)  # before anything has come
    np.testing.assert_allclose(found[FEATURES], [0.5] * 4)


def test_loss_when_probabilities_come_true_then_its_mean_is_0_however_sure_they_are():
    rng, rows = np.random.default_rng(0), 40_000
    sure = np.where(np.arange(rows) % 2, 0.9, 0.4)  # of a rise; two kinds of market
    rest = (1 - sure) / 2
    came = np.select([(u := rng.random(rows)) < sure, u < sure + rest], [1.0, 0.0], -1.0)
    p = {columns.P_UP: sure, columns.P_FLAT: rest, columns.P_DOWN: rest}
    loss = row_scores(told(rows, **p), 0.01 * came, came)[LOSS]
    for kind in (0, 1):
        assert abs(loss[kind::2].mean()) < 4 * loss[kind::2].std() / np.sqrt(rows / 2)
    wrong = row_scores(told(rows, **{**p, columns.P_UP: rest, columns.P_DOWN: sure}), came, came)
    assert wrong[LOSS].mean() > 0.2


def test_scores_when_a_model_has_no_quantiles_then_it_has_no_interval_and_claims_nothing():
    without = dict.fromkeys(columns.OF_HEAD[columns.HEAD_QUANTILES], np.nan)
    found = row_scores(told(**without), R, CLASS)
    assert np.isnan(found[COVERAGE]).all()
    assert np.isnan(found[CLAIM]).all()
    np.testing.assert_allclose(found[BOLDNESS], [0.5] * 4)


def test_scores_when_there_is_no_forecast_or_no_volatility_then_no_number_is_made_up():
    nothing = row_scores({n: np.full(4, np.nan) for n in columns.FORECAST}, R, CLASS)
    assert all(np.isnan(scores).all() for scores in nothing.values())
    still = row_scores(told(**{columns.SIGMA: 0.0}), R, CLASS)
    assert np.isnan(still[CLAIM]).all()
    assert row_scores(told(**{columns.DRIFT: 1e9}), R, CLASS)[FEATURES][0] == 3.0


def test_outcome_when_it_is_of_a_job_then_it_is_in_log_returns_again():
    rows = job()
    came, direction = job_outcome(rows, 4)
    # The echo's label is its feature in units of a volatility of 1 over the horizon.
    np.testing.assert_allclose(came, rows.labels[columns.LABEL_RETURN] * echo.SIGMA * 2)
    assert direction is rows.labels[columns.LABEL_DIRECTION]


def test_scores_when_a_later_row_changes_then_those_before_it_do_not():
    rows, model = job(), Predictor(echo.echo_artifact())
    a = row_scores(
        model.predict(rows.features, rows.time_ms, rows.feature_names), *job_outcome(rows, 4)
    )
    rows.features[1500:] *= 3.0
    b = row_scores(
        model.predict(rows.features, rows.time_ms, rows.feature_names), *job_outcome(rows, 4)
    )
    for name in a:
        np.testing.assert_array_equal(a[name][:1500], b[name][:1500])
