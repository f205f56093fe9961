"""What was read in an archive's file, put among the collector's records: all of it or nothing.

The files are the collector's, below a source of their own: one of each UTC day of receipt. A file
of the archive touches several of them; all are written beside first, then take their places, and
last the file's checksum is kept as the sign that it is in. A kill between leaves whole files, and
the next import writes what is missing; what is there already is not written again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.base.files import open_regular, read_regular, sync_folder, write_atomic
from models.data.feeds.catalog import ARCHIVE
from models.data.feeds.store import FeedRecord, Origin, day_of, path_of, records
from strategies.desk.archive.layout import ArchiveFile

_CHECKSUMS: Final = ".imported"  # folder of the checksums of what is in
_LARGEST_CHECKSUM: Final = 4096

_Values = Mapping[str, float]


@dataclass(frozen=True)
class Written:
    """How many records an archive's file has added, and how many of them are later values."""

    records: int = 0
    revisions: int = 0


class ImportedFeeds:
    """The imported records of every feed below a folder; one writer at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Origin -> event -> values told of it later, read when the first one is met.
        self._later: dict[Origin, dict[int, list[_Values]]] = {}

    def checksum(self, file: ArchiveFile) -> bytes:
        """Return the checksum of what was imported of a file; empty where nothing was."""
        try:
            return read_regular(self._checksum_path(file), limit=_LARGEST_CHECKSUM)
        except FileNotFoundError:
            return b""

    def keep(
        self, file: ArchiveFile, checksum: bytes, coin: str,
        told: Mapping[str, Sequence[FeedRecord]], now_ms: int,
    ) -> Written:  # fmt: skip
        """Write what a file says and is not known yet; a value that differs is added as a revision.

        A value any record of its event has is known: told again in another file, or in the same
        one twice, it is nothing new.

        Parameters
        ----------
        now_ms
            Receipt of revisions: before, nobody here knew them.

        Raises
        ------
        OSError
            If the disk takes not all of it; then nothing has changed.
        InputError
            If what is there already cannot be read.
        """
        news: list[FeedRecord] = []
        fresh: dict[Path, bytes] = {}
        try:
            for feed, of_feed in told.items():
                origin = Origin(feed, coin, ARCHIVE)
                of_origin = self._news(origin, self._before(origin, of_feed), of_feed, now_ms)
                fresh |= self._files(origin, of_origin)
                news += of_origin
            _write_together(fresh)
        except BaseException:
            self._later.clear()  # it may know what is not on the disk
            raise
        path = self._checksum_path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, checksum)
        return Written(len(news), sum(record.revision > 0 for record in news))

    def _before(self, origin: Origin, told: Sequence[FeedRecord]) -> dict[int, list[_Values]]:
        """Return what the files of these records' days know, first values, by event."""
        known: dict[int, list[_Values]] = {}
        for day in sorted({day_of(record.received_ms) for record in told}):
            for record in _records_of(path_of(self._root, origin, day)):
                if record.revision == 0:
                    known.setdefault(record.event_ms, []).append(record.values)
        return known

    def _news(
        self, origin: Origin, known: dict[int, list[_Values]], told: Sequence[FeedRecord],
        now_ms: int,
    ) -> list[FeedRecord]:  # fmt: skip
        news: list[FeedRecord] = []
        for record in told:
            values = known.setdefault(record.event_ms, [])
            if record.values in values:
                continue
            if values:
                later = self._later_values(origin).setdefault(record.event_ms, [])
                if record.values in later:
                    continue
                later.append(record.values)
                received = max(now_ms, record.received_ms)
                record = FeedRecord(record.event_ms, received, record.values, len(later))
            else:
                values.append(record.values)
            news.append(record)
        return news

    def _later_values(self, origin: Origin) -> dict[int, list[_Values]]:
        """Return the later values of every event of an origin, by event."""
        if origin not in self._later:
            found: dict[int, list[_Values]] = {}
            for path in sorted(origin.folder(self._root).glob("*.jsonl")):
                for record in _records_of(path):
                    if record.revision:
                        found.setdefault(record.event_ms, []).append(record.values)
            self._later[origin] = found
        return self._later[origin]

    def _files(self, origin: Origin, news: Sequence[FeedRecord]) -> dict[Path, bytes]:
        """Return the new content of every file that gets records, in the order of receipt."""
        by_day: dict[str, list[FeedRecord]] = {}
        for record in news:
            by_day.setdefault(day_of(record.received_ms), []).append(record)
        out = {}
        for day, of_day in by_day.items():
            path = path_of(self._root, origin, day)
            whole = sorted([*_records_of(path), *of_day], key=lambda r: r.received_ms)
            out[path] = b"".join(record.line() for record in whole)
        return out

    def _checksum_path(self, file: ArchiveFile) -> Path:
        folder = self._root / _CHECKSUMS / file.kind.name / file.symbol
        return folder / f"{file.name}.CHECKSUM"


def _records_of(path: Path) -> list[FeedRecord]:
    return list(records(path)) if path.exists() else []


def _write_together(fresh: Mapping[Path, bytes]) -> None:
    """Replace all these files, or, where the disk does not take all of it, none."""
    beside = {path: path.with_name(f".{path.name}.new") for path in fresh}
    try:
        for path, new in beside.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with open(open_regular(new, flags, 0o666), "wb") as opened:
                opened.write(fresh[path])
                opened.flush()
                os.fsync(opened.fileno())
        for path, new in beside.items():
            os.replace(new, path)
    except BaseException:
        for new in beside.values():
            new.unlink(missing_ok=True)
        raise
    for folder in {path.parent for path in fresh}:
        sync_folder(folder)
