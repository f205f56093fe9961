"""Named arrays as bytes, and back: numbers only, nothing that runs when it is read.

A file of this kind is a magic line, a digest, the length of a JSON table of contents, that table,
and the arrays' own bytes in its order. Pickles run code when they are loaded, and archives have
entries larger than themselves; here every length is known before anything is made of it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.base.errors import ArtifactError

_MAGIC: Final = b"breakwater arrays 1\n"
_LENGTH: Final = 8  # bytes of the table's length, little-endian
_DIGEST: Final = hashlib.sha256().digest_size
_DTYPES: Final = frozenset({
    "bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64",
    *(f"datetime64[{unit}]" for unit in ("s", "ms", "us", "ns")),
})  # fmt: skip
MODELS_ANEW: Final = (
    "move the run's folder in user_data/models away and start again: its models are trained anew"
)


def arrays_to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return `arrays` as bytes that `arrays_from_bytes` reads.

    Raises
    ------
    ArtifactError
        If one holds anything but numbers, truth values or times.

    Examples
    --------
    >>> data = arrays_to_bytes({"a": np.arange(3.0)})
    >>> arrays_from_bytes(data)["a"].tolist()
    [0.0, 1.0, 2.0]
    """
    table, parts = [], []
    for name, array in arrays.items():
        kind = array.dtype.newbyteorder("=").name
        if kind not in _DTYPES:
            raise ArtifactError(f"expected numbers or times in {name!r}, got {array.dtype}")
        table.append([name, kind, list(array.shape)])
        parts.append(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    head = json.dumps(table).encode()
    body = b"".join((len(head).to_bytes(_LENGTH, "little"), head, *parts))
    return _MAGIC + hashlib.sha256(body).digest() + body


def arrays_from_bytes(data: bytes, *, where: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays in `data`, bit for bit as they were written.

    Raises
    ------
    ArtifactError
        If the bytes are anything else, shortened, changed, or followed by more.
    """
    start = len(_MAGIC) + _DIGEST
    if not data.startswith(_MAGIC):
        raise _unreadable(f"expected it to begin with {_MAGIC!r}, got {data[:20]!r}", where)
    if hashlib.sha256(memoryview(data)[start:]).digest() != data[len(_MAGIC) : start]:
        raise _unreadable("its digest is not that of its content", where)
    length = int.from_bytes(data[start : start + _LENGTH], "little")
    begin = start + _LENGTH + length
    if begin > len(data):
        raise _unreadable("its table of contents is longer than the file", where)
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind, shape in _table(data[start + _LENGTH : begin], where):
        dtype = np.dtype(kind).newbyteorder("<")
        count = math.prod(shape)
        if count * dtype.itemsize > len(data) - begin or name in arrays:
            raise _unreadable(f"its array {name[:40]!r} does not fit into it", where)
        arrays[name] = np.frombuffer(data, dtype, count, begin).reshape(shape).copy()
        begin += count * dtype.itemsize
    if begin != len(data):
        raise _unreadable(f"{len(data) - begin:,} bytes belong to no array", where)
    return arrays


def _table(text: bytes, where: str) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return name, kind and shape of every array."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"its table of contents is no JSON: {error}", where) from error
    if not isinstance(rows, list):
        raise _unreadable(f"expected a list of arrays, got {type(rows).__name__}", where)
    table = []
    for row in rows:
        match row:
            case [str(name), str(kind), list(shape)] if kind in _DTYPES and _counts(shape):
                table.append((name, kind, tuple(shape)))
            case _:
                raise _unreadable(f"expected [name, kind, shape], got {str(row)[:80]}", where)
    return table


def _counts(shape: list[Any]) -> bool:
    """Return whether every entry is a count."""
    return len(shape) <= 8 and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)


def _unreadable(problem: str, where: str) -> ArtifactError:
    return ArtifactError(f"cannot read the arrays: {problem}", where=where, cure=MODELS_ANEW)
