"""Finished pieces of a study: what an interrupted one need not make again.

A piece is one engine in one fold, or one engine's far tail. It is found again by a digest of all
that it depends on, so a piece of other candles, settings, spans or seeds is never taken for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import arrays_from_bytes, arrays_to_bytes
from models.base.errors import ArtifactError

_TOLD: Final = "told"


class PieceKey(NamedTuple):
    """Which piece it is, for a person, and a digest of all it depends on."""

    title: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class StudyPiece:
    """What came of one piece of work: arrays, and values that JSON holds."""

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self, key: PieceKey) -> bytes:
        """Return it as bytes that name their key."""
        text = json.dumps({"digest": key.digest, **self.told}).encode()
        return arrays_to_bytes({**self.arrays, _TOLD: np.frombuffer(text, np.uint8)})

    @classmethod
    def from_bytes(cls, data: bytes, key: PieceKey, where: str = "") -> StudyPiece:
        """Return what `to_bytes` wrote, bit for bit.

        Raises
        ------
        ArtifactError
            If the bytes are shortened, changed, or another piece's.

        Examples
        --------
        >>> key = PieceKey("a fold", "12ab")
        >>> data = StudyPiece(arrays={"x": np.arange(2.0)}, told={"n": 1}).to_bytes(key)
        >>> again = StudyPiece.from_bytes(data, key)
        >>> again.arrays["x"].tolist(), again.told
        ([0.0, 1.0], {'n': 1})
        """
        arrays = arrays_from_bytes(data, where=where)
        told = json.loads(arrays.pop(_TOLD, np.frombuffer(b"{}", np.uint8)).tobytes())
        if told.pop("digest", "") != key.digest:
            raise ArtifactError("it is another piece's", where=where)
        return cls(arrays=arrays, told=told)


class Pieces(Protocol):
    """Who keeps finished pieces."""

    def remembered(self, key: PieceKey, make: Callable[[], StudyPiece]) -> tuple[StudyPiece, bool]:
        """Return a piece, and whether it was kept from before; what `make` raises is raised."""
        ...


class AllAnew:
    """Keeps nothing."""

    def remembered(self, key: PieceKey, make: Callable[[], StudyPiece]) -> tuple[StudyPiece, bool]:
        return make(), False


def piece_digest(parts: Any, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a digest of values that JSON holds and of arrays, their names, shapes and kinds.

    Examples
    --------
    >>> one = {"x": np.zeros(2)}
    >>> piece_digest([1], one) == piece_digest([1], one)
    True
    >>> piece_digest([1], one) == piece_digest([2], one)
    False
    """
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(arrays_to_bytes(arrays))
    return digest.hexdigest()
