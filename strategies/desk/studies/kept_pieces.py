"""Finished pieces of a study in files: what an interrupted run leaves to the next one.

A file's name is a digest of all that its piece depends on, the code and the libraries included;
its content names that digest and has one of its own. It is there whole or not at all, so a run
that was killed loses the piece it was at. Two runs at once make a piece twice and keep it once.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from models.base.errors import ArtifactError, ControlError
from models.base.files import locked, read_regular, write_atomic
from models.base.fingerprint import models_digest
from models.studies.scenarios.pieces import PieceKey, StudyPiece

_LOCK: Final = ".lock"
_ATTEMPTS: Final = 6_000  # a minute: another run may be writing to a slow disk


class KeptPieces:
    """Pieces in a folder; `Pieces` of `models.studies.scenarios`.

    Parameters
    ----------
    folder
        Made when the first piece is kept. It may be deleted at any time.
    libraries
        Distributions whose versions change what is computed; one that is not installed counts so.
    say
        Told a line of what is wrong with a piece, or why one could not be kept.
    code
        Digest of the code that makes pieces.
    """

    def __init__(
        self,
        folder: Path,
        libraries: Collection[str],
        say: Callable[[str], None],
        code: str | None = None,
    ) -> None:
        self.folder, self._say = folder, say
        self._maker = json.dumps([code or models_digest(), *map(_version, libraries)])

    def path_of(self, key: PieceKey) -> Path:
        """Return the file of a piece, be it there or not."""
        name = hashlib.sha256(f"{self._maker} {key.digest}".encode()).hexdigest()
        return self.folder / f"{name[:32]}.piece"

    def count(self, keys: Collection[PieceKey]) -> int:
        """Return how many of these pieces are there."""
        return sum(self.path_of(key).is_file() for key in keys)

    def remembered(self, key: PieceKey, make: Callable[[], StudyPiece]) -> tuple[StudyPiece, bool]:
        """Return a piece, and whether it was kept; a file that cannot be read is made anew."""
        path = self.path_of(key)
        if path.exists():
            try:
                return StudyPiece.from_bytes(read_regular(path), key, str(path)), True
            except (OSError, ArtifactError) as error:
                why = error.problem if isinstance(error, ArtifactError) else error
                self._say(f"{key.title}: a kept piece is of no use and made anew: {why} ({path})")
        piece = make()
        self._keep(path, piece.to_bytes(key), key.title)
        return piece, False

    def _keep(self, path: Path, data: bytes, title: str) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / _LOCK, attempts=_ATTEMPTS):
                write_atomic(path, data)
        except (OSError, ControlError) as error:  # the study itself goes on without
            self._say(f"{title}: not kept, an interrupted run would make it again: {error}")


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{distribution} not installed"
