"""Clocks a test moves: each is a callable that answers milliseconds UTC, as the exchange asks."""

from __future__ import annotations

import fcntl
import mmap
import threading
import time
from pathlib import Path

_SKIPPING = threading.Lock()
_machine_ns = time.time_ns  # also where `tests.exchange.skipping` has put another in its place


class ManualClock:
    """Stands still until a test moves it.

    Examples
    --------
    >>> clock = ManualClock(1_000)
    >>> clock.advance(500)
    >>> clock()
    1500
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def __call__(self) -> int:
        return self._now_ms

    def set(self, now_ms: int) -> None:
        """Jump to `now_ms`; an exchange's time never runs backwards.

        Raises
        ------
        ValueError
            If `now_ms` lies before the clock's time.
        """
        if now_ms < self._now_ms:
            raise ValueError(f"expected a time from {self._now_ms} on, got {now_ms}")
        self._now_ms = now_ms

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass."""
        self.set(self._now_ms + ms)


class SkippedClock:
    """The machine's time plus what its users have slept, shared by processes through a file.

    A bot on it does everything at its real pace and never waits: `tests.exchange.skipping` lets
    each of its sleeps end at once and moves this clock by as much. The exchange on the same clock
    agrees with it to the millisecond, so ages, windows and timestamps mean what they mean live.

    Parameters
    ----------
    path
        Holds the nanoseconds skipped so far; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(8))
        self._file = path.open("r+b")
        self._shared = mmap.mmap(self._file.fileno(), 8)

    def __call__(self) -> int:
        return (_machine_ns() + self.skipped_ns) // 1_000_000

    @property
    def skipped_ns(self) -> int:
        """How far this clock is ahead of the machine's."""
        return int.from_bytes(self._shared[:8], "little")

    def skip(self, seconds: float) -> None:
        """Move on without waiting."""
        with _SKIPPING:  # `lockf` holds other processes back, not the threads of this one
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                ahead = self.skipped_ns + max(0, int(seconds * 1e9))
                self._shared[:8] = ahead.to_bytes(8, "little")
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
