"""Several graphs of one input as one graph that pools their outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper

from models.errors import ArtifactError
from models.heads import HeadLayout
from models.runtime.session import Session
from models.types import Float32Array, FloatArray

TOLERANCE = 1e-4  # of an output, beside the same part of its size
_IR_VERSION = 10


def pool_graphs(
    members: Mapping[str, bytes],
    weights: Mapping[str, FloatArray],
    base: FloatArray,
    layout: HeadLayout,
    features: int,
) -> bytes:
    """Return the graph of ``base + sum_m weights_m * (member_m - base)``, quantiles sorted.

    What a member carries from candle to candle the pool carries for it.

    Parameters
    ----------
    members
        Name to a graph ``features (B, T, F) -> outputs (B, T, H)``.
    weights
        Name to (H,), the same within a head; members of weight zero everywhere are left out.
    base
        (H,) what the weights leave to.
    """
    # Where nothing has any weight one member stays, for the shape of the answer.
    used = [name for name in members if np.any(weights[name])] or list(members)[:1]
    nodes, constants, domains = [], [], {"": 0}
    terms = ["base"]
    past, left = [], []
    rest = base * (1.0 - sum((weights[name] for name in used), np.zeros(layout.width)))
    constants.append(numpy_helper.from_array(rest.astype(np.float32), "base"))
    for name in used:
        part = compose.add_prefix(onnx.load_from_string(members[name]), f"{name}/")
        for domain in part.opset_import:
            domains[domain.domain] = max(domains.get(domain.domain, 0), domain.version)
        for node in part.graph.node:
            # Both read the one input.
            node.input[:] = ["features" if i == f"{name}/features" else i for i in node.input]
        nodes += list(part.graph.node)
        past += list(part.graph.input)[1:]
        left += list(part.graph.output)[1:]
        constants += list(part.graph.initializer)
        constants.append(
            numpy_helper.from_array(weights[name].astype(np.float32), f"weight of {name}")
        )
        nodes.append(
            helper.make_node("Mul", [f"{name}/outputs", f"weight of {name}"], [f"term of {name}"])
        )
        terms.append(f"term of {name}")
    nodes += [
        helper.make_node("Sum", terms, ["pooled"]),
        helper.make_node("Split", ["pooled", "parts"], ["classes", "unordered", "hazards"], axis=2),
        # In order before and, but for the last place, after pooling; now surely.
        helper.make_node("TopK", ["unordered", "five"], ["quantiles", "rank"], axis=2, largest=0),
        helper.make_node("Concat", ["classes", "quantiles", "hazards"], ["outputs"], axis=2),
    ]
    constants += [
        numpy_helper.from_array(np.array([3, 5, 2 * layout.bins]), "parts"),
        numpy_helper.from_array(np.array([5]), "five"),
    ]
    model: ModelProto = helper.make_model(
        helper.make_graph(
            nodes,
            "pool",
            [_value("features", features), *past],
            [_value("outputs", layout.width), *left],
            constants,
        ),
        opset_imports=[helper.make_opsetid(d, v) for d, v in sorted(domains.items()) if v],
        ir_version=_IR_VERSION,
        producer_name="breakwater",
    )
    onnx.checker.check_model(model)
    out: bytes = model.SerializeToString(deterministic=True)
    return out


def _value(name: str, last: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "time", last])


def check_pool(
    merged: bytes,
    members: Mapping[str, bytes],
    weights: Mapping[str, FloatArray],
    base: FloatArray,
    layout: HeadLayout,
    x: Float32Array,
) -> None:
    """Compare the merged graph with its members' own answers on rows (T, F), pooled here.

    Raises
    ------
    ArtifactError
        If any output is further off than `TOLERANCE`.
    """
    expected = np.tile(base, (len(x), 1))
    for name, graph in members.items():
        expected += weights[name] * (Session(graph).run(x[None])[0] - base)
    expected[:, layout.quantiles] = np.sort(expected[:, layout.quantiles], axis=1)
    apart = np.abs(Session(merged).run(x[None])[0] - expected) - TOLERANCE * np.abs(expected)
    if not (apart <= TOLERANCE).all():
        raise ArtifactError(
            f"the merged graph differs from its members by {np.nanmax(apart):.2e}",
            where="export check of the pool",
            cure="the members were joined wrongly; do not serve this artifact",
        )
