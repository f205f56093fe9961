"""Trees: what they are fitted on, how they are pooled, and that the graph is what was fitted."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession
from skl2onnx import to_onnx as convert

from models.base import columns
from models.base.errors import ArtifactError, ConfigError, InputError
from models.base.heads import HeadLayout, hazard_targets, softmax
from models.base.types import FloatArray, TrainingJob
from models.base.windows import Span
from models.learn.jobs.pipeline import train
from models.learn.training.prepare import Prepared
from models.learn.trees.base import BoostingConfig, EnsembleConfig
from models.learn.trees.boosting import DirectionHead, HazardHead, QuantileHead, choose_rounds
from models.learn.trees.fitting import blocks_of, fit_trees
from models.learn.trees.forest import grow, leaf_quantiles
from models.learn.trees.graph import check_against_members
from models.learn.trees.importance import block_order, permutation_importance
from models.learn.trees.model import TreeModel
from models.learn.trees.pool import fit_weights, log_loss, pinball_loss, pooled
from models.learn.trees.table import Table, feature_table, purged_blocks
from models.serve.session import Session
from tests.test_contract import planted

PRIOR = np.log([0.25, 0.5, 0.25])
EDGES = (1, 2, 6)
LAYOUT = HeadLayout(bin_edges=EDGES)
SMALL = EnsembleConfig(
    max_rounds=15, forest_trees=12, forest_leaf_rows=10, leaf_rows=10, hazard_leaf_onsets=10
)
SHARED: dict[str, Any] = {"config": SMALL, "threads": 1, "seed": 0}


def made_up(rows: int = 900, seed: int = 0, levels: int = 0) -> Table:
    """Column 0 decides the return, column 1 its spread; `levels` makes features whole numbers."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4))
    if levels:
        x = np.round(x * levels)
    scaled = np.tanh(x[:, 0]) + (0.3 + 0.5 * (x[:, 1] > 0)) * rng.normal(size=rows)
    onset = np.minimum(rng.geometric(np.where(x[:, 2] > 0, 0.2, 0.02)), EDGES[-1] + 1)
    event, risk = hazard_targets(onset.astype(np.float64), EDGES)
    return Table(
        row=np.arange(rows),
        x=x.astype(np.float32),
        direction=np.where(np.abs(scaled) < 0.5, 1, 1 + np.sign(scaled)).astype(np.int64),
        scaled_return=scaled,
        event=np.stack((event, event), axis=1).astype(np.float64),
        at_risk=np.stack((risk, risk), axis=1).astype(np.float64),
    )


def fitted(rows: Table, weights: tuple[float, float] = (0.4, 0.5)) -> TreeModel:
    quantiles = np.quantile(rows.scaled_return, columns.QUANTILES)
    hazard = np.full(LAYOUT.bins, -3.0)
    heads = {
        "direction": DirectionHead(base=PRIOR, **SHARED),
        "quantiles": QuantileHead(base=quantiles, **SHARED),
        "hazard_down": HazardHead(prior=hazard, side=0, **SHARED),
        "hazard_up": HazardHead(prior=hazard, side=1, **SHARED),
    }
    return TreeModel(
        layout=LAYOUT,
        prior=np.concatenate((PRIOR, quantiles, hazard, hazard)),
        boosted={name: head.fit(rows, 15) for name, head in heads.items()},
        forest=grow(rows, SMALL, threads=1, seed=0),
        weights={**dict.fromkeys(heads, (1.0,)), "direction": weights, "quantiles": weights},
    )


@cache
def prepared(network: str = "ensemble") -> Prepared:
    return planted.prepared(planted.planted_job(network))


# -- rows and blocks ----------------------------------------------------------------------------


def test_blocks_when_purged_then_no_label_of_one_part_reaches_the_other() -> None:
    row, purge = np.setdiff1d(np.arange(1000), np.arange(300, 340)), 24
    blocks = purged_blocks(row, Span(0, 1000), 5, purge)
    held = np.concatenate([held for _, held in blocks])
    np.testing.assert_array_equal(held, np.arange(len(row)))  # every row once, in order
    for fit, out in blocks:
        apart = np.abs(row[fit][:, None] - row[out][None, :])
        assert apart.min() > purge
        assert len(fit) >= len(row) - len(out) - 2 * purge


