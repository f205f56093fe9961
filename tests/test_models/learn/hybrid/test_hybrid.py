"""The Hybrid: its stack sees no row its parts were trained on, and its graph is their pool."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.base import columns
from models.base.errors import ArtifactError
from models.base.heads import HeadLayout
from models.base.types import FloatArray, TrainingJob
from models.learn.hybrid import hybrid
from models.learn.hybrid.merge import check_pool, pool_graphs
from models.learn.nets.base import NetworkSpec
from models.learn.nets.lstm_attention import SPEC as NETWORK
from models.learn.training.fitted import Fitted
from models.learn.training.networks import fit_network
from models.learn.training.prepare import Prepared
from models.learn.trees.fitting import blocks_of
from models.learn.trees.table import feature_table
from models.serve.session import Session
from tests.test_contract import echo, planted, streamed

LAYOUT = HeadLayout(bin_edges=(1, 2))


def job(**changes: Any) -> TrainingJob:
    settings = {
        **planted.SETTINGS,
        "training": {**planted.SETTINGS["training"], "max_steps": 20},
        "network": {"blocks": 2, "hidden": 16, "forest_trees": 10, "max_rounds": 10},
    }
    return planted.planted_job("hybrid", settings=settings, **changes)


def neural(of: TrainingJob) -> Prepared:
    data = planted.prepared(of)
    return dataclasses.replace(data, spec=NETWORK, config=data.config.network)


# -- out of fold ------------------------------------------------------------------------------


def test_stack_when_a_block_has_other_labels_then_what_is_said_of_it_stays_the_same() -> None:
    made = planted.held_out(job())
    data = planted.prepared(made)
    rows = feature_table(data, data.split.train)
    held = blocks_of(rows, data)[0][1]
    inside = rows.row[held]
    labels = {name: values.copy() for name, values in made.labels.items()}
    labels[columns.LABEL_DIRECTION][inside] *= -1
    labels[columns.LABEL_RETURN][inside] *= -1
    said = []
    for of in (made, dataclasses.replace(made, labels=labels)):
        d = neural(of)
        t = feature_table(d, d.split.train)
        # The shared scaling and prior come from all training rows and are no secret of the block.
        d = dataclasses.replace(d, prior=data.prior)
        said.append(hybrid._network_out_of_fold(t, blocks_of(t, data), d))
    known = np.isfinite(said[0][held, 0])
    assert known.sum() > 100
    np.testing.assert_array_equal(said[0][held], said[1][held])
    other = blocks_of(rows, data)[1][1]
    assert np.nanmax(np.abs(said[0][other] - said[1][other])) > 1e-3  # those did see them


@pytest.mark.parametrize("cross_fitted", [True, False])
def test_stack_when_one_part_is_noise_then_it_gets_no_weight(
    monkeypatch: pytest.MonkeyPatch, cross_fitted: bool
) -> None:
    def noise(rows: Any, blocks: Any, data: Prepared) -> FloatArray:
        rng = np.random.default_rng(0)
        out: FloatArray = data.prior.numpy() + rng.normal(size=(len(rows), data.layout.width))
        return out

    def noisy(spec: NetworkSpec, data: Prepared) -> Fitted:
        made = fit_network(spec, data)
        return dataclasses.replace(made, left_out=noise(data.job.time_ms, (), data))

    if cross_fitted:
        monkeypatch.setattr(hybrid, "fit_network", noisy)
    else:
        monkeypatch.setattr(hybrid, "_network_out_of_fold", noise)
    made = job() if cross_fitted else planted.held_out(job())
    facts = hybrid.fit_hybrid(planted.prepared(made)).facts["ablation"]
    for head in ("direction", "quantiles"):
        assert facts[head]["weights"]["network"] == 0
        assert facts[head]["weights"]["trees"] > 0.5
        losses = facts[head]["loss"]
        assert losses["trees"] < losses["prior"] < losses["network"]


def test_ablation_when_trained_then_every_head_says_what_each_part_was_worth() -> None:
    facts = planted.planted_artifact("hybrid").manifest["ablation"]
    assert set(facts) == {"direction", "quantiles", "hazard_down", "hazard_up"}
    for head in facts.values():
        assert set(head["loss"]) == {"prior", "network", "trees", "pool"}
        assert 0 <= sum(head["weights"].values()) <= 1
    # The planted echo: both parts see it, and together they are no worse than the better one.
    losses = facts["direction"]["loss"]
    assert losses["pool"] <= min(losses["network"], losses["trees"]) + 0.02 < losses["prior"]


# -- the merged graph ---------------------------------------------------------------------------


def graph(weights: FloatArray) -> bytes:
    """features (B, T, F) @ weights (F, H)."""
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "time", width])
        for name, width in (("features", len(weights)), ("outputs", LAYOUT.width))
    ]
    nodes = [helper.make_node("MatMul", ["features", "weight"], ["outputs"])]
    constant = numpy_helper.from_array(weights.astype(np.float32), "weight")
    model = helper.make_model(
        helper.make_graph(nodes, "linear", shapes[:1], shapes[1:], [constant]),
        opset_imports=[helper.make_opsetid("", 20)], ir_version=9,
    )  # fmt: skip
    out: bytes = model.SerializeToString()
    return out


@pytest.fixture
def parts() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {name: graph(rng.normal(size=(3, LAYOUT.width))) for name in ("network", "trees")}


def weights_of(network: float, trees: float) -> dict[str, FloatArray]:
    return {"network": np.full(LAYOUT.width, network), "trees": np.full(LAYOUT.width, trees)}


@pytest.mark.parametrize("shape", [(1, 1), (2, 7)])
def test_pool_when_merged_then_it_is_the_weighted_distance_from_the_base(
    parts: dict[str, bytes], shape: tuple[int, int]
) -> None:
    base = np.linspace(-1, 1, LAYOUT.width)
    merged = pool_graphs(parts, weights_of(0.3, 0.5), base, LAYOUT, 3)
    x = np.random.default_rng(1).normal(size=(*shape, 3)).astype(np.float32)
    one, two = (Session(part).run(x) for part in parts.values())
    expected = base + 0.3 * (one - base) + 0.5 * (two - base)
    expected[..., LAYOUT.quantiles] = np.sort(expected[..., LAYOUT.quantiles], axis=-1)
    np.testing.assert_allclose(Session(merged).run(x), expected, atol=1e-5)


def test_pool_when_a_part_has_no_weight_then_it_is_not_in_the_graph(
    parts: dict[str, bytes],
) -> None:
    base = np.zeros(LAYOUT.width)
    both = pool_graphs(parts, weights_of(0.5, 0.5), base, LAYOUT, 3)
    alone = pool_graphs(parts, weights_of(0.0, 1.0), base, LAYOUT, 3)
    assert len(alone) < len(both)
    none = pool_graphs(parts, weights_of(0.0, 0.0), base + 3.0, LAYOUT, 3)
    x = np.ones((1, 2, 3), np.float32)
    np.testing.assert_allclose(Session(none).run(x), 3.0, atol=1e-6)


def test_pool_when_a_part_carries_its_past_then_the_pool_carries_it_for_it() -> None:
    parts = {"network": streamed.late_onnx(), "trees": echo.graph_of(echo.NAMES)}
    merged = pool_graphs(parts, weights_of(0.5, 0.5), np.zeros(LAYOUT.width), LAYOUT, 2)
    session, x = Session(merged), streamed.random_rows(100)[None]
    expected = 0.5 * sum(Session(part).run(x) for part in parts.values())
    past = session.beginning()
    for row in range(100):
        y, past = session.step(x[:, row : row + 1], past)
        np.testing.assert_allclose(y[0, 0], expected[0, row], atol=1e-6)
    # The control: without its past the row is another.
    assert np.abs(session.run(x[:, 50:51])[0, 0] - expected[0, 50]).max() > 1e-3


def test_hybrid_when_trained_then_it_is_served_from_its_networks_past() -> None:
    assert planted.planted_artifact("hybrid").manifest["streaming"]["candles"] > 0


def test_check_when_the_merged_graph_is_another_then_it_refuses(parts: dict[str, bytes]) -> None:
    base, weights = np.zeros(LAYOUT.width), weights_of(0.5, 0.5)
    x = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    other = pool_graphs(parts, weights_of(0.5, 0.4), base, LAYOUT, 3)
    with pytest.raises(ArtifactError, match="the merged graph differs from its members by"):
        check_pool(other, parts, weights, base, LAYOUT, x)
    check_pool(pool_graphs(parts, weights, base, LAYOUT, 3), parts, weights, base, LAYOUT, x)
