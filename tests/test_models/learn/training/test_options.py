"""Options of the one training loop: row weights, mixed precision, device, curves on disk."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import columns
from models.base.errors import ConfigError
from models.base.types import Artifact, TrainingJob
from models.base.windows import Span
from models.learn import catalog
from models.learn.jobs.pipeline import check, train
from models.learn.training.loop import fit, place
from models.learn.training.networks import tail_weights
from models.learn.training.settings import TrainingSettings
from models.serve.predictor import Predictor
from tests.test_contract import planted


def job(network: str = "tcn", **training: Any) -> TrainingJob:
    merged = {**planted.SETTINGS["training"], "max_steps": 20, **training}
    return dataclasses.replace(
        planted.planted_job(network), settings={**planted.SETTINGS, "training": merged}
    )


def advantage(artifact: Artifact) -> np.ndarray:
    rows = job()
    out = Predictor(artifact).predict(rows.features, rows.time_ms, rows.feature_names)
    return out[columns.LABEL_DIRECTION][artifact.manifest["context_candles"] :]


def test_weights_when_rows_age_then_they_halve_and_the_newest_counts_fully() -> None:
    data = planted.prepared(job(half_life_days=10.0))
    weight = data.rows.weight.numpy()
    assert weight[-1] == 1
    assert weight[-1 - 240] == pytest.approx(0.5)
    assert weight[-1 - 480] == pytest.approx(0.25)
    assert (planted.prepared(job()).rows.weight == 1).all()


def test_weights_when_old_rows_contradict_new_ones_then_the_half_life_decides() -> None:
    """The label turns around a third into the training rows."""
    plain = job()
    turn = len(plain.time_ms) // 3
    sign = np.where(np.arange(len(plain.time_ms)) < turn, -1.0, 1.0)
    labels = {**plain.labels}
    for name in (columns.LABEL_RETURN, columns.LABEL_DIRECTION):
        labels[name] = sign * labels[name]
    scores = {}
    for half_life in (0.0, 5.0):
        turned = dataclasses.replace(job(max_steps=60, half_life_days=half_life), labels=labels)
        out = advantage(train(turned))
        x = turned.features[-len(out) :, 0]
        scores[half_life] = np.corrcoef(out, x)[0, 1]
    assert scores[5.0] > max(0.8, scores[0.0] + 0.1)


def test_tails_when_weighed_then_the_largest_twentieth_of_the_training_rows_counts_more() -> None:
    outcome = np.random.default_rng(0).standard_t(3, 2_000)
    outcome[::50] = np.nan
    weight = tail_weights(outcome, Span(0, 1_000), 3.0)
    known = np.abs(outcome[:1_000][np.isfinite(outcome[:1_000])])
    bound = np.quantile(known, 0.95)
    np.testing.assert_array_equal(weight, np.where(np.abs(outcome) > bound, 3.0, 1.0))
    # What comes later does not move the bound: only training rows tell what is large.
    later = outcome.copy()
    later[1_000:] *= 100.0
    np.testing.assert_array_equal(tail_weights(later, Span(0, 1_000), 3.0)[:1_000], weight[:1_000])
    assert (tail_weights(outcome, Span(0, 1_000), 1.0) == 1.0).all()


def test_tails_when_weighed_then_networks_train_by_them_and_are_judged_without() -> None:
    made = job(max_steps=20, evaluate_every=20)
    heavy = job(max_steps=20, evaluate_every=20, tail_weight=5.0)
    seen: list[tuple[float, float]] = []

    def noting(network: Any, rows: Any, *args: Any, judged: Any, **more: Any) -> Any:
        seen.append((float(rows.weight.max()), float(judged.weight.max())))
        return fit(network, rows, *args, judged=judged, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.learn.training.networks.fit", noting)
        plain, weighed = (advantage(train(each)) for each in (made, heavy))
    members = len(seen) // 2
    assert seen == [(1.0, 1.0)] * members + [(5.0, 1.0)] * members
    assert not np.allclose(plain, weighed, equal_nan=True)


@pytest.mark.parametrize("network", ["boosted", "hybrid", "volatility", "gan"])
def test_tails_when_a_model_cannot_weigh_them_then_refused_not_ignored(network: str) -> None:
    check(network, {"training": {"tail_weight": 1.0}})
    with pytest.raises(ConfigError, match="only networks weigh the tails"):
        check(network, {"training": {"tail_weight": 2.0}})


def in_bfloat16(network: str) -> np.ndarray | ConfigError:
    """Return the forecasts after training in bfloat16, or why this processor cannot."""
    try:
        return advantage(train(job(network, precision="bfloat16")))
    except ConfigError as error:
        return error


@pytest.mark.parametrize("network", catalog.networks())
def test_mixed_precision_when_used_then_training_goes_nearly_the_same_way(network: str) -> None:
    exact = advantage(train(job(network, precision="float32")))
    mixed = in_bfloat16(network)
    if isinstance(mixed, ConfigError):
        # Without AVX-512 torch computes no LSTM so, with whatever network around it.
        assert (mixed.where, mixed.cure) == ("training.precision", "set it to float32 or auto")
        lstm, rows = torch.nn.LSTM(4, 4), torch.zeros(2, 1, 4)
        with torch.autocast("cpu", torch.bfloat16), pytest.raises(RuntimeError, match="primitive"):
            lstm(rows)
        return
    assert not np.array_equal(exact, mixed)  # the option does something
    assert np.corrcoef(exact, mixed)[0, 1] > 0.95


def test_device_when_left_alone_then_it_is_the_gpu_where_there_is_one() -> None:
    device, mixed = place(TrainingSettings())
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert mixed == torch.cuda.is_available()
    assert place(TrainingSettings(device="cpu"))[0].type == "cpu"
    assert place(TrainingSettings(device="cpu", precision="bfloat16"))[1]


def test_device_when_a_gpu_is_asked_for_and_there_is_none_then_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="expected a GPU, found none") as caught:
        train(job(device="cuda"))
    assert caught.value.where == "training.device"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"device": "tpu"}, "expected device to be one of auto, cpu, cuda, got tpu"),
        (
            {"precision": "int8"},
            "expected precision to be one of auto, float32, bfloat16, got int8",
        ),
        ({"half_life_days": -1.0}, "expected half_life_days finite and >= 0, got -1.0"),
        ({"tail_weight": 0.5}, "expected tail_weight finite and >= 1, got 0.5"),
        ({"tail_weight": math.inf}, "expected tail_weight finite and >= 1, got inf"),
        ({"members": 0}, "expected members >= 1, got 0"),
        ({"tensorboard_dir": 3}, "expected a text for tensorboard_dir, got 3"),
    ],
)
def test_option_when_wrong_then_expected_and_actual_are_named(
    setting: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        planted.prepared(job(**setting))
    assert caught.value.problem == said


def test_curves_when_asked_for_then_they_are_on_disk_and_the_model_is_the_same(
    tmp_path: Path,
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with_curves = train(job(tensorboard_dir=str(tmp_path)))
    assert Artifact.digest(with_curves.onnx) == Artifact.digest(train(job()).onnx)
    files = list(tmp_path.rglob("events.out.tfevents.*"))
    assert files
    found = []
    for file in files:
        events = EventAccumulator(str(file)).Reload()
        found += [s.value for tag in events.Tags()["scalars"] for s in events.Scalars(tag)]
    validation = with_curves.manifest["history"][0][-1][1]
    assert any(value == pytest.approx(validation, rel=1e-5) for value in found)
