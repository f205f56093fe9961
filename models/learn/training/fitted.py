"""What fitting any architecture results in, before calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.base.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained architecture, before calibration.

    Attributes
    ----------
    onnx
        Graph ``features (B, T, F) float32 -> outputs (B, T, H) float32`` of raw features to the
        outputs of `models.base.heads.HeadLayout`, quantiles in order; checked against its origin.
    seconds
        Spent fitting, without the export.
    weights
        What a later training can go on from; empty where it cannot.
    left_out
        (N, H) raw outputs on rows of the frame by networks that were not trained on them, NaN
        elsewhere; None where the newest rows were held out from all.
    facts
        What else the manifest tells about the fit (for example `parameters`); JSON-able. A graph
        that reads the time needs `time_origin_ms` here.
    """

    onnx: bytes
    seconds: float
    weights: bytes = b""
    left_out: FloatArray | None = None
    facts: dict[str, Any] = field(default_factory=dict)
