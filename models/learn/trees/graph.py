"""All trees of a model as one ONNX graph: one tree operator, and a few on its outputs.

Written node by node rather than converted member by member: one pass over all trees is faster than
one per member, and a split is exact where a float32 feature decides it. Constants are rounded
once, from double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from models.base.errors import ArtifactError
from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray, IntArray
from models.serve.session import Session

TREE_OPSET = 20
ML_OPSET = 3  # the newest with leaves of several outputs
IR_VERSION = 10
FLOOR = 0.01  # of a forest's class probability, before its logarithm; its leaves tell no finer
TREE_TOLERANCE = 2e-5  # of an output, beside the same part of its size; one wrong leaf is far above


@dataclass(frozen=True)
class Tree:
    """One tree of n nodes, the root first: `x[feature] <= threshold` goes left."""

    feature: IntArray  # (n,)
    threshold: Float32Array  # (n,)
    left: IntArray  # (n,) node, -1 at a leaf
    right: IntArray  # (n,)
    outputs: tuple[int, ...]  # C graph outputs its leaves add to
    value: FloatArray  # (n, C) what a leaf adds to each

    def onto(self, outputs: Sequence[int], weights: FloatArray) -> Tree:
        """Return the tree adding `weights` (C',) times its values to `outputs` (C',)."""
        return replace(self, outputs=tuple(outputs), value=self.value * weights)

    @property
    def leaves(self) -> NDArray[np.bool_]:
        return self.left < 0


def trees_to_onnx(
    trees: Sequence[Tree], base: FloatArray, forest_weight: float, layout: HeadLayout, features: int
) -> bytes:
    """Return the graph ``features (B, T, F) -> outputs (B, T, H)`` of summed trees.

    Parameters
    ----------
    trees
        Adding to H outputs as `models.base.heads.HeadLayout`, and to three class probabilities of
        the forest behind them.
    base
        (H,) where the outputs start.
    forest_weight
        Of the logarithm of the forest's probabilities in the class logits; 0 leaves it out.
    """
    nodes = [
        helper.make_node("Reshape", ["features", "as_rows"], ["rows"]),  # (B T, F)
        _tree_node([_constant(base), *trees], len(base) + 3),  # (B T, H + 3)
        helper.make_node(
            "Split", ["sums", "parts"], ["boosted", "quantiles", "hazards", "forest"], axis=1
        ),
    ]
    if forest_weight > 0:
        nodes += [
            helper.make_node("Clip", ["forest", "floor"], ["clipped"]),
            helper.make_node("Log", ["clipped"], ["log_forest"]),
            helper.make_node("Mul", ["log_forest", "weight"], ["weighted"]),
            helper.make_node("Add", ["boosted", "weighted"], ["classes"]),
        ]
    nodes += [
        # Levels are fitted one by one and may cross; sorted they never fit worse (Chernozhukov,
        # Fernández-Val & Galichon 2010).
        helper.make_node("TopK", ["quantiles", "five"], ["ordered", "order"], axis=1, largest=0),
        helper.make_node(
            "Concat",
            ["classes" if forest_weight > 0 else "boosted", "ordered", "hazards"],
            ["answers"],
            axis=1,
        ),
        helper.make_node("Shape", ["features"], ["batch_time"], start=0, end=2),
        helper.make_node("Concat", ["batch_time", "width"], ["shape"], axis=0),
        helper.make_node("Reshape", ["answers", "shape"], ["outputs"]),
    ]
    constants = {
        "as_rows": np.array([-1, features]),
        "parts": np.array([3, 5, 2 * layout.bins, 3]),
        "five": np.array([5]),
        "width": np.array([layout.width]),
        "floor": np.array(FLOOR, np.float32),
        "weight": np.array(forest_weight, np.float32),
    }
    used = {name for node in nodes for name in node.input}
    return _model(nodes, {k: v for k, v in constants.items() if k in used}, features, layout)


def _model(
    nodes: list[NodeProto],
    constants: dict[str, NDArray[np.generic]],
    features: int,
    layout: HeadLayout,
) -> bytes:
    model: ModelProto = helper.make_model(
        helper.make_graph(
            nodes,
            "trees",
            [_value("features", features)],
            [_value("outputs", layout.width)],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[
            helper.make_opsetid("", TREE_OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        ],
        ir_version=IR_VERSION,
        producer_name="breakwater",
    )
    checker.check_model(model)
    onnx: bytes = model.SerializeToString(deterministic=True)
    return onnx


def _value(name: str, last: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "time", last])


def _constant(base: FloatArray) -> Tree:
    """Return the tree of one leaf that adds `base`.

    The operator's own `base_values` are not it: ONNX Runtime drops them where no tree answers.
    """
    none = np.full(1, -1)
    return Tree(
        feature=np.zeros(1, np.int64), threshold=np.zeros(1, np.float32), left=none, right=none,
        outputs=tuple(range(len(base))), value=base[None],
    )  # fmt: skip


def _tree_node(trees: Sequence[Tree], outputs: int) -> NodeProto:
    """Return the operator that sums the leaves of all trees."""
    sizes = [len(tree.left) for tree in trees]
    leaf_nodes = [np.flatnonzero(tree.leaves) for tree in trees]
    widths = [len(tree.outputs) for tree in trees]
    modes = np.where(_joined([t.leaves for t in trees]), "LEAF", "BRANCH_LEQ")
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["rows"],
        ["sums"],
        domain="ai.onnx.ml",
        n_targets=outputs,
        nodes_treeids=np.repeat(np.arange(len(trees)), sizes).tolist(),
        nodes_nodeids=_joined([np.arange(size) for size in sizes]).tolist(),
        nodes_featureids=_joined([t.feature for t in trees]).tolist(),
        nodes_values=_joined([np.where(t.leaves, 0, t.threshold) for t in trees]).tolist(),
        nodes_modes=modes.tolist(),
        nodes_truenodeids=_joined([np.maximum(t.left, 0) for t in trees]).tolist(),
        nodes_falsenodeids=_joined([np.maximum(t.right, 0) for t in trees]).tolist(),
        target_treeids=_joined(
            [np.full(len(n) * widths[i], i) for i, n in enumerate(leaf_nodes)]
        ).tolist(),
        target_nodeids=_joined(
            [np.repeat(n, w) for n, w in zip(leaf_nodes, widths, strict=True)]
        ).tolist(),
        target_ids=_joined(
            [np.tile(t.outputs, len(n)) for t, n in zip(trees, leaf_nodes, strict=True)]
        ).tolist(),
        target_weights=_joined(
            [t.value[n].ravel() for t, n in zip(trees, leaf_nodes, strict=True)]
        ).astype(np.float32).tolist(),
    )  # fmt: skip


def _joined(parts: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    return np.concatenate(parts)


def check_against_members(onnx: bytes, x: Float32Array, expected: FloatArray) -> None:
    """Compare the graph's outputs on rows (R, F) with those (R, H) of the libraries that fitted it.

    Raises
    ------
    ArtifactError
        If any output is further off than `TREE_TOLERANCE`.
    """
    got = Session(onnx).run(x[None])[0]  # (R, H)
    excess = np.abs(got - expected) - TREE_TOLERANCE * (1 + np.abs(expected))
    if not (excess <= 0).all():
        row, output = np.unravel_index(int(np.nanargmax(excess)), excess.shape)
        raise ArtifactError(
            f"ONNX and the fitted trees differ: {got[row, output]:.6g} instead of "
            f"{expected[row, output]:.6g}",
            where=f"export check, training row {row}, output {output}",
            cure="the export misread the trees; do not serve this artifact",
        )
