"""What every trained network's forecasts must be, seen from outside: through the predictor.

`test_networks.py` probes the modules; here the same probes go through export, serving and decoding.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from models.base import columns
from models.base.types import Artifact, FloatArray, TrainingJob
from models.learn import catalog
from models.learn.export.onnx import to_onnx
from models.learn.jobs.pipeline import train
from models.serve.predictor import Predictor
from tests.test_contract import echo, planted, probes

SHUFFLED_ROWS = 8_000  # some 1,300 held-out rows that moved: one standard error is 0.016
CHANCE = 0.05  # three of them
PROBABILITIES = (columns.P_DOWN, columns.P_FLAT, columns.P_UP)
ONSETS = (columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP,
          columns.HAZARD_DOWN, columns.HAZARD_UP)  # fmt: skip


def shuffled(network: str, leak: bool, seed: int = 3) -> TrainingJob:
    """Features without any relation to the labels; with `leak`, one column is the label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(SHUFFLED_ROWS, len(planted.NAMES)))
    x[:, -1] = 0.01 * np.exp(0.1 * x[:, -1])
    job = planted.planted_job(network)
    rows = rng.integers(len(job.time_ms), size=SHUFFLED_ROWS)
    labels = {name: values[rows] for name, values in job.labels.items()}
    if leak:
        x[:, 1] = labels[columns.LABEL_DIRECTION] + 0.3 * x[:, 1]
    return dataclasses.replace(
        job, features=x.astype(np.float32), labels=labels,
        time_ms=planted.times(SHUFFLED_ROWS, job.candle_ms),
    )  # fmt: skip


def held_out_auc(network: str, leak: bool) -> float:
    job = shuffled(network, leak, seed=4)  # every row of the other one has been trained on
    model = Predictor(train(shuffled(network, leak)))
    out = model.predict(job.features, job.time_ms, job.feature_names)
    label, score = planted.asked(job, out)
    assert 1 / math.sqrt(3 * len(label)) < CHANCE / 2.9  # the band is wide enough to mean chance
    return float(roc_auc_score(label, score))


def predict(artifact: Artifact, x: np.ndarray) -> dict[str, FloatArray]:
    names, candle_ms = tuple(artifact.manifest["feature_names"]), artifact.manifest["candle_ms"]
    times = planted.times(len(x), candle_ms)
    return Predictor(artifact).predict(x.astype(np.float32), times, names)


def late_rows_changed(artifact: Artifact, x: np.ndarray, after: int, value: float) -> bool:
    """Whether any column of a row up to `after` moves when the rows behind it become `value`."""
    other = x.copy()
    other[after + 1 :] = value
    one, two = predict(artifact, x), predict(artifact, other)
    return any(
        not np.allclose(one[name][: after + 1], two[name][: after + 1], atol=1e-7, equal_nan=True)
        for name in columns.FORECAST
    )


@pytest.mark.parametrize("network", catalog.names())
def test_forecasts_when_labels_are_shuffled_then_held_out_auc_is_one_half(network: str) -> None:
    assert abs(held_out_auc(network, leak=False) - 0.5) < CHANCE


def test_shuffled_label_probe_when_a_feature_leaks_the_label_then_it_convicts() -> None:
    assert held_out_auc("tcn", leak=True) > 0.5 + 5 * CHANCE


@pytest.mark.parametrize("network", catalog.names())
def test_training_when_repeated_in_another_random_state_then_the_bytes_are_the_same(
    network: str,
) -> None:
    torch.manual_seed(987)
    np.random.seed(987)  # noqa: NPY002 - the state a strategy might leave behind
    again = train(planted.planted_job(network))
    assert Artifact.digest(again.onnx) == planted.planted_artifact(network).manifest["onnx_sha256"]


@pytest.mark.parametrize("network", catalog.names())
@pytest.mark.parametrize("size", ["random", "constant", "zero", "large", "enormous"])
def test_forecasts_when_input_is_ordinary_or_mad_then_they_are_finite_and_ordered(
    network: str, size: str
) -> None:
    artifact = planted.planted_artifact(network)
    context, rng = artifact.manifest["context_candles"], np.random.default_rng(2)
    x = rng.normal(size=(context + 40, len(planted.NAMES)))
    if size != "random":
        x[:] = {"constant": 1.0, "zero": 0.0, "large": 1e6, "enormous": 1e30}[size]
    x[:, -1] = 0.01  # the volatility scales returns; it is not on trial here
    out = {name: values[context - 1 :] for name, values in predict(artifact, x).items()}
    answered = set(planted.answered(network))
    for name in columns.FORECAST:
        assert (np.isfinite if name in answered else np.isnan)(out[name]).all(), name
    np.testing.assert_allclose(sum(out[name] for name in PROBABILITIES), 1.0, atol=1e-12)
    for name in {*PROBABILITIES, *ONSETS} & answered:
        assert ((out[name] >= 0) & (out[name] <= 1)).all(), name
    quantiles = np.column_stack([out[name] for name in columns.RETURN_QUANTILES])
    assert not (np.diff(quantiles, axis=1) < 0).any()  # NaN where there are none
    if size in ("large", "enormous"):
        assert (out[columns.ABSTAIN] == 1).all()


@pytest.mark.parametrize("network", catalog.names())
@pytest.mark.parametrize("value", [0.0, 50.0, np.nan, np.inf])
def test_forecasts_when_later_rows_change_or_break_then_no_earlier_row_moves(
    network: str, value: float
) -> None:
    artifact = planted.planted_artifact(network)
    x = planted.planted_job(network).features[:700]
    for after in (artifact.manifest["context_candles"], 511, 698):
        assert not late_rows_changed(artifact, x, after, value)


@pytest.mark.parametrize("value", [0.0, 50.0])
def test_causality_probe_when_the_served_network_looks_ahead_then_it_convicts(
    value: float,
) -> None:
    good, width = echo.echo_artifact(), echo.LAYOUT.width
    torch.manual_seed(0)
    x = echo.echo_rows(200)
    for module, looks_ahead in (
        (probes.CausalConvolutions(len(echo.NAMES), width), False),
        (probes.SymmetricConvolutions(len(echo.NAMES), width), True),
    ):
        onnx = to_onnx(module, len(echo.NAMES))
        manifest: dict[str, Any] = {
            **good.manifest, "context_candles": 7, "onnx_sha256": Artifact.digest(onnx),
        }  # fmt: skip
        assert late_rows_changed(Artifact(onnx, manifest), x, 100, value) == looks_ahead


@pytest.mark.parametrize("network", catalog.names())
def test_training_when_there_is_no_signal_and_it_stops_early_then_there_is_an_artifact(
    network: str,
) -> None:
    settings = {
        **planted.SETTINGS,
        "training": {
            **planted.SETTINGS["training"], "max_steps": 20, "learning_rate": 1e-3, "ema": 0.99,
        },
    }  # fmt: skip
    # Outputs then hardly move: one unit in the last place of a hazard logit of -3.5 is 2e-7, more
    # than 1e-4 of a spread of 0.002. The check of the context must not measure rounding.
    job = dataclasses.replace(planted.shuffled_job(network), settings=settings)
    assert train(job).manifest["context_candles"] in catalog.load(network).contexts