def test_blocks_when_a_gap_leaves_too_few_rows_then_the_block_is_named() -> None:
    row = np.setdiff1d(np.arange(1000), np.arange(210, 400))
    with pytest.raises(
        InputError, match="in each of 5 blocks and outside it, got 10 and"
    ) as caught:
        purged_blocks(row, Span(0, 1000), 5, 24)
    assert caught.value.where == "rows 200 to 400 of the training frame"


def test_table_when_features_or_labels_are_missing_then_the_row_is_not_there() -> None:
    job = planted.planted_job("boosted")
    x, labels = job.features.copy(), {k: v.copy() for k, v in job.labels.items()}
    x[10:20, 1] = np.nan
    labels[columns.LABEL_DIRECTION][30:35] = np.nan
    labels[columns.LABEL_CASCADE_UP][50:60] = np.nan
    data = planted.prepared(dataclasses.replace(job, features=x, labels=labels))
    rows = feature_table(data, Span(5, 100))
    expected = np.setdiff1d(np.arange(5, 100), [*range(10, 20), *range(30, 35)])
    np.testing.assert_array_equal(rows.row, expected)
    unknown = (rows.row >= 50) & (rows.row < 60)
    assert not rows.at_risk[unknown, 1].any()
    assert rows.at_risk[unknown, 0].any()


@pytest.mark.parametrize("network", ["ensemble", "boosted"])
def test_left_out_when_every_row_trains_then_its_answers_are_those_of_trees_without_its_block(
    network: str,
) -> None:
    data = prepared(network)
    before = fit_trees(data)
    assert before.left_out is not None
    block = data.blocks[0]
    known = np.isfinite(before.left_out).all(axis=1)
    assert known[: data.blocks[-1].stop].mean() > 0.99
    assert not known[data.blocks[-1].stop :].any()
    quantiles = before.left_out[known][:, data.layout.quantiles]
    assert (np.diff(quantiles, axis=1) >= 0).all()
    # Alone, direction trees without the block answer the same, with the rounds all blocks chose.
    rows = feature_table(data, data.split.train)
    fit, held = blocks_of(rows, data)[0]
    if network == "boosted":
        facts = before.facts["out_of_fold"]["direction"]
        prior = data.prior.double().numpy()[data.layout.classes]
        head = DirectionHead(base=prior, config=data.config, threads=1, seed=data.job.seed)
        again = head.fit(rows.take(fit), data.config.max_rounds).outputs(
            rows.x[held], facts["rounds"]
        )
        answers = before.left_out[rows.row[held], data.layout.classes]
        np.testing.assert_allclose(answers, again, atol=1e-6)
    assert len(block) == len(held)


@pytest.mark.parametrize("network", ["ensemble", "boosted"])
def test_fit_when_only_rows_after_training_change_then_the_trees_are_the_same(
    network: str,
) -> None:
    data = planted.prepared(planted.held_out(planted.planted_job(network)))
    after = slice(data.split.train.stop, None)
    x, labels = data.job.features.copy(), {k: v.copy() for k, v in data.job.labels.items()}
    x[after] = x[after][::-1]
    for values in labels.values():
        values[after] = values[after][::-1]
    other = dataclasses.replace(data.job, features=x, labels=labels)
    one, two = fit_trees(data), fit_trees(planted.prepared(other))
    assert one.onnx == two.onnx
    assert one.facts["out_of_fold"] == two.facts["out_of_fold"]
    assert one.facts["importance"] != two.facts["importance"]  # that is measured after training


# -- members ------------------------------------------------------------------------------------


def test_forest_when_asked_then_class_shares_are_scikit_learns() -> None:
    rows = made_up()
    forest = grow(rows, SMALL, threads=1, seed=0)
    expected = forest.classifier.predict_proba(rows.x)
    np.testing.assert_allclose(forest.outputs(rows.x)[:, :3], expected, atol=1e-12)


