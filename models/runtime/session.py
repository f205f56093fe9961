"""ONNX Runtime sessions: one thread, no spinning, made when first used."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from models.errors import ArtifactError
from models.types import Float32Array


class Session:
    """features (B, T, F) float32 -> outputs (B, T, H) float32."""

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
