"""Artifacts whose network only repeats a feature: they show which row an answer belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from models.base import columns
from models.base.heads import HeadLayout
from models.base.types import Artifact, Float32Array
from models.base.windows import WEEK_HOURS
from models.serve.conditions import CLOCK_HOURS, ConditionInputs
from models.serve.drift import fit_drift
from models.serve.manifest import MANIFEST_FORMAT

NAMES = ("%-echo", columns.FEATURE_SIGMA)
CANDLE_MS = 3_600_000
CONTEXT = 5
LAYOUT = HeadLayout(bin_edges=(1, 2))
SIGMA = 0.5  # of every row; with a horizon of 4 candles the forecast's sigma is 1


def plain_moves(names: tuple[str, ...]) -> dict[str, Any]:
    """Conditions that add nothing to the odds of a move."""
    return _nothing_of(len(ConditionInputs(names, CANDLE_MS).names))


def plain_stretch(names: tuple[str, ...]) -> dict[str, Any]:
    """A stretch that leaves quantiles as they are."""
    return _nothing_of(1 + len(ConditionInputs(names, CANDLE_MS).names))  # half the width


def _nothing_of(inputs: int) -> dict[str, Any]:
    return {
        "mean": [0.0] * inputs, "std": [1.0] * inputs, "slope": [0.0] * inputs,
        "clock": [0.0] * CLOCK_HOURS, "intercept": 0.0,
    }  # fmt: skip


def plain_calibration(names: tuple[str, ...]) -> dict[str, Any]:
    """The calibration of the echo, for other features."""
    calibration: dict[str, Any] = echo_artifact().manifest["calibration"]
    return {**calibration, "moves": plain_moves(names), "stretch": plain_stretch(names)}


AHEAD_NAMES = (*NAMES, "%-range")
AHEAD_WINDOWS = (1, 3, 8)  # candles; the longest is what a forecast looks back on


def ahead_artifact() -> Artifact:
    """The echo with a forecast of volatility beside it, and odds of a move that go by it."""
    good, inputs = echo_artifact(), len(AHEAD_WINDOWS)
    onnx, calibration = graph_of(AHEAD_NAMES), plain_calibration(AHEAD_NAMES)
    width = 2 + len(ConditionInputs(AHEAD_NAMES, CANDLE_MS).names)  # log volatility, its square
    moves = _nothing_of(width) | {"slope": [1.0, -0.5, *[0.0] * (width - 2)]}
    return Artifact(
        onnx=onnx,
        manifest={
            **good.manifest,
            "feature_names": list(AHEAD_NAMES),
            "calibration": {**calibration, "moves": moves},
            "log_volatility": {
                "windows": list(AHEAD_WINDOWS), "same_hour": False, "mean": [-9.0] * inputs,
                "std": [1.0] * inputs, "slope": [0.1, 0.2, 0.3], "intercept": -6.0,
                "clock": np.linspace(0.0, 1.0, WEEK_HOURS).tolist(),
            },
            "novelty": {"mean": [0.0] * 3, "std": [1.0] * 3, "threshold": 100.0},
            "drift": fit_drift(np.zeros((1, 3), np.float32)),
            "onnx_sha256": Artifact.digest(onnx),
        },
    )  # fmt: skip


def ahead_rows(rows: int, seed: int = 0) -> Float32Array:
    """Feature rows (N, 3) of `AHEAD_NAMES`: calm and wild candles."""
    x = np.full((rows, len(AHEAD_NAMES)), SIGMA, dtype=np.float32)
    rng = np.random.default_rng(seed)
    x[:, 0], x[:, 2] = rng.normal(size=rows), 0.05 * np.exp(rng.normal(size=rows))
    return x


def graph_of(names: tuple[str, ...], late_rows: int = 0) -> bytes:
    """A graph over the features `names` that repeats the first of them."""
    weights = np.zeros((len(names), LAYOUT.width), dtype=np.float32)
    weights[0, LAYOUT.classes.stop - 1] = 1.0  # the logit of "up"
    weights[0, LAYOUT.quantiles] = 1.0
    nodes = [helper.make_node("MatMul", ["features", "weights"], ["now"])]
    constants = [numpy_helper.from_array(weights, "weights")]
    if late_rows:
        # The first row again in front, the last one dropped: row t answers for row t - 1.
        for name, value in (("zero", 0), ("one", 1), ("last", -1)):
            constants.append(numpy_helper.from_array(np.array([value], dtype=np.int64), name))
        nodes += [
            helper.make_node("Slice", ["now", "zero", "one", "one"], ["head"]),
            helper.make_node("Slice", ["now", "zero", "last", "one"], ["body"]),
            helper.make_node("Concat", ["head", "body"], ["outputs"], axis=1),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["now"], ["outputs"]))
    graph = helper.make_graph(
        nodes,
        "echo",
        [
            helper.make_tensor_value_info(
                "features", TensorProto.FLOAT, ["batch", "time", len(names)]
            )
        ],
        [
            helper.make_tensor_value_info(
                "outputs", TensorProto.FLOAT, ["batch", "time", LAYOUT.width]
            )
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx: bytes = model.SerializeToString()
    return onnx


def echo_artifact(late_rows: int = 0) -> Artifact:
    """An artifact whose `&-return` and `p_up` repeat `%-echo`; `late_rows` 1 repeats row t - 1."""
    onnx = graph_of(NAMES, late_rows)
    return Artifact(
        onnx=onnx,
        manifest={
            "format": MANIFEST_FORMAT,
            "title": "echo",
            "feature_names": list(NAMES),
            "candle_ms": CANDLE_MS,
            "horizon_candles": 4,
            "hazard_bin_edges": list(LAYOUT.bin_edges),
            "outputs": LAYOUT.width,
            "context_candles": CONTEXT,
            "calibration": {
                "moves_slope": 1.0,
                "moves": plain_moves(NAMES),
                "direction_slope": 1.0,
                "prior_logits": [0.0, 0.0, 0.0],
                "stretch": plain_stretch(NAMES),
                "conformal_offset": 0.0,
                "edge": {"slope": 1.0, "low": 1.0, "rows": 0},
                "false_alarms": {
                    side: {"hazard": [0.0, 0.5], "per_week": [7.0, 0.5]}
                    for side in columns.SIDE_NAMES
                },
            },
            "cost_frac": 0.0014,
            "log_volatility": None,
            "novelty": {"mean": [0.0, 0.0], "std": [1.0, 1.0], "threshold": 100.0},
            "drift": fit_drift(np.zeros((1, 2), np.float32)),
            "onnx_sha256": Artifact.digest(onnx),
        },
    )


def echo_rows(rows: int, seed: int = 0) -> Float32Array:
    """Feature rows (N, 2) whose echo differs from row to row."""
    x = np.full((rows, len(NAMES)), SIGMA, dtype=np.float32)
    x[:, 0] = np.random.default_rng(seed).normal(size=rows)
    return x
