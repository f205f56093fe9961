"""What the collector has received, on disk: one append-only file per source and UTC day.

`<folder>/<feed>/<coin>/<source>/<day>.jsonl`, a line per record, in the order they were received;
the day is that of receipt, so that no file of the past is ever touched again. A value that a
provider changes later is appended as a revision: the first one stays what was known at the time.
What was imported has a source of its own, and as its receipt the moment it could have been read.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from models.base.errors import InputError
from models.base.files import open_regular, sync_folder
from models.data.feeds.catalog import ARCHIVE

logger = logging.getLogger(__name__)

_REMEMBERED: Final = 2048  # newest events of a source held in memory, to tell news from revisions
_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True)
class FeedRecord:
    """One thing a feed said."""

    event_ms: int  # what it is about: for a bar or a sum, its end
    received_ms: int
    values: Mapping[str, float]
    revision: int = 0  # 0: the first value seen of this event

    def line(self) -> bytes:
        """Return the record as a line of a file."""
        block = {"t": self.event_ms, "r": self.received_ms, "v": dict(self.values)}
        if self.revision:
            block["n"] = self.revision
        return json.dumps(block, separators=(",", ":"), allow_nan=False).encode() + b"\n"


@dataclass(frozen=True)
class Origin:
    """Where records come from: which feed, of which coin, told by whom."""

    feed: str
    coin: str
    source: str

    def folder(self, root: Path) -> Path:
        """Return the folder of its files."""
        return root / self.feed / self.coin / self.source


def day_of(time_ms: int) -> str:
    """Return the UTC day a time lies in.

    Examples
    --------
    >>> day_of(1_700_000_000_000)
    '2023-11-14'
    """
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%d}"


def path_of(root: Path, origin: Origin, day: str) -> Path:
    """Return the file of what an origin told on a UTC day."""
    return origin.folder(root) / f"{day}{_SUFFIX}"


def read(root: Path, origin: Origin, from_ms: int, to_ms: int) -> Iterator[FeedRecord]:
    """Yield what was received in [from_ms, to_ms], in that order, revisions included.

    A last line without an end is one that is being written, or was when the collector was killed:
    it was never acknowledged and is left out.

    Raises
    ------
    InputError
        If a whole line is no record.
    """
    for path in files(root, origin, from_ms, to_ms):
        yield from (r for r in records(path) if from_ms <= r.received_ms <= to_ms)


def files(root: Path, origin: Origin, from_ms: int, to_ms: int) -> list[Path]:
    """Return the files of what was received in the UTC days of [from_ms, to_ms], oldest first."""
    first, last = day_of(max(from_ms, 0)), day_of(to_ms)
    found = sorted(origin.folder(root).glob(f"*{_SUFFIX}"))
    return [path for path in found if first <= path.stem <= last]


def records(path: Path) -> Iterator[FeedRecord]:
    """Yield the records of one file, in the order they were received; see `read`."""
    with open(open_regular(path), "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield _parsed(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"expected a record, got {line[:60]!r}",
                    where=f"{path}, line {number}",
                    cure="the file was changed by hand or the disk is failing; move it away",
                ) from error


def newest_event(root: Path, origin: Origin) -> int | None:
    """Return the newest event of an origin's newest file; None where there is none."""
    found = sorted(origin.folder(root).glob(f"*{_SUFFIX}"))
    return max((r.event_ms for r in records(found[-1])), default=None) if found else None


def imported_newest(root: Path) -> dict[tuple[str, str], int]:
    """Return the newest event of what was imported, by feed and coin."""
    found: dict[tuple[str, str], int] = {}
    for folder in sorted(root.glob(f"*/*/{ARCHIVE}")):
        for path in sorted(folder.glob(f"*{_SUFFIX}"), reverse=True):
            # A day may hold nothing but later values of old events.
            if first := [r.event_ms for r in records(path) if r.revision == 0]:
                found[folder.parts[-3], folder.parts[-2]] = max(first)
                break
    return found


