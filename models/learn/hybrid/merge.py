"""Several graphs of one input as one graph that pools their outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import helper

from models.base.errors import ArtifactError
from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray
from models.learn.hybrid.side_by_side import SideBySide
from models.serve.session import Session

MERGE_TOLERANCE = 1e-4  # of an output, beside the same part of its size


def pool_graphs(
    members: Mapping[str, bytes],
    weights: Mapping[str, FloatArray],
    base: FloatArray,
    layout: HeadLayout,
    features: int,
) -> bytes:
    """Return the graph of ``base + sum_m weights_m * (member_m - base)``, quantiles sorted.

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
    rest = base * (1.0 - sum((weights[name] for name in used), np.zeros(layout.width)))
    nodes = [
        helper.make_node("Mul", [f"{name}/outputs", f"weight of {name}"], [f"term of {name}"])
        for name in used
    ]
    nodes += [
        helper.make_node("Sum", ["base", *(f"term of {name}" for name in used)], ["pooled"]),
        helper.make_node("Split", ["pooled", "parts"], ["classes", "unordered", "hazards"], axis=2),
        # In order before and, but for the last place, after pooling; now surely.
        helper.make_node("TopK", ["unordered", "five"], ["quantiles", "rank"], axis=2, largest=0),
        helper.make_node("Concat", ["classes", "quantiles", "hazards"], ["outputs"], axis=2),
    ]
    constants = {
        "base": rest.astype(np.float32),
        **{f"weight of {name}": weights[name].astype(np.float32) for name in used},
        "parts": np.array([3, 5, 2 * layout.bins]),
        "five": np.array([5]),
    }
    parts = SideBySide({name: members[name] for name in used})
    return parts.joined("pool", nodes, constants, features, layout.width)


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
        If any output is further off than `MERGE_TOLERANCE`.
    """
    expected = np.tile(base, (len(x), 1))
    for name, graph in members.items():
        expected += weights[name] * (Session(graph).run(x[None])[0] - base)
    expected[:, layout.quantiles] = np.sort(expected[:, layout.quantiles], axis=1)
    apart = np.abs(Session(merged).run(x[None])[0] - expected) - MERGE_TOLERANCE * np.abs(expected)
    if not (apart <= MERGE_TOLERANCE).all():
        raise ArtifactError(
            f"the merged graph differs from its members by {np.nanmax(apart):.2e}",
            where="export check of the pool",
            cure="the members were joined wrongly; do not serve this artifact",
        )
