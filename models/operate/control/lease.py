"""One bot at a time: a lock of the operating system that dies with its holder, and who holds it.

Not a file with a number in it: a kill -9 or a power cut frees the lock, and removing the file
frees nothing. Threads and reloads of one process share its lease; a forked child has none.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import stat
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

from models.base.errors import ControlError
from models.base.files import Clock, iso_ms, read_regular, wall_clock_ms

_NAME_TRIES: Final = 20  # a holder writes its name right after it has the lock
_TRIES: Final = 5  # somebody who only looks holds the lock for a moment
_PAUSE_S: Final = 0.05
_LONGEST: Final = 4096  # bytes of a holder's name

_held: dict[tuple[int, int], int] = {}  # device and inode of a lock file -> this process's handle


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease: a process, and what it said of itself."""

    who: str
    pid: int
    host: str
    since_ms: int

    def __str__(self) -> str:
        return f"{self.who}, process {self.pid} on {self.host}, since {iso_ms(self.since_ms)}"


@dataclass(frozen=True)
class Lease:
    """A lock file that this process holds until it ends, and who had it before."""

    path: Path
    _file: tuple[int, int]
    before: Holder | None = None

    @property
    def moved_from(self) -> str:
        """The machine it was held on before, if that was another one."""
        host = "" if self.before is None else self.before.host
        return "" if host == socket.gethostname() else host

    def lost(self) -> str:
        """Return why the lease no longer keeps a second holder out, or nothing."""
        try:
            now = _identity(os.stat(self.path))
        except OSError as error:
            return f"the lock {self.path} cannot be looked at: {error.strerror}"
        if now != self._file or now not in _held:
            return f"the lock {self.path} was removed or replaced while this bot held it"
        return ""


def take_lease(
    path: Path, who: str, clock: Clock = wall_clock_ms, *, what: str = "", cure: str = ""
) -> Lease:
    """Hold the lock file `path` until this process ends.

    Parameters
    ----------
    who
        Who takes it, for the one that comes second.
    what, cure
        What it guards, and what the one that comes second does about it.

    Raises
    ------
    ControlError
        If another process holds it, it cannot be opened, or its filesystem keeps no locks.
    """
    what = what or str(path.parent)
    for _ in range(_TRIES):
        handle = _opened(path, what)
        file = _identity(os.fstat(handle))
        if file in _held:
            os.close(handle)
            return Lease(path, file)
        try:
            _lock(handle, path, what)
            if _is_still(path, file):  # or another file has taken its place, and another lock
                _held[file] = handle
                break
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        finally:
            if file not in _held:
                os.close(handle)
    else:
        raise ControlError(f"{what} is in use by {_named(path)}", where=str(path), cure=cure)
    before = _name_in(path)
    _write_name(handle, this_process(who, clock()))
    return Lease(path, file, before)


def holder_of(path: Path) -> Holder | None:
    """Return who holds the lock file `path` now; None if nobody does, or nobody has said so.

    Raises
    ------
    OSError
        If it is there and cannot be looked at.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if _identity(os.fstat(handle)) not in _held:
            try:
                # Shared: two that only look do not take each other for a bot.
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _name_in(path)
            return None
        return _name_in(path)
    finally:
        os.close(handle)


def _opened(path: Path, what: str) -> int:
    flags = os.O_CLOEXEC | os.O_NONBLOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        try:
            handle = os.open(path, flags | os.O_RDONLY)  # a lock needs no write
        except OSError:
            raise ControlError(
                f"{what} cannot be locked for one bot: {error.strerror}", where=str(path),
                cure="let the bot's user write there, or start it with another --userdir",
            ) from error  # fmt: skip
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ControlError(
            "expected a plain file to lock", where=str(path), cure="move it out of the way"
        )
    return handle


def _lock(handle: int, path: Path, what: str) -> None:
    """Lock it, and see whether that keeps another one out; BlockingIOError if it is locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except BlockingIOError:
        raise
    except FileNotFoundError:
        return  # removed in between: nothing is held, and `take_lease` tries again
    except OSError as error:
        _no_locks(path, what, errno.errorcode.get(error.errno or 0, str(error)))
    try:
        if _identity(os.fstat(second)) == _identity(os.fstat(handle)):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _no_locks(path, what, "two holders at once")
    except BlockingIOError:
        return  # as it has to be
    finally:
        os.close(second)


def _no_locks(path: Path, what: str, found: str) -> NoReturn:
    raise ControlError(
        f"the filesystem of {what} keeps no locks ({found}): a second bot could not be kept out",
        where=str(path),
        cure="keep it on a local disk: start the bot with another --userdir",
    )


def _is_still(path: Path, file: tuple[int, int]) -> bool:
    try:
        return _identity(os.stat(path)) == file
    except FileNotFoundError:
        return False


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _write_name(handle: int, holder: Holder) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(asdict(holder)).encode() + b"\n", 0)
    except OSError:  # a full disk, a read-only folder: the lock holds without a name on it
        return


def _name_in(path: Path) -> Holder | None:
    try:
        return holder_from(read_regular(path)[:_LONGEST])
    except OSError:
        return None


def this_process(who: str, now_ms: int) -> Holder:
    """Return this process as a holder."""
    return Holder(who=who, pid=os.getpid(), host=socket.gethostname(), since_ms=now_ms)


def holder_from(written: bytes) -> Holder | None:
    """Return who has written his name, None where that is no name."""
    try:
        values = json.loads(written)
        return Holder(who=str(values["who"]), pid=int(values["pid"]), host=str(values["host"]),
                      since_ms=int(values["since_ms"]))  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _named(path: Path) -> str:
    """Return who holds the lock; what a dead one wrote is not taken for the living one's name."""
    for _ in range(_NAME_TRIES):
        holder = _name_in(path)
        if holder is not None and (holder.host != socket.gethostname() or _lives(holder.pid)):
            return str(holder)
        time.sleep(_PAUSE_S)
    return "another process, which has not said its name"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _forget() -> None:
    """Close what a fork has copied: the lock stays with the process that took it."""
    for handle in _held.values():
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
