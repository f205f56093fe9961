"""What fitting any architecture results in, before calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
    facts
        What else the manifest tells about the fit (for example `parameters`); JSON-able. A graph
        that reads the time needs `time_origin_ms` here.
    """

    onnx: bytes
    seconds: float
    weights: bytes = b""
    facts: dict[str, Any] = field(default_factory=dict)
