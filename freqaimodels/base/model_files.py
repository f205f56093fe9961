"""Predictors as the files FreqAI keeps: arrays and JSON, no pickle."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from models.base.errors import ArtifactError
from models.serve.predictor import Predictor
from models.serve.rehearsal import admitted
from models.serve.saved import model_file, predictor_to_bytes

logger = logging.getLogger(__name__)


class PredictorFiles:
    """How a predictor becomes a file; what comes from one is rehearsed before it serves."""

    def path(self, folder: Path, name: str) -> Path:
        return model_file(folder, name)

    def to_bytes(self, model: Predictor) -> bytes:
        return predictor_to_bytes(model)

    def from_bytes(self, data: bytes, where: str) -> Predictor:
        return admitted(data, where)


class RefusedModels:
    """Models that must not serve, told to a person once each."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}  # why, by pair

    def tell(self, pair: str, error: ArtifactError, send: Callable[[str], None]) -> None:
        """Say that the model of `pair` is refused, and why, unless that has been said."""
        if self._told.get(pair) == str(error):
            return
        self._told[pair] = str(error)
        message = (
            f"The model of {pair} is refused; no forecasts and no entries until it is mended.\n"
            f"{error}"
        )
        logger.error(message)
        send(message)
