"""ONNX Runtime sessions: one thread, no spinning, made when first used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from models.base.errors import ArtifactError
from models.base.types import Float32Array, IntArray
from models.serve.graph import check_graph


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


SessionState = list[Float32Array]

# Rows of one call of a pass with a past. Attention looks at as many other rows for each of them,
# so that 64 are three times as fast as 384; the rest of the networks hardly care.
_PIECE = 64


class Session:
    """features (B, T, F), as `graph_input` makes them, -> outputs (B, T, H); both float32.

    A graph with more inputs than the features carries a past: what it needs to know of the rows
    before the ones it is given. As many outputs follow the first: the past of the rows after them.

    Raises
    ------
    ArtifactError
        If the bytes are no graph to run (`models.serve.graph`), or one whose past does not fit.
    """

    def __init__(self, onnx: bytes) -> None:
        check_graph(onnx)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A spinning worker burns a core between candles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")
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
        self._input, *past = self._session.get_inputs()
        self._names = [part.name for part in past]
        self._shapes = [part.shape[1:] for part in past]
        count = len(self._session.get_outputs()) - 1
        if count != len(past) or not all(isinstance(n, int) for s in self._shapes for n in s):
            raise ArtifactError(
                f"expected as many parts of the past after a row as before, of fixed shapes, "
                f"got {count} after and {self._shapes} before",
                cure="train the model again; the artifact is corrupt or from another version",
            )

    @property
    def carries_past(self) -> bool:
        """Whether rows can be run candle by candle, see `step`."""
        return bool(self._names)

    def beginning(self, batch: int = 1) -> SessionState:
        """Return the past of a sequence's first row: zeros, a part (batch, ..) per layer."""
        return [np.zeros((batch, *shape), dtype=np.float32) for shape in self._shapes]

    def step(self, features: Float32Array, past: SessionState) -> tuple[Float32Array, SessionState]:
        """Return the outputs (B, T, H) of rows that follow `past`, and the past they leave."""
        feeds = dict(zip(self._names, past, strict=True))
        feeds[self._input.name] = np.ascontiguousarray(features, dtype=np.float32)
        outputs, *left = self._session.run(None, feeds)
        return outputs, left

    def run(self, features: Float32Array) -> Float32Array:
        """Return the outputs of whole sequences; their first rows have nothing before them."""
        past = self.beginning(len(features))
        if not past:
            return self.step(features, past)[0]
        pieces = []
        for start in range(0, max(features.shape[1], 1), _PIECE):
            outputs, past = self.step(features[:, start : start + _PIECE], past)
            pieces.append(outputs)
        return np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]
