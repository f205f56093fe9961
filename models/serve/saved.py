"""A predictor as bytes, and back: arrays and JSON, nothing that runs when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import MODELS_ANEW, arrays_from_bytes, arrays_to_bytes
from models.base.errors import ArtifactError, PackError
from models.base.types import Artifact
from models.serve.predictor import Predictor

_PARTS: Final = ("onnx", "manifest", "weights")  # bytes
ENDING: Final = "_model.arrays"  # of a file that holds a predictor


def model_file(folder: Path, name: str) -> Path:
    """Return where the predictor `name` of a training is kept."""
    return folder / f"{name}{ENDING}"


def predictor_to_bytes(predictor: Predictor) -> bytes:
    """Return a predictor as `predictor_from_bytes` reads it.

    Raises
    ------
    ArtifactError
        If its manifest is no JSON.
    """
    artifact = predictor.artifact
    try:
        manifest = json.dumps(artifact.manifest).encode()
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"the manifest is no JSON: {error}") from error
    parts = (artifact.onnx, manifest, artifact.weights)
    arrays: dict[str, NDArray[Any]] = {
        name: np.frombuffer(part, np.uint8) for name, part in zip(_PARTS, parts, strict=True)
    }
    if predictor.history is not None and predictor.history_time_ms is not None:
        arrays |= {"history": predictor.history, "history_time_ms": predictor.history_time_ms}
    return arrays_to_bytes(arrays)


def predictor_from_bytes(data: bytes, where: str = "") -> Predictor:
    """Return the predictor `data` was made of.

    Raises
    ------
    ArtifactError
        If the bytes are anything else, or its parts do not belong together.
    """
    arrays = arrays_from_bytes(data, where=where)
    try:
        _check_kinds(arrays)
        manifest = json.loads(arrays["manifest"].tobytes())
        if not isinstance(manifest, dict):
            raise ArtifactError(f"expected a manifest of fields, got {type(manifest).__name__}")
        artifact = Artifact(
            onnx=arrays["onnx"].tobytes(), manifest=manifest, weights=arrays["weights"].tobytes()
        )
        return Predictor(artifact, arrays.get("history"), arrays.get("history_time_ms"))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"the manifest is no JSON: {error}", where=where, cure=MODELS_ANEW
        ) from error
    except PackError as error:
        raise ArtifactError(
            error.problem, where=where or error.where, cure=error.cure or MODELS_ANEW
        ) from error


def _check_kinds(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ArtifactError unless they are a predictor's parts."""
    kinds = {name: (array.dtype.name, array.ndim) for name, array in arrays.items()}
    parts: dict[str, tuple[str, int]] = dict.fromkeys(_PARTS, ("uint8", 1))
    rows = {"history": ("float32", 2), "history_time_ms": ("int64", 1)}
    if kinds not in (parts, parts | rows):
        raise ArtifactError(f"expected the parts of a model, got {str(kinds)[:200]}")