def test_forest_when_a_class_is_absent_then_its_share_is_zero() -> None:
    rows = made_up()
    some = rows.take(np.flatnonzero(rows.direction != 1))
    shares = grow(some, SMALL, threads=1, seed=0).outputs(some.x)[:, :3]
    assert (shares[:, 1] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_leaf_quantiles_when_compared_with_numpy_leaf_by_leaf_then_they_agree() -> None:
    rng = np.random.default_rng(0)
    leaf, values = rng.integers(0, 7, 300), rng.normal(size=300)
    found = leaf_quantiles(leaf, values, 9)
    for node in range(7):
        expected = np.quantile(values[leaf == node], columns.QUANTILES)
        np.testing.assert_allclose(found[node], expected, atol=1e-12)
    assert (found[7:] == 0).all()


def test_heads_when_no_round_is_worth_it_then_they_start_at_the_prior() -> None:
    rows = made_up()
    head = DirectionHead(base=PRIOR, **{**SHARED, "config": BoostingConfig(leaf_rows=10_000)})
    np.testing.assert_allclose(head.fit(rows, 1).outputs(rows.x), np.tile(PRIOR, (900, 1)))


def test_quantile_head_when_the_spread_depends_on_a_feature_then_it_finds_that() -> None:
    rows = made_up(4000)
    head = QuantileHead(
        base=np.quantile(rows.scaled_return, columns.QUANTILES),
        **{**SHARED, "config": BoostingConfig(max_rounds=60)},
    )
    out = np.sort(head.fit(rows, 60).outputs(rows.x), axis=1)
    width = out[:, 4] - out[:, 0]
    wide = rows.x[:, 1] > 0
    assert width[wide].mean() > 1.4 * width[~wide].mean()  # 2.7 times with endless data
    inside = (rows.scaled_return >= out[:, 0]) & (rows.scaled_return <= out[:, 4])
    assert inside.mean() == pytest.approx(0.9, abs=0.03)


def test_hazard_when_its_slope_is_compared_with_its_loss_then_they_belong_together() -> None:
    rows = made_up(40)
    head = HazardHead(prior=np.array([-2.0, -1.0, -3.0]), side=1, **SHARED)
    f = np.linspace(-1, 1, 40)[:, None]
    slope, curvature = head.objective(rows)(f[:, 0], None)
    for i in (0, 17, 39):
        step = np.zeros((40, 1))
        step[i] = 1e-4
        up, mid, down = (head.loss(y, rows) * head.counted(rows) for y in (f + step, f, f - step))
        assert (up - down) / 2e-4 == pytest.approx(slope[i, 0], abs=1e-6)
        assert (up - 2 * mid + down) / 1e-8 == pytest.approx(curvature[i, 0], abs=1e-4)


def test_hazard_when_onsets_follow_a_feature_then_it_finds_that_out_of_fold() -> None:
    rows = made_up(3000)
    prior = np.log(
        rows.event[:, 0].sum(axis=0) / (rows.at_risk[:, 0] - rows.event[:, 0]).sum(axis=0)
    )
    head = HazardHead(prior=prior, side=0, **SHARED)
    chosen = choose_rounds(head, rows, purged_blocks(rows.row, Span(0, 3000), 5, 6))
    assert head.loss(chosen.outputs, rows) < head.loss(np.zeros((3000, 1)), rows) - 0.05
    assert chosen.outputs[rows.x[:, 2] > 0].mean() > chosen.outputs[rows.x[:, 2] < 0].mean() + 0.5


def test_hazard_when_nothing_ever_happens_then_it_stays_at_the_prior() -> None:
    rows = made_up()
    none = dataclasses.replace(rows, event=0 * rows.event)
    head = HazardHead(prior=np.full(3, -8.0), side=0, **SHARED)
    assert np.abs(head.fit(none, 15).outputs(rows.x)).max() < 0.05


def test_rounds_when_labels_are_noise_then_few_are_chosen_and_nothing_is_gained() -> None:
    rows = made_up()
    mixed = np.random.default_rng(5).permutation(len(rows))
    noise = dataclasses.replace(rows, direction=rows.direction[mixed])
    shares = np.log(np.bincount(rows.direction) / len(rows))
    head = DirectionHead(base=shares, **SHARED)
    blocks = purged_blocks(rows.row, Span(0, len(rows)), 5, 6)
    chosen = choose_rounds(head, noise, blocks)
    base = head.loss(np.tile(shares, (len(rows), 1)), noise)
    assert head.loss(chosen.outputs, noise) > base - 0.005
    # The control: on the rows it was fitted on, the same head looks skilful.
    assert head.loss(head.fit(noise, 15).outputs(rows.x), noise) < base - 0.01


# -- pool ---------------------------------------------------------------------------------------


def test_pool_when_weights_are_given_then_the_prior_keeps_the_rest() -> None:
    members = [np.full((2, 3), 1.0), np.full((2, 3), 5.0)]
    out = pooled(members, (0.5, 0.25), np.zeros(3))
    np.testing.assert_allclose(out, 0.5 * 1.0 + 0.25 * 5.0)


def test_weights_when_a_member_is_wrong_then_it_gets_none_and_when_alike_then_half_each() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 600)
    good = 2.0 * np.eye(3)[classes] + rng.normal(size=(600, 3))
    blocks = np.split(np.arange(600), 5)

    def losses(logits: FloatArray) -> FloatArray:
        return np.array([log_loss(logits[rows], classes[rows]) for rows in blocks])

    assert fit_weights([good, -good], np.zeros(3), losses)[1] == 0.0
    assert fit_weights([good, good], np.zeros(3), losses) == (0.5, 0.5)
    assert fit_weights([-good, -good], np.zeros(3), losses) == (0.0, 0.0)


