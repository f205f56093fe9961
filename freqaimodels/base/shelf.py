"""Models that do not serve now: in shadow, to go back to, the first one, and those refused.

Each is a file of its own beside FreqAI's, by its number in the book of models.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from freqaimodels.base.model_files import PredictorFiles
from models.base.files import read_regular, write_atomic
from models.serve.predictor import Predictor

_NAME: Final = re.compile(r"generation-(\d+)\.arrays")


class Shelf:
    """The models in `folder`; `files` says how a model becomes a file."""

    def __init__(self, folder: Path, files: PredictorFiles) -> None:
        self._folder, self._files = folder, files
        self._read: dict[int, Predictor] = {}

    @staticmethod
    def digest(model: Predictor) -> str:
        """Return what tells one model from another, whoever it was compared with since."""
        title = str(model.manifest.get("title", ""))
        return hashlib.sha256(model.artifact.onnx + title.encode()).hexdigest()

    def put(self, number: int, model: Predictor) -> None:
        """Keep a model under its number; raises OSError where it cannot be written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path(number), self._files.to_bytes(model))
        self._read[number] = model

    def get(self, number: int) -> Predictor:
        """Return the model of this number.

        Raises
        ------
        OSError
            If there is none.
        ArtifactError
            If it is no model, or must not be run.
        """
        if number not in self._read:
            path = self._path(number)
            self._read[number] = self._files.from_bytes(read_regular(path), str(path))
        return self._read[number]

    def keep_only(self, numbers: set[int]) -> None:
        """Remove every other model."""
        self._read = {n: model for n, model in self._read.items() if n in numbers}
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match and int(match.group(1)) not in numbers:
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"generation-{number}.arrays"
