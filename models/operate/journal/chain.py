"""One line of the journal and the chain through all of them.

Every line carries the hash of the line before it and its own, over its own text, so that a changed,
removed, inserted or moved line breaks the chain at a line with a number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.base.files import iso_ms

GENESIS: Final = "0" * 64  # what stands before the first line


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """One line: its number, time, kind, record, and place in the chain."""

    n: int
    time_ms: int
    kind: str
    record: Mapping[str, Any]
    prev: str
    hash: str


def encode(n: int, time_ms: int, kind: str, record: Mapping[str, Any], prev: str) -> JournalEntry:
    """Return the next line of a chain whose last hash is `prev`."""
    return JournalEntry(
        n=n, time_ms=time_ms, kind=kind, record=record, prev=prev,
        hash=hashlib.sha256(_body(n, time_ms, kind, record, prev)).hexdigest(),
    )  # fmt: skip


def to_line(entry: JournalEntry) -> bytes:
    """Return the entry as it stands in the file, newline included."""
    body = _body(entry.n, entry.time_ms, entry.kind, entry.record, entry.prev)
    return body[:-1] + b',"hash":"' + entry.hash.encode() + b'"}\n'


def from_line(line: bytes) -> JournalEntry:
    """Return the entry of a line.

    Raises
    ------
    ValueError
        If the line is not exactly what `to_line` wrote; the message says how.
    """
    try:
        v = json.loads(line)
        entry = JournalEntry(
            n=v["n"], time_ms=v["ms"], kind=v["kind"], record=v["record"], prev=v["prev"],
            hash=v["hash"],
        )  # fmt: skip
        same = to_line(entry) == line
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"is not a journal line ({error!r:.100})") from error
    body = _body(entry.n, entry.time_ms, entry.kind, entry.record, entry.prev)
    if not same or hashlib.sha256(body).hexdigest() != entry.hash:
        raise ValueError("was changed after it was written")
    return entry


def follows(entry: JournalEntry, last: JournalEntry | None) -> str:
    """Return why `entry` cannot stand behind `last`, or nothing if it can."""
    if last is None:
        return ""
    if entry.n != last.n + 1:
        return f"has number {entry.n} after {last.n}: lines were removed, added or moved"
    if entry.prev != last.hash:
        return "does not continue the line before it, which was replaced"
    return ""


def _body(n: int, time_ms: int, kind: str, record: Mapping[str, Any], prev: str) -> bytes:
    values = {"n": n, "time": iso_ms(time_ms), "ms": time_ms, "kind": kind, "record": record,
              "prev": prev}  # fmt: skip
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
