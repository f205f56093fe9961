"""Champion and challenger: the better one serves, a tie is the newer one's, and it is recorded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.base import columns
from models.base.types import Artifact, TrainingJob
from models.serve.challenge import FEWEST_CHALLENGE_ROWS, challenge
from models.serve.predictor import Predictor
from tests.test_contract import echo, planted
from tests.test_models.serve.echo_job import ROWS, job


def model(title: str, late_rows: int = 0, seen: int = 1000, validated: int = 1200) -> Predictor:
    artifact = echo.echo_artifact(late_rows)
    times = planted.times(ROWS)
    spans = {
        "train": [int(times[0]), int(times[seen])],
        "validation": [int(times[seen]), int(times[validated])],
        "calibration": [int(times[validated + 10]), int(times[-1])],
    }
    more = {"title": title, "spans_ms": spans, "rows": {"purge": 6}}
    return Predictor(Artifact(artifact.onnx, {**artifact.manifest, **more}))


def test_challenge_when_the_new_model_is_worse_then_the_old_one_serves_and_the_reverse():
    good, bad = model("good"), model("bad", late_rows=1)  # its answers are a candle late
    out = challenge(good, bad, job())
    assert out["serves"] == "champion"
    assert (out["champion"], out["challenger"]) == ("good", "bad")
    assert out["worse_by_nats"] > 3 * out["standard_error"]
    assert out["rows"] == ROWS - 1210
    assert challenge(bad, good, job())["serves"] == "challenger"


def test_challenge_when_both_are_alike_then_the_newer_serves():
    out = challenge(model("old"), model("new"), job())
    assert out["serves"] == "challenger"
    assert out["worse_by_nats"] == 0


def test_challenge_when_the_old_model_was_fitted_on_the_rows_then_they_do_not_count():
    fresh = model("new", late_rows=1)
    late = model("old", seen=1700, validated=1780)
    out = challenge(late, fresh, job())
    assert out["rows"] == ROWS - 1786
    few = model("old", seen=1800, validated=1990 - FEWEST_CHALLENGE_ROWS + 20)
    out = challenge(few, fresh, job())
    assert out["serves"] == "challenger"
    assert "only" in out["why"]


@pytest.mark.parametrize("learner", ["champion", "challenger"])
def test_challenge_when_a_model_has_learned_from_newest_rows_then_they_and_the_purge_do_not_count(
    learner,
):
    times = planted.times(ROWS)
    lesson = [[int(times[1500]), int(times[1550])]]
    a = job()
    inside = np.arange(1500 - 6, 1550 + 7)  # purge: 6

    def verdict(rows: TrainingJob, taught: bool):
        models = {"champion": model("good"), "challenger": model("bad", late_rows=1)}
        if taught:
            old = models[learner]
            manifest = {**old.manifest, "lessons_ms": lesson}
            models[learner] = Predictor(Artifact(old.artifact.onnx, manifest))
        return challenge(models["champion"], models["challenger"], rows)

    def changed(at: np.ndarray) -> TrainingJob:
        labels = {k: v.copy() for k, v in a.labels.items()}
        labels[columns.LABEL_DIRECTION][at] *= -1
        return dataclasses.replace(a, labels=labels)

    assert verdict(changed(inside), taught=True) == verdict(a, taught=True)
    assert verdict(changed(inside[:1] - 1), taught=True) != verdict(a, taught=True)
    assert verdict(changed(inside), taught=False) != verdict(a, taught=False)


def test_challenge_when_labels_before_the_held_out_rows_change_then_the_verdict_does_not():
    a = job()
    direction = a.labels[columns.LABEL_DIRECTION].copy()
    direction[:1210] = -direction[:1210]
    b = dataclasses.replace(a, labels={**a.labels, columns.LABEL_DIRECTION: direction})
    good, bad = model("good"), model("bad", late_rows=1)
    assert challenge(good, bad, a) == challenge(good, bad, b)


@pytest.mark.parametrize("part", ["spans_ms", "rows"])
def test_challenge_when_the_champion_cannot_be_judged_then_the_new_model_serves(part):
    old = model("old")
    manifest = {k: v for k, v in old.manifest.items() if k != part}
    out = challenge(Predictor(Artifact(old.artifact.onnx, manifest)), model("new"), job())
    assert out["serves"] == "challenger"
    assert "cannot be compared" in out["why"]