def days(root: Path) -> dict[str, list[Path]]:
    """Return every collected file below `root` by its day, oldest day first."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.glob(f"*/*/*/*{_SUFFIX}"), key=lambda p: p.name):
        if path.parent.name != ARCHIVE:
            found.setdefault(path.stem, []).append(path)
    return found


def enforce_quota(root: Path, max_bytes: int, today: str) -> list[str]:
    """Delete whole days, the oldest first and never today's, until the files fit; return them.

    What was imported neither counts nor goes: it was asked for by its days, and is older than all
    that is collected.
    """
    by_day = {day: sum(path.stat().st_size for path in paths) for day, paths in days(root).items()}
    total, gone = sum(by_day.values()), []
    for day, size in by_day.items():
        if total <= max_bytes or day >= today:
            break
        for path in days(root)[day]:
            path.unlink()
        total -= size
        gone.append(day)
    if total > max_bytes:
        logger.warning("today's files alone have %d bytes, the quota is %d", total, max_bytes)
    return gone


class Writer:
    """Appends the records of one origin; one writer at a time.

    When `append` or `note` returns, what it returned is on the disk. Raises OSError where nothing
    can be written; the same records may then be handed in again.
    """

    def __init__(self, root: Path, origin: Origin) -> None:
        self._folder = origin.folder(root)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._day = ""
        self._file: IO[bytes] | None = None
        self._known: dict[int, tuple[int, Mapping[str, float]]] = {}
        self._recall()

    def note(self, readings: Iterable[FeedRecord]) -> list[FeedRecord]:
        """Append those that say something new: an event not seen yet, or another value of one.

        For feeds that tell an event again with each answer. An event older than all those
        remembered is no news.
        """
        news: list[FeedRecord] = []
        fresh: dict[int, tuple[int, Mapping[str, float]]] = {}
        oldest = min(self._known) if len(self._known) >= _REMEMBERED else None
        for record in sorted(readings, key=lambda r: r.event_ms):
            known = fresh.get(record.event_ms) or self._known.get(record.event_ms)
            if known is None and oldest is not None and record.event_ms < oldest:
                continue
            if known is not None and known[1] == record.values:
                continue
            revision = 0 if known is None else known[0] + 1
            news.append(FeedRecord(record.event_ms, record.received_ms, record.values, revision))
            fresh[record.event_ms] = (revision, record.values)
        self.append(news)
        self._remember(fresh)
        return news

    def append(self, readings: Sequence[FeedRecord]) -> None:
        """Append all of them, as they are."""
        for record in readings:
            if not all(math.isfinite(value) for value in record.values.values()):
                raise InputError(f"expected finite values, got {dict(record.values)}")
        by_day: dict[str, list[FeedRecord]] = {}
        for record in readings:
            by_day.setdefault(day_of(record.received_ms), []).append(record)
        for day, of_day in by_day.items():
            file = self._open(day)
            whole = file.tell()
            try:
                file.write(b"".join(record.line() for record in of_day))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                # A full disk may have taken half of it; the next open drops what is torn.
                self.close()
                with (self._folder / f"{day}{_SUFFIX}").open("r+b") as torn:
                    torn.truncate(whole)
                raise

    def close(self) -> None:
        """Let go of the file; the next record opens it again."""
        if self._file is not None:
            file, self._file, self._day = self._file, None, ""
            file.close()

    def _open(self, day: str) -> IO[bytes]:
        if self._file is None or day != self._day:
            self.close()
            path = self._folder / f"{day}{_SUFFIX}"
            _drop_torn(path)
            # Unbuffered: a write that fails leaves nothing behind to be written at closing.
            handle = open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            self._file, self._day = os.fdopen(handle, "ab", buffering=0), day
            sync_folder(self._folder)
        return self._file

    def _recall(self) -> None:
        """Read back the newest events, from the newest file backwards."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}"), reverse=True):
            _drop_torn(path)
            of_day = {r.event_ms: (r.revision, r.values) for r in records(path)}
            # What a later file has said of an event stands.
            self._remember({event: readings for event, readings in of_day.items()
                            if event not in self._known})  # fmt: skip
            if len(self._known) >= _REMEMBERED:
                break

    def _remember(self, fresh: Mapping[int, tuple[int, Mapping[str, float]]]) -> None:
        self._known.update(fresh)
        for event in sorted(self._known)[: max(len(self._known) - _REMEMBERED, 0)]:
            del self._known[event]


def _drop_torn(path: Path) -> None:
    """Cut a last line that a kill has left without its end, and say so."""
    try:
        file = os.fdopen(open_regular(path, os.O_RDWR), "r+b")
    except FileNotFoundError:
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        start = max(size - 65536, 0)
        file.seek(start)
        tail = file.read()
        whole = start + tail.rfind(b"\n") + 1 if b"\n" in tail else start
        if whole < size:
            file.truncate(whole)
            os.fsync(file.fileno())
            logger.warning("%s: a torn last line of %d bytes dropped", path, size - whole)


def _parsed(line: bytes) -> FeedRecord:
    block = json.loads(line)
    values = {str(name): float(value) for name, value in block["v"].items()}
    return FeedRecord(int(block["t"]), int(block["r"]), values, int(block.get("n", 0)))