def test_losses_when_computed_by_hand_then_they_are_those() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    expected = -0.5 * (np.log(0.25) + np.log(0.8))
    assert log_loss(logits + 7.0, np.array([1, 2])) == pytest.approx(expected)
    # Sorted to -2..2; the value 1 is 3, 2, 1 above and 0, -1 from the levels.
    q = np.array([[2.0, 1.0, 0.0, -1.0, -2.0]])
    expected = (0.05 * 3 + 0.25 * 2 + 0.5 * 1 + 0.0 + 0.05 * 1) / 5
    assert pinball_loss(q, np.array([1.0])) == pytest.approx(expected)


# -- graph --------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(0.4, 0.5), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_graph_when_rows_stand_on_the_thresholds_then_it_answers_as_the_members(
    weights: tuple[float, float],
) -> None:
    rows = made_up(levels=3)  # whole numbers: most splits are at a value that rows have
    model = fitted(rows, weights)
    onnx = model.to_onnx(4)
    near = np.concatenate((rows.x, np.nextafter(rows.x, -9e9), np.nextafter(rows.x, 9e9)))
    check_against_members(onnx, near, model.outputs(near))
    splits = np.concatenate([tree.threshold[~tree.leaves] for tree in model.trees()] or [[]])
    if len(splits):
        on = np.tile(splits.astype(np.float32)[:, None], (1, 4))
        check_against_members(onnx, on, model.outputs(on))


def test_graph_when_one_threshold_is_off_by_a_bit_then_the_check_convicts_it() -> None:
    rows = made_up(levels=3)
    model = fitted(rows)
    trees, expected = TreeModel.trees, model.outputs(rows.x)
    try:
        TreeModel.trees = lambda self: [  # type: ignore[method-assign]
            dataclasses.replace(t, threshold=np.nextafter(t.threshold, np.float32(np.inf)))
            for t in trees(self)
        ]
        wrong = model.to_onnx(4)
    finally:
        TreeModel.trees = trees  # type: ignore[method-assign]
    with pytest.raises(ArtifactError, match="ONNX and the fitted trees differ"):
        check_against_members(wrong, rows.x, expected)


