"""Shapes and records shared by every room of `models`.

Shape letters, fixed here and used everywhere: B batch, T time (candles), F features, H head
outputs, N rows of one frame, A assets, K hazard bins. Times are int64 milliseconds UTC of the
candle's *open*; a value "known at time t" is known when candle t has closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Candles:
    """One market's candles, oldest first, all arrays (N,)."""

    time_ms: IntArray  # open time of each candle
    open: FloatArray  # quote units
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray  # base units

    def __len__(self) -> int:
        return len(self.time_ms)

    def cut(self, rows: slice | IntArray | BoolArray) -> Candles:
        """Return the candles of some rows."""
        return Candles(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """Everything a training needs, as arrays and plain values; picklable, no code.

    Attributes
    ----------
    network
        Name in the catalogue, for example ``"lstm"``.
    features
        (N, F) float32, unscaled, NaN where not computable; known at each row's candle close.
    feature_names
        F names, in the order of the columns; the artifact will insist on them.
    labels
        Name to (N,) float64; NaN where the future needed was not in the frame.
    time_ms
        (N,) candle open times; gaps are allowed and break sequences.
    candle_ms
        Length of one candle.
    peers
        Other markets' rows, with the same features and candles, to learn from beside one's own:
        rows from before a span's end count in that span. Their settings are not read.
    lessons_ms
        Spans (first, last candle) of the calibration rows to learn from beside the training rows:
        `models.data.labels.lessons`. Networks do.
    warm_start
        `Artifact.weights` to go on from, with fewer and smaller steps (`fine_tune_*` settings);
        empty is a training from random weights.
    """

    network: str
    features: Float32Array
    feature_names: tuple[str, ...]
    labels: Mapping[str, FloatArray]
    time_ms: IntArray
    candle_ms: int
    settings: Mapping[str, Any] = field(default_factory=dict)  # training, network and label config
    seed: int = 0
    title: str = ""  # for progress lines only
    peers: tuple[TrainingJob, ...] = ()
    lessons_ms: tuple[tuple[int, int], ...] = ()
    warm_start: bytes = b""


@dataclass(frozen=True)
class Artifact:
    """A trained forecaster as data: ONNX bytes plus a JSON-able manifest (no pickled code).

    `weights` is what another training can go on from, empty where the architecture cannot: ONNX
    keeps recurrent weights in another order and folds others away.
    """

    onnx: bytes
    manifest: dict[str, Any]
    weights: bytes = b""  # NumPy's .npz

    @staticmethod
    def digest(onnx: bytes) -> str:
        """Return the SHA-256 hex digest the manifest stores for `onnx`."""
        return hashlib.sha256(onnx).hexdigest()
