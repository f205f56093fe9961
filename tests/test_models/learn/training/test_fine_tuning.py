"""Going on from trained weights, and learning from rows of the calibration span."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.types import Artifact, TrainingJob
from models.base.windows import Span
from models.learn.export.onnx import to_onnx
from models.learn.hybrid import fallback
from models.learn.jobs.pipeline import train
from models.learn.training import networks
from models.learn.training.settings import TrainingSettings
from models.serve.session import Session
from tests.test_contract import planted
from tests.test_models.learn.feeding import pooled


def job(network: str = "gru", **training: Any) -> TrainingJob:
    merged = {**planted.SETTINGS["training"], "max_steps": 20, "cross_fit": 1, **training}
    return dataclasses.replace(
        planted.planted_job(network), settings={**planted.SETTINGS, "training": merged}
    )


@pytest.fixture(scope="module")
def champion() -> Artifact:
    return train(job(members=2))


def going_on(champion: Artifact, **training: Any) -> TrainingJob:
    return dataclasses.replace(job(members=2, **training), warm_start=champion.weights)


@pytest.mark.parametrize("network", ["gru", "hedge", "lstm_attention", "tcn", "transformer"])
def test_weights_when_loaded_into_a_new_network_then_it_answers_what_was_served(network: str):
    made = job(network, max_steps=5, evaluate_every=5)
    data = planted.prepared(made)
    served = networks.fit_network(data.spec, data)
    again = [networks.build_forecaster(data.spec, data, seed=99)]
    assert networks._go_on(again, served.weights) == ""
    graph = to_onnx(again[0], len(made.feature_names), carries=data.spec.carries_past)
    x = made.features[None, :300]
    np.testing.assert_allclose(Session(graph).run(x), Session(served.onnx).run(x), atol=1e-5)
    # The control: without the weights it answers something else.
    fresh = to_onnx(
        networks.build_forecaster(data.spec, data, seed=99), len(made.feature_names),
        carries=data.spec.carries_past,
    )  # fmt: skip
    assert np.abs(Session(fresh).run(x) - Session(served.onnx).run(x)).max() > 1e-2


def test_training_when_warm_then_it_begins_where_the_champion_ended(champion: Artifact):
    artifact = train(going_on(champion, fine_tune_max_steps=40))
    m, before = artifact.manifest, champion.manifest
    assert m["warm_start"] == "taken"
    for own, old, best in zip(m["history"], before["history"], m["best_step"], strict=True):
        assert own[0] == (0, pytest.approx(min(loss for _, loss in old), abs=1e-4))
        assert own[-1][0] == 40
        assert dict(own)[best] == min(loss for _, loss in own) < own[0][1]
    assert "warm_start" not in before


def test_training_when_no_warm_step_betters_the_champion_then_its_answers_are_kept(
    champion: Artifact,
):
    # Steps this large ruin it.
    ruined = going_on(champion, learning_rate=10.0, fine_tune_lr_frac=1.0, fine_tune_max_steps=3)
    artifact = train(ruined)
    assert artifact.manifest["best_step"] == [0, 0]
    x = ruined.features[None, :300]
    np.testing.assert_allclose(
        Session(artifact.onnx).run(x), Session(champion.onnx).run(x), atol=1e-5
    )


@pytest.mark.parametrize("what", ["other shapes", "fewer members", "more members", "no archive"])
def test_training_when_the_weights_do_not_fit_then_it_is_a_whole_one_and_says_why(
    champion: Artifact, what: str
):
    weights = {
        "other shapes": train(job("tcn")).weights if what == "other shapes" else b"",
        "fewer members": champion.weights,
        "more members": champion.weights,
        "no archive": b"not an archive",
    }[what]  # fmt: skip
    members = {"fewer members": 3, "more members": 1, "other shapes": 1}.get(what, 2)
    whole = job(members=members)
    artifact = train(dataclasses.replace(whole, warm_start=weights))
    assert artifact.manifest["warm_start"].startswith("the weights do not fit: ")
    assert artifact.onnx == train(whole).onnx


def lesson(made: TrainingJob, first: int, last: int) -> TrainingJob:
    spans = ((int(made.time_ms[first]), int(made.time_ms[last])),)
    return dataclasses.replace(made, lessons_ms=spans)


def test_lessons_when_they_lie_in_the_calibration_rows_then_only_those_rows_count():
    made = job()
    split = planted.prepared(made).split
    own = split.calibration
    for first, last, expected in (
        (own.start + 20, own.start + 49, [(own.start + 20, own.start + 50)]),
        (own.start - 30, own.start + 9, [(own.start, own.start + 10)]),  # never validation rows
        (split.validation.start, split.validation.stop - 1, []),
        (0, 50, []),  # already training rows
    ):
        data = planted.prepared(lesson(made, first, last))
        assert [(s.start, s.stop) for s in data.lessons] == expected
        assert [(r.start + 7, r.stop) for r in data.lesson_runs(7)] == expected
    gone = dataclasses.replace(made, lessons_ms=((0, 1000),))  # before the frame
    assert planted.prepared(gone).lessons == ()


def test_training_when_given_a_lesson_then_it_has_learned_from_those_rows_and_says_so():
    """Far more lesson rows than an episode has, whose labels are turned around."""
    made = job(max_steps=60)
    own = planted.prepared(made).split.calibration
    rows = slice(own.start, own.stop - 100)
    labels = {**made.labels}
    for name in (columns.LABEL_RETURN, columns.LABEL_DIRECTION):
        labels[name] = labels[name].copy()
        labels[name][rows] *= -1
    turned = dataclasses.replace(made, labels=labels)
    found = {}
    for name, taught in (
        ("without", turned),
        ("with", lesson(turned, rows.start, rows.stop - 1)),
    ):
        artifact = train(taught)
        y = Session(artifact.onnx).run(made.features[None])[0]
        # What the up class has over the down class, against the signal.
        found[name] = np.polyfit(made.features[:, 0], y[:, 2] - y[:, 0], 1)[0]
        spans = artifact.manifest.get("lessons_ms")
        assert spans == (None if name == "without" else [list(s) for s in taught.lessons_ms])
    assert found["with"] < 0.7 * found["without"]


def test_hazard_trees_when_given_a_lesson_then_its_rows_are_among_theirs():
    made = pooled()  # whose peers' rows follow its own
    own = planted.prepared(made).split.calibration
    with_it = planted.prepared(lesson(made, own.start + 20, own.start + 49))
    rows, without = (
        sum(len(s) for s in fallback._spans(data, "train", 0))
        for data in (with_it, planted.prepared(made))
    )
    assert rows - without == 30
    assert list(with_it.lesson_runs(7)) == [Span(own.start + 13, own.start + 50)]
    validation = [
        list(fallback._spans(d, "validation", 5)) for d in (with_it, planted.prepared(made))
    ]
    assert validation[0] == validation[1]


def test_training_when_the_architecture_is_no_network_then_it_neither_goes_on_nor_says_it_did():
    made = lesson(job("boosted"), -200, -150)
    assert planted.prepared(made).lessons == ()
    artifact = train(dataclasses.replace(made, warm_start=b"weights of another"))
    assert artifact.weights == b""
    assert not {"warm_start", "lessons_ms"} & set(artifact.manifest)


def test_artifact_when_made_before_weights_were_kept_then_it_has_none():
    old = object.__new__(Artifact)
    old.__dict__.update(onnx=b"", manifest={})
    assert old.weights == b""


@pytest.mark.parametrize(
    "wrong",
    [{"fine_tune_lr_frac": 0.0}, {"fine_tune_lr_frac": 1.5}, {"fine_tune_max_steps": 0}],
)
def test_settings_when_a_fine_tuning_could_not_step_then_they_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingSettings(**wrong)
