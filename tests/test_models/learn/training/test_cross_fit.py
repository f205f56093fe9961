"""Every row trains, and no row is judged or calibrated on by a network that was trained on it."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
import torch

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray, TrainingJob
from models.base.windows import Span
from models.learn.jobs.pipeline import train
from models.learn.training import networks
from models.learn.training.fitted import Fitted
from models.learn.training.prepare import Prepared
from models.serve.monitor import monitors
from models.serve.scores import COVERAGE, LOSS, SCORES
from tests.test_contract import planted

BLOCKS = 3


def job(network: str = "tcn", seed: int = 0, **training: Any) -> TrainingJob:
    # One look at the left-out block, at the end: nothing to choose, so it can decide nothing.
    merged = {
        **planted.SETTINGS["training"], "max_steps": 10, "evaluate_every": 10,
        "cross_fit": BLOCKS, **training,
    }  # fmt: skip
    return dataclasses.replace(
        planted.planted_job(network, seed=seed), settings={**planted.SETTINGS, "training": merged}
    )


def fitted(made: TrainingJob) -> tuple[Fitted, Prepared]:
    data = planted.prepared(made)
    return networks.fit_network(data.spec, data), data


def weights(of: Fitted, member: int) -> FloatArray:
    """What a member has learnt; not how it scales its features."""
    with np.load(io.BytesIO(of.weights)) as arrays:
        own = [n for n in arrays.files if n.startswith(f"{member}.network.")]
        return np.concatenate([arrays[n].ravel() for n in own])


def altered(made: TrainingJob, where: Span) -> TrainingJob:
    """The job with every label of `where` another one."""
    labels = {name: values.copy() for name, values in made.labels.items()}
    part = slice(where.start, where.stop)
    labels[columns.LABEL_RETURN][part] = 3.0 - labels[columns.LABEL_RETURN][part]
    turned = labels[columns.LABEL_DIRECTION][part]
    labels[columns.LABEL_DIRECTION][part] = np.where(turned == 0, 1.0, -turned)
    for name in (columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP):
        labels[name][part] = 1.0
    return dataclasses.replace(made, labels=labels)


@pytest.mark.parametrize("left_out", range(BLOCKS))
def test_member_when_labels_of_its_block_change_then_it_has_learnt_the_same(
    left_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job()
    before, data = fitted(made)
    # Where a network starts from is the base rate of all rows, which is no member's own.
    prior = data.prior
    monkeypatch.setattr("models.learn.training.prepare._prior", lambda *_: prior)
    block, purge = data.blocks[left_out], data.settings.labels.purge_candles
    after, _ = fitted(altered(made, block))
    same = [np.array_equal(weights(before, m), weights(after, m)) for m in range(BLOCKS)]
    assert same == [m == left_out for m in range(BLOCKS)]
    # Labels around the block look into it, or the block's into them: they train nothing either.
    around = Span(max(block.start - purge, 0), min(block.stop + purge, data.blocks[-1].stop))
    wider, _ = fitted(altered(made, around))
    assert np.array_equal(weights(before, left_out), weights(wider, left_out))
    # The control: one row further, and it is another network.
    if around.stop < data.blocks[-1].stop:
        further, _ = fitted(altered(made, Span(around.start, around.stop + 1)))
    else:
        further, _ = fitted(altered(made, Span(around.start - 1, around.stop)))
    assert not np.array_equal(weights(before, left_out), weights(further, left_out))


def test_left_out_when_asked_then_each_block_is_answered_by_the_member_that_never_saw_it() -> None:
    made = job(members=2)
    of, data = fitted(made)
    lead = networks.burn_in(data.spec, data)
    assert of.left_out is not None
    assert of.facts["members"] == 2 * BLOCKS
    again = [networks.build_forecaster(data.spec, data, seed=9) for _ in range(2 * BLOCKS)]
    assert networks._go_on(again, of.weights) == ""
    x = torch.from_numpy(made.features)[None]
    for number, block in enumerate(data.blocks):
        with torch.no_grad():
            own = [again[number + k * BLOCKS].eval()(x)[0].numpy() for k in range(2)]
        rows = slice(max(block.start, lead), block.stop)
        quantiles = np.mean([y[rows, data.layout.quantiles] for y in own], axis=0)
        answers = of.left_out[rows, data.layout.quantiles]
        np.testing.assert_allclose(answers, quantiles, atol=1e-5)
    # No answer without a burn-in, nor on the last rows, whose labels are about what comes after.
    known = np.isfinite(of.left_out).all(axis=1)
    assert not known[:lead].any()
    assert known[lead : data.blocks[-1].stop].all()
    assert not known[data.blocks[-1].stop :].any()


def test_training_when_cross_fitted_then_every_row_trains_calibrates_and_is_counted() -> None:
    made = job(max_steps=60, evaluate_every=20)
    m = train(made).manifest
    every = len(made.time_ms) - planted.PURGE
    assert m["blocks"] == BLOCKS
    assert m["rows"]["train"] == m["rows"]["validation"] == m["rows"]["calibration"] == every
    assert m["calibration"]["rows"] > 0.9 * every
    assert m["metrics"]["validation"]["gain_millibits"] > 100  # the planted signal, out of fold
    assert m["calibration"]["direction_slope"] > 0.5


def test_training_when_cross_fitted_then_its_reference_is_of_rows_that_were_left_out() -> None:
    made = job()
    m = train(made).manifest
    reference = m["reference"]
    days = int(np.isfinite(made.labels[columns.LABEL_DIRECTION]).sum()) // reference["rows_per_day"]
    loss = reference["scores"][LOSS]
    assert 0.9 * days < loss["days"] <= days  # but for rows without a context
    # Calibrated on these rows: they lose as much as is expected, and their returns are as often
    # inside as is said. Odds of a direction that are too timid stay so, and lose less.
    assert m["calibration"]["direction_slope"] == pytest.approx(1.0, abs=1e-3)
    assert -0.2 < loss["mean"] < -0.02
    learnt = train(job(max_steps=60, evaluate_every=10, learning_rate=2e-3)).manifest
    assert 0.1 < learnt["calibration"]["direction_slope"] < 0.9
    assert abs(learnt["reference"]["scores"][LOSS]["mean"]) < 0.005
    assert reference["scores"][COVERAGE]["mean"] == pytest.approx(0.1, abs=0.03)
    assert set(monitors(m)) <= set(SCORES)
    assert reference == train(made).manifest["reference"]


def test_training_when_labels_are_shuffled_then_left_out_rows_show_no_skill() -> None:
    made = job(max_steps=150, evaluate_every=150, learning_rate=2e-3)  # they overfit
    order = np.random.default_rng(3).permutation(len(made.time_ms))
    shuffled = {name: values[order] for name, values in made.labels.items()}
    m = train(dataclasses.replace(made, labels=shuffled)).manifest
    assert m["metrics"]["validation"]["gain_millibits"] < 5
    assert m["calibration"]["direction_slope"] < 0.2
    assert m["calibration"]["moves_slope"] < 0.2


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("tcn", {"cross_fit": 1}), ("tcn", {"challenge": True}), ("tcn", {"fine_tune": True}),
        ("tcn", {"pool": ["ETH/USDT:USDT"]}), ("hedge", {}), ("gan", {}),
    ],
)  # fmt: skip
def test_blocks_when_the_newest_rows_must_stay_unseen_then_none_is_cut(
    network: str, changes: dict[str, Any]
) -> None:
    data = planted.prepared(job(network, **changes))
    assert data.blocks == ()
    assert data.split.train.stop < data.split.validation.start < data.split.calibration.start


def test_blocks_when_too_short_for_the_context_then_refused_with_the_cure() -> None:
    with pytest.raises(InputError, match="in each of 40 blocks left out in turn"):
        planted.prepared(job(cross_fit=40))


@pytest.mark.parametrize("label", [columns.LABEL_RETURN, columns.LABEL_DIRECTION])
@pytest.mark.parametrize("inside", [True, False])
def test_blocks_when_one_has_all_labels_or_none_then_refused_before_any_training(
    label: str, inside: bool
) -> None:
    made = job()
    block, purge = planted.prepared(made).blocks[1], planted.PURGE
    values = made.labels[label].copy()
    if inside:
        values[block.start : block.stop] = np.nan
    else:  # what is left lies within the purge
        values[: block.start - purge] = np.nan
        values[block.stop + purge :] = np.nan
    error = refused(dataclasses.replace(made, labels={**made.labels, label: values}))
    where = "of" if inside else "outside"
    assert f"label {label} is unknown in every usable row {where} block 2 of {BLOCKS}" in error
    # One row is enough to go on.
    values[block.start if inside else block.start - purge - 1] = 0.0
    planted.prepared(dataclasses.replace(made, labels={**made.labels, label: values}))


def refused(made: TrainingJob) -> str:
    with pytest.raises(InputError) as caught:
        planted.prepared(made)
    return str(caught.value)
