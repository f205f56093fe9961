"""Files that survive a kill at any instant, shared by several processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

from models.base.errors import ControlError

Clock: TypeAlias = Callable[[], int]  # UTC milliseconds

_PAUSE_S: Final = 0.01  # between two attempts to get a lock
LARGEST_FILE: Final = 1 << 30  # bytes read at once: nothing the pack writes comes near

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def wall_clock_ms() -> int:
    """Return the time of day in UTC milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds that never jump, for measuring how long something has lasted."""
    return time.monotonic_ns() // 1_000_000


def iso_ms(time_ms: int) -> str:
    """Return a time as a person reads it.

    Examples
    --------
    >>> iso_ms(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    whole, rest = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


class Sync(Enum):
    """What a write waits for; a kill of the process needs none of it, a power cut does."""

    ALL = "the new content under its name"
    CONTENT = "no broken content; the old may come back"
    NOTHING = "nothing"


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Return a handle on the regular file `path`; the caller closes it.

    Anything else in its place is an error at once: a FIFO would hang whoever opens it, for ever.

    Raises
    ------
    FileNotFoundError
        If there is none and `flags` do not make one.
    OSError
        If it is no regular file, or cannot be opened; names the path, what is there, and the cure.
    """
    try:
        handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENXIO, errno.ELOOP, errno.ENODEV):
            raise _not_regular(path, error.errno) from error
        raise
    found = os.fstat(handle).st_mode
    if not stat.S_ISREG(found):
        os.close(handle)
        raise _not_regular(path, errno.EINVAL, found)
    os.set_blocking(handle, True)
    return handle


def _not_regular(path: Path, number: int, mode: int | None = None) -> OSError:
    """Return the error of something else in a file's place."""
    if mode is None and number != errno.ELOOP:
        with contextlib.suppress(OSError):
            mode = path.stat().st_mode
    kinds = [what for test, what in _KINDS if mode is not None and test(mode)]
    what = kinds[0] if kinds else "a loop of links"
    return OSError(
        number, f"expected a regular file, got {what}; move it away or put the file back", str(path)
    )


def read_regular(path: Path, *, limit: int = LARGEST_FILE) -> bytes:
    """Return the content of the regular file `path`, read once.

    Parameters
    ----------
    limit
        Bytes it may have.

    Raises
    ------
    OSError
        As `open_regular`, and if it is larger than `limit`.
    """
    with open(open_regular(path), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit:,} bytes; move it away", str(path))
    return data


def write_atomic(path: Path, data: bytes, *, sync: Sync = Sync.ALL) -> None:
    """Replace `path` by `data`: a reader, or a restart after a kill, sees the old or the new.

    One writer at a time: the caller holds a lock, or nobody else writes this file.

    Parameters
    ----------
    sync
        What has to survive a power cut when this returns.

    Raises
    ------
    OSError
        If the disk is full or the folder is not writable; `path` is then as it was.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with open(open_regular(fresh, flags, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            if sync is not Sync.NOTHING:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if sync is Sync.ALL:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, *, attempts: int = 200) -> Iterator[None]:
    """Hold the lock file `path`; the kernel releases it when its holder dies.

    Parameters
    ----------
    attempts
        Tries, 10 ms apart. A holder that was stopped, not killed, keeps the lock for ever.

    Raises
    ------
    ControlError
        If another process holds it all that time.
    OSError
        If the file cannot be opened.
    """
    handle = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        for attempt in range(attempts):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt + 1 == attempts:
                    raise ControlError(
                        "another process holds the lock and does not let go",
                        where=str(path),
                        cure="look for a stopped or hanging bot or command; end it",
                    ) from None
                time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)
