"""Protocol Buffers as they travel, read strictly: what is not expected is refused.

ONNX Runtime reads a graph with a parser of its own, which accepts more than an exporter writes:
fields twice, fields unknown here. A check must not see another graph than the one that will run,
so a message has the fields it is allowed, each in the one way it is written, those that count
once at most once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

VARINT: Final = 0
EIGHT: Final = 1
BYTES: Final = 2
FOUR: Final = 5
_FEW: Final = 16  # entries of a list read one by one

Ints: TypeAlias = npt.NDArray[np.int64]


class WireError(ValueError):
    """The bytes are not the message they should be."""


class Kind(NamedTuple):
    """How a field is written."""

    wire: int
    many: bool = False  # whether it may come more than once


class Field(NamedTuple):
    """A field found: its number, or where its bytes are in the buffer, or a list of numbers."""

    number: int
    value: int  # the number itself, or where the bytes begin
    stop: int = -1
    ints: tuple[int, ...] | Ints = ()  # of a list, as far as it goes on

    def of(self, data: bytes) -> bytes:
        return data[self.value : self.stop]


def fields(
    data: bytes, start: int, stop: int, allowed: Mapping[int, Kind], what: str
) -> Iterator[Field]:
    """Yield the fields of the message in data[start:stop].

    Raises
    ------
    WireError
        If it has another field, one written otherwise or too often, or ends within one.
    """
    seen = set()
    while start < stop:
        tag, start = _varint(data, start, stop, what)
        number, wire = tag >> 3, tag & 7
        kind = allowed.get(number)
        if kind is None or kind.wire != wire:
            raise WireError(f"{what} has a field {number} of wire type {wire}, which none may have")
        if number in seen and not kind.many:
            raise WireError(f"{what} has its field {number} twice")
        seen.add(number)
        if kind.many and wire == VARINT:
            ints, start = _list(data, start, stop, number, what)
            yield Field(number, 0, ints=ints)
            continue
        if wire == VARINT:
            value, start = _varint(data, start, stop, what)
            yield Field(number, value)
            continue
        if kind.many and wire == FOUR:
            # The first one's bytes follow; those behind it at once.
            start = _after_floats(data, start + 4, stop, number)
        elif wire == BYTES:
            size, start = _varint(data, start, stop, what)
            if size > stop - start:
                raise WireError(f"{what} ends within its field {number}")
            yield Field(number, start, start + size)
            start += size
        else:
            start += 4 if wire == FOUR else 8
        if start > stop:
            raise WireError(f"{what} ends within its field {number}")


def _varint(data: bytes, start: int, stop: int, what: str) -> tuple[int, int]:
    """Return a number and where the next byte is."""
    value = shift = 0
    while start < stop:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, start
        shift += 7
        if shift > 63:
            break
    raise WireError(f"{what} ends within a number, or has one too large")


def _list(
    data: bytes, start: int, stop: int, number: int, what: str
) -> tuple[tuple[int, ...] | Ints, int]:
    """Return the values of a varint field that follow each other, and where they end.

    The first one's tag has been read. Trees have a hundred thousand, shapes three.
    """
    few: list[int] = []
    while len(few) < _FEW:
        value, start = _varint(data, start, stop, what)
        few.append(value - (1 << 64) if value >> 63 else value)
        if start >= stop or data[start] != number << 3 | VARINT:
            return tuple(few), start
        start += 1
    rest, start = _run(data, start - 1, stop, number)
    return np.concatenate((np.array(few, np.int64), rest)), start


def _run(data: bytes, start: int, stop: int, number: int) -> tuple[Ints, int]:
    """Return a run of the varint field `number` that begins with its tag, and where it ends."""
    parts = np.frombuffer(data, np.uint8, stop - start, start)
    last = np.flatnonzero(parts < 0x80)  # of each varint: tag, value, tag, value ..
    if len(last) < 2:
        raise WireError(f"field {number} ends within a number")
    first = np.concatenate(([0], last[:-1] + 1))
    tags = first[0::2]
    strange = np.flatnonzero((parts[tags] != number << 3 | VARINT) | (last[0::2] != tags))
    count = min(int(strange[0]) if len(strange) else len(tags), len(last) // 2)
    first, last = first[1::2][:count], last[1::2][:count]
    width = last - first + 1
    if width.max() > 10 or (parts[last[width == 10]] > 1).any():
        raise WireError(f"field {number} has a number too large")
    out = np.zeros(count, np.uint64)
    for i in range(int(width.max())):
        here = width > i
        bits = parts[first[here] + i].astype(np.uint64) & np.uint64(0x7F)
        out[here] |= bits << np.uint64(7 * i)
    return out.view(np.int64), start + int(last[-1]) + 1


def _after_floats(data: bytes, start: int, stop: int, number: int) -> int:
    """Return where the four-byte fields `number` that follow each other end."""
    count = max(stop - start, 0) // 5
    tags = np.frombuffer(data, np.uint8, 5 * count, min(start, stop))[0::5]
    strange = np.flatnonzero(tags != number << 3 | FOUR)
    return start + 5 * (int(strange[0]) if len(strange) else count)
