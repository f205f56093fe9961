"""The regression every training fits for its calibration: of whom it knows, and who has it."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from models.base import columns
from models.base.types import Artifact
from models.base.windows import MAX_CONTEXT_CANDLES
from models.learn import catalog
from models.learn.jobs.pipeline import train
from models.learn.training.prepare import Prepared, prepare
from models.learn.volatility.ahead import fit_ahead
from models.serve.predictor import Predictor
from models.serve.session import Session, graph_input
from models.serve.volatility import VolatilityForecast
from tests.test_contract import planted
from tests.test_models.learn.volatility.rhythm import ROWS, SETTINGS, market, market_job

WARM_UP = MAX_CONTEXT_CANDLES - 1  # the longest average of past ranges


def prepared(network: str = "linear", **settings: object) -> Prepared:
    job = market_job(market(), network, **settings)
    return prepare(job, catalog.load(network))


@cache
def trained(network: str) -> Artifact:
    training = {**SETTINGS["training"], "max_steps": 40}
    return train(market_job(market(), network, training=training))


# The others are prepared alike but for the newest rows, which are held out (below).
@pytest.mark.parametrize("network", [n for n in catalog.names() if catalog.load(n).cross_fits])
def test_regression_when_any_model_is_trained_then_it_is_fitted_for_it_as_well(
    network: str,
) -> None:
    training = {**SETTINGS["training"], "cross_fit": 3}  # the hybrid wants long blocks
    ahead = fit_ahead(prepared(network, training=training))
    assert ahead.why == ""
    assert ahead.fitted is not None
    np.testing.assert_array_equal(np.isfinite(ahead.unseen), np.arange(ROWS) >= WARM_UP)


def test_regression_when_outcomes_of_a_block_are_others_then_its_own_forecasts_stay() -> None:
    data = prepared()
    block, t = data.blocks[1], np.arange(ROWS)
    inside = (t >= block.start) & (t < block.stop)
    labels = dict(data.job.labels)
    labels[columns.LABEL_RETURN] = np.where(inside, 3.0, 1.0) * labels[columns.LABEL_RETURN]
    other = dataclasses.replace(data, job=dataclasses.replace(data.job, labels=labels))
    before, after = fit_ahead(data).unseen, fit_ahead(other).unseen
    np.testing.assert_array_equal(before[inside], after[inside])
    moved = ~inside & np.isfinite(before)
    assert (before[moved] != after[moved]).all()  # the control: the other blocks learn from it


def test_regression_when_the_newest_rows_are_held_out_then_it_knows_none_of_them() -> None:
    training = {**SETTINGS["training"], "cross_fit": 1}
    data = prepared(training=training)
    first = data.split.validation.start
    features = data.job.features.copy()
    features[first:] *= np.random.default_rng(6).uniform(0.5, 2.0, size=features[first:].shape)
    labels = {name: values.copy() for name, values in data.job.labels.items()}
    for values in labels.values():
        values[first:] = values[first:][::-1]
    changed = dataclasses.replace(data.job, features=features, labels=labels)
    before, after = (
        fit_ahead(prepare(job, catalog.load("linear"))).fitted for job in (data.job, changed)
    )
    assert before == after


def test_regression_when_there_is_no_range_then_calibration_does_without_and_says_why() -> None:
    ahead = fit_ahead(planted.prepared(planted.planted_job("linear")))
    assert ahead.fitted is None
    assert "expected the feature %-range" in ahead.why
    np.testing.assert_array_equal(ahead.unseen, 0.0)


def test_regression_when_rows_are_few_then_calibration_does_without_and_says_how_many() -> None:
    job = market_job(market())
    few = slice(0, 700)
    cut = dataclasses.replace(
        job, features=job.features[few], time_ms=job.time_ms[few],
        labels={name: values[few] for name, values in job.labels.items()},
        settings=SETTINGS | {"training": {**SETTINGS["training"], "cross_fit": 2}},
    )  # fmt: skip
    ahead = fit_ahead(prepare(cut, catalog.load("linear")))
    assert ahead.fitted is None
    assert "expected 500 rows with a whole context, got" in ahead.why


def test_training_when_volatility_is_planted_then_the_odds_of_a_move_rise_with_its_forecast() -> (
    None
):
    manifest = trained("linear").manifest
    assert not [text for text in manifest["card"]["warnings"] if "volatility" in text]
    slope = manifest["calibration"]["moves"]["slope"]
    assert slope[0] + slope[1] > 0.2
    job = market_job(market(), "linear")
    out = Predictor(trained("linear")).predict(job.features, job.time_ms, job.feature_names)
    rows = np.isfinite(out[columns.P_FLAT])
    np.testing.assert_array_equal(rows, np.arange(ROWS) >= WARM_UP)


def test_forecast_when_it_is_a_head_of_the_graph_too_then_both_say_the_same() -> None:
    job, artifact = market_job(market()), trained("volatility")
    forecast = VolatilityForecast.of(artifact.manifest)
    assert forecast is not None
    beside = forecast(job.features, job.time_ms)
    x = graph_input(job.features, job.time_ms, artifact.manifest)
    relative = Session(artifact.onnx).run(x[None])[0, :, -1].astype(np.float64)
    sigma = job.features[:, job.feature_names.index(columns.FEATURE_SIGMA)].astype(np.float64)
    known = np.isfinite(beside)
    np.testing.assert_allclose(
        beside[known], (relative + np.log(2.0 * sigma))[known], atol=2e-5
    )  # horizon 4
