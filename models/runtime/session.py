"""ONNX Runtime sessions: one thread, no spinning, made when first used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from models.errors import ArtifactError
from models.types import Float32Array, IntArray


def graph_input(
    features: Float32Array, time_ms: IntArray, manifest: Mapping[str, Any]
) -> Float32Array:
    """Return what a graph is fed for rows of raw features: (N, F), or (N, F + 1) with the time.

    A manifest with `time_origin_ms` is of a graph that reads the candle's open time. It travels as
    the number of candles since that origin: a whole number, which float32 holds exactly for 16
    million candles, where days would be off by seconds after a few months.
    """
    origin_ms = manifest.get("time_origin_ms")
    if origin_ms is None:
        return features
    number = (time_ms - origin_ms) / manifest["candle_ms"]  # (N,)
    return np.column_stack((features, number)).astype(np.float32)


class Session:
    """features (B, T, F), as `graph_input` makes them, -> outputs (B, T, H); both float32."""

    def __init__(self, onnx: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A spinning worker burns a core between candles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                onnx, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ArtifactError(
                f"ONNX Runtime cannot load the network: {error}",
                cure="train the model again; the artifact is corrupt or from another version",
            ) from error
        self._input = self._session.get_inputs()[0].name

    def run(self, features: Float32Array) -> Float32Array:
        """Return the outputs of one forward pass."""
        out: Float32Array = self._session.run(
            None, {self._input: np.ascontiguousarray(features, dtype=np.float32)}
        )[0]
        return out
