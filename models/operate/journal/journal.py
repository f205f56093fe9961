"""The journal: append-only, hash-chained, rotated files of JSON lines that a person can read.

A line is on the disk before `append` returns. A kill in the middle of a write leaves a torn last
line: the next `append` cuts it off, says so in the chain, and goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.base.errors import ControlError
from models.base.files import (
    Clock,
    Sync,
    locked,
    open_regular,
    read_regular,
    sync_folder,
    wall_clock_ms,
    write_atomic,
)
from models.operate.journal.chain import GENESIS, JournalEntry, encode, follows, from_line, to_line
from models.operate.journal.records import Incident, JournalRecord, plain

_MAX_BYTES: Final = 16 * 2**20
_GLOB: Final = "journal-*.jsonl"
_BLOCK: Final = 2**16  # longer than any line so far
TORN: Final = "journal.torn"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found; sound when `fault` is empty."""

    lines: int
    files: int
    first: int | None  # number of the oldest line kept
    first_ms: int | None  # when it was written
    torn: bool  # the last write was cut off by a kill; the next one repairs it
    head: str  # hash of the last line: written down elsewhere, it vouches for all before it
    fault: str = ""


@dataclass(frozen=True)
class _Tail:
    """The end of the newest file, as this process last left it."""

    path: Path
    size: int
    last: JournalEntry | None