def test_graph_when_compared_with_the_public_converter_then_the_forest_is_the_same() -> None:
    rows = made_up()
    model = fitted(rows, (1.0, 0.0))
    public = convert(
        model.forest.classifier, rows.x[:1], options={"zipmap": False}, target_opset=18
    )
    reference = InferenceSession(public.SerializeToString(), providers=["CPUExecutionProvider"])
    p = reference.run(None, {"X": rows.x})[1]
    ours = softmax(Session(model.to_onnx(4)).run(rows.x[None])[0][:, :3].astype(np.float64))
    np.testing.assert_allclose(ours, softmax(np.log(np.maximum(p, 0.01))), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (7, 3), (1, 300)])
def test_graph_when_batch_and_time_vary_then_rows_are_answered_one_by_one(
    shape: tuple[int, int],
) -> None:
    model = fitted(made_up())
    x = np.random.default_rng(1).normal(size=(*shape, 4)).astype(np.float32)
    got = Session(model.to_onnx(4)).run(x)
    assert got.shape == (*shape, LAYOUT.width)
    assert got.dtype == np.float32
    np.testing.assert_allclose(
        got.reshape(-1, LAYOUT.width), model.outputs(x.reshape(-1, 4)), atol=1e-5
    )
    assert (np.diff(got[..., LAYOUT.quantiles], axis=-1) >= 0).all()


# -- what the manifest tells ----------------------------------------------------------------------


def test_importance_when_one_feature_decides_then_it_is_first_and_unused_ones_are_zero() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3)).astype(np.float32)
    classes = np.where(x[:, 1] > 0, 2, 0)

    def logits(rows: np.ndarray) -> FloatArray:
        return np.stack((-rows[:, 1], 0 * rows[:, 1] - 9, rows[:, 1]), axis=1).astype(float)

    found = permutation_importance(logits, x, classes, used=[0, 1], block=24, repeats=4, seed=0)
    assert found[1, 0] > 500
    assert 0 < found[1, 1] < 0.2 * found[1, 0]
    assert (found[[0, 2]] == 0).all()


@pytest.mark.parametrize(("rows", "block"), [(100, 24), (24, 24), (7, 24), (1, 1)])
def test_block_order_when_drawn_then_it_is_a_permutation_that_keeps_neighbours(
    rows: int, block: int
) -> None:
    order = block_order(rows, block, np.random.default_rng(3))
    assert sorted(order) == list(range(rows))
    assert (np.diff(order) != 1).sum() <= -(-rows // block)


@pytest.mark.parametrize("network", ["ensemble", "boosted"])
def test_manifest_when_trained_then_it_tells_what_was_chosen_and_why(network: str) -> None:
    facts = planted.planted_artifact(network).manifest
    members = {"xgboost", "forest"} if network == "ensemble" else {"xgboost"}
    direction = facts["out_of_fold"]["direction"]
    assert set(direction["weights"]) == members
    assert 1 <= direction["rounds"] <= BoostingConfig().max_rounds
    assert all(direction["loss"][member] < direction["loss"]["prior"] for member in members)
    if network == "ensemble":
        assert sum(direction["weights"].values()) <= 1 + 1e-9
        assert direction["loss"]["pool"] < min(direction["loss"][m] for m in members) + 0.01
    assert facts["parameters"] > facts["trees"] > 0
    first, (mean, spread) = next(iter(facts["importance"]["features"].items()))
    assert first == planted.NAMES[0]
    assert mean > 100 > spread > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 0), ("hazard_depth", 11), ("max_rounds", 0), ("leaf_rows", 0),
        ("learning_rate", 0.0), ("rows_frac", 1.5), ("features_frac", 0.0), ("ridge", -1.0),
        ("ridge", float("nan")), ("hazard_leaf_onsets", 0), ("blocks", 1),
        ("importance_repeats", -1), ("forest_trees", 1), ("forest_depth", 17),
        ("forest_leaf_rows", 0), ("forest_rows_frac", 0.0), ("forest_features_frac", 1.1),
    ],
)  # fmt: skip
def test_settings_when_out_of_range_then_the_field_is_named(name: str, value: float) -> None:
    job = planted.planted_job("ensemble")
    settings: dict[str, Any] = {**planted.SETTINGS, "network": {name: value}}
    wrong: TrainingJob = dataclasses.replace(job, settings=settings)
    with pytest.raises(ConfigError, match=name):
        train(wrong)