class Journal:
    """The journal in `folder`; several processes and threads may append.

    Parameters
    ----------
    folder
        Made when missing.
    clock
        UTC milliseconds.
    secrets
        Values to mask wherever they turn up in a text.
    max_bytes
        A file that has grown beyond this is followed by a new one.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock = wall_clock_ms,
        *,
        secrets: Collection[str] = (),
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self.folder, self.clock, self.max_bytes = folder, clock, max_bytes
        self._secrets = tuple(secrets)
        self._tail: _Tail | None = None

    def append(self, kind: str, record: JournalRecord, *, durable: bool = True) -> JournalEntry:
        """Write one line and return it.

        Parameters
        ----------
        kind
            Dotted words, "entry.refused"; what `entries` selects by, whole or by its first words.
        durable
            Wait until a power cut could not lose it; a kill never does.

        Raises
        ------
        ControlError
            If the end of the journal is damaged or missing, or the lock is held.
        OSError
            If the disk is full or the folder cannot be written.
        """
        values = plain(record, self._secrets)
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock"):
            tail = self._end()
            torn = tail.path.stat().st_size - tail.size if tail.path.exists() else 0
            if torn:
                tail = self._cut(tail)
            entry, self._tail = self._write(tail, kind, values, durable=durable)
        return entry

    def _write(
        self, tail: _Tail, kind: str, values: dict[str, object], *, durable: bool
    ) -> tuple[JournalEntry, _Tail]:
        path, size, last = tail.path, tail.size, tail.last
        if size >= self.max_bytes:
            path, size = _numbered(self.folder, _number(path) + 1), 0
        n, prev = (1, GENESIS) if last is None else (last.n + 1, last.hash)
        if last is None:
            self._write_head(0, GENESIS)  # a journal without a head is one that lost it
        entry = encode(n, self.clock(), kind, values, prev)
        line = to_line(entry)
        handle = open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            written = os.write(handle, line)
            if written != len(line):
                raise OSError(f"the disk took {written} of {len(line)} bytes of a journal line")
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        if durable:
            if not size:
                sync_folder(self.folder)
            # After the line: the journal is never behind its head, unless somebody cut it.
            self._write_head(entry.n, entry.hash)
        return entry, _Tail(path, size + len(line), entry)

    def _write_head(self, n: int, digest: str) -> None:
        text = json.dumps({"n": n, "hash": digest})
        # An older head still vouches for what was there then; a broken one would stop the bot.
        write_atomic(self.folder / "head.json", text.encode() + b"\n", sync=Sync.CONTENT)

    def _end(self) -> _Tail:
        """Return the end of the newest file's last whole line."""
        files = self._files()
        path = files[-1] if files else _numbered(self.folder, 1)
        known = self._tail
        if known is not None and known.path == path and path.stat().st_size == known.size:
            return known
        size, last = 0, None
        for path_ in reversed(files):
            end, last = _last_whole_line(path_)
            if path_ == path:
                size = end
            if last is not None:
                break
        fault = self._head_fault(last, {} if last is None else {last.n: last.hash})
        if fault:
            raise _damaged(fault, self.folder)
        return _Tail(path, size, last)

    def _cut(self, tail: _Tail) -> _Tail:
        """Cut a torn last line off, and say so in the chain."""
        with open(open_regular(tail.path, os.O_RDWR), "rb+") as file:
            file.seek(tail.size)
            torn = file.read()
            file.truncate(tail.size)
            os.fsync(file.fileno())
        digest = hashlib.sha256(torn).hexdigest()[:16]
        note = Incident(
            what="a write was cut off by a kill or a full disk",
            detail=f"{len(torn)} bytes, sha256 {digest}",
            done="cut off; the chain goes on",
        )
        return self._write(tail, TORN, plain(note), durable=True)[1]

    def is_begun(self) -> bool:
        """Whether there is anything of a journal here: a file, or the head of one."""
        return bool(self._files()) or (self.folder / "head.json").exists()

    # -- reading ------------------------------------------------------------------------------

    def entries(
        self,
        *,
        kind: str = "",
        trade_id: int | None = None,
        pair: str = "",
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int | None = None,
    ) -> list[JournalEntry]:
        """Return the lines that fit every given condition, oldest first, the newest `limit`."""
        found = []
        for entry in self._readable(since_ms):
            record = entry.record
            if (
                (not kind or entry.kind == kind or entry.kind.startswith(kind + "."))
                and (trade_id is None or record.get("trade_id") == trade_id)
                and (not pair or record.get("pair") == pair)
                and (since_ms is None or entry.time_ms >= since_ms)
                and (until_ms is None or entry.time_ms < until_ms)
            ):
                found.append(entry)
        return found if limit is None else found[-limit:] if limit else []

    def why(self, trade_id: int) -> list[JournalEntry]:
        """Return everything about one trade, the decisions that led to its orders included."""
        own = self.entries(trade_id=trade_id)
        led = {entry.record.get("decision") for entry in own} - {None}
        if led:
            led -= {entry.n for entry in own}
            own += [entry for entry in self._readable() if entry.n in led]
        return sorted(own, key=lambda entry: entry.n)

    def _readable(self, since_ms: int | None = None) -> Iterator[JournalEntry]:
        for path in self._files() if since_ms is None else self._files_since(since_ms):
            with open(open_regular(path), "rb") as file:
                for line in file:
                    try:
                        yield from_line(line)
                    except ValueError:
                        continue  # `verify` names it; the rest is still worth reading

    def verify(self, *, expect: str = "") -> Verification:
        """Walk the whole chain.

        Parameters
        ----------
        expect
            A head written down earlier; the chain must still hold it. Without one, somebody who
            rewrites every line and the head file goes unnoticed.
        """
        walk = _Walk(files=self._files(), expect=expect)
        fault = walk.fault()
        if not fault:
            try:
                fault = self._head_fault(walk.last, walk.hashes)
            except ControlError as error:
                fault = error.problem
        if not fault and not walk.met:
            fault = f"no line has the expected hash {expect}: the journal was rewritten"
        return Verification(
            lines=walk.lines, files=len(walk.files), first=walk.first, first_ms=walk.first_ms,
            torn=walk.torn,
            head=GENESIS if walk.last is None else walk.last.hash, fault=fault,
        )  # fmt: skip

    def _head_fault(self, last: JournalEntry | None, hash_of: Mapping[int, str]) -> str:
        head = self._head()
        end = 0 if last is None else last.n
        if head is None:
            return f"the journal has lines up to {end} and no head.json" if end else ""
        n, digest = head
        if end < n:
            return f"lines up to {n} were written, the journal ends at line {end}: it was cut"
        if hash_of.get(n, digest) != digest:
            return f"line {n} was replaced after it was written"
        return ""

    def _head(self) -> tuple[int, str] | None:
        path = self.folder / "head.json"
        try:
            values = json.loads(read_regular(path))
            return int(values["n"]), str(values["hash"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(f"head.json cannot be read ({error!r:.100})", path) from error

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(_GLOB))

    def _files_since(self, since_ms: int) -> list[Path]:
        """Return the files with lines since then: a start looks back a day, not over years."""
        files = self._files()
        before = [i for i, path in enumerate(files) if _begins_before(path, since_ms)]
        return files[max(before, default=0) :]


class _Walk:
    """One pass over the chain."""

    def __init__(self, *, files: list[Path], expect: str) -> None:
        self.files, self.expect = files, expect
        self.lines, self.torn, self.met = 0, False, not expect
        self.first: int | None = None
        self.first_ms: int | None = None
        self.last: JournalEntry | None = None
        self.hashes: dict[int, str] = {}

    def fault(self) -> str:
        """Return the first fault and where it is, or nothing."""
        for path in self.files:
            with open(open_regular(path), "rb") as file:
                for row, line in enumerate(file, start=1):
                    if path == self.files[-1] and not line.endswith(b"\n"):
                        self.torn = True  # the next append cuts it off
                        return ""
                    fault = self._step(line, path)
                    if fault:
                        return f"{path.name}, line {row}: {fault}"
        return ""

    def _step(self, line: bytes, path: Path) -> str:
        try:
            entry = from_line(line)
        except ValueError as error:
            return str(error)
        if self.last is None and _number(path) == 1 and (entry.n, entry.prev) != (1, GENESIS):
            return f"has number {entry.n} where the journal begins: lines were removed"
        fault = follows(entry, self.last)
        if not fault:
            self.lines, self.last = self.lines + 1, entry
            if self.first is None:
                self.first, self.first_ms = entry.n, entry.time_ms
            self.met = self.met or entry.hash == self.expect
            self.hashes[entry.n] = entry.hash
        return fault


def _damaged(problem: str, where: Path) -> ControlError:
    return ControlError(
        problem,
        where=str(where),
        cure="keep the folder as evidence under another name; a new journal then starts",
    )


def _numbered(folder: Path, number: int) -> Path:
    return folder / f"journal-{number:06d}.jsonl"


def _begins_before(path: Path, time_ms: int) -> bool:
    with open(open_regular(path), "rb") as file:
        try:
            return from_line(file.readline()).time_ms < time_ms
        except ValueError:  # a line that cannot be read tells nothing
            return False


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _last_whole_line(path: Path) -> tuple[int, JournalEntry | None]:
    """Return the offset behind a file's last whole line, and that line."""
    size, block = path.stat().st_size, _BLOCK
    while True:
        start = max(0, size - block)
        with open(open_regular(path), "rb") as file:
            file.seek(start)
            data = file.read(size - start)
        end = data.rfind(b"\n") + 1
        begin = data.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if begin or not start:
            break
        block *= 4
    if not end:
        return 0, None
    try:
        return start + end, from_line(data[begin:end])
    except ValueError as error:
        raise _damaged(f"the last line {error}", path) from error
