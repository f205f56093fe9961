"""Clocks for the exchange: each is a callable that answers milliseconds UTC."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def wall_clock_ms() -> int:
    """Return the machine's time, milliseconds UTC."""
    return time.time_ns() // 1_000_000


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


class FastClock:
    """Runs `speed` times as fast as the machine's, from `start_ms` at its creation.

    Faster than 1, a client has to live on the same clock: Freqtrade decides by its own time when a
    candle has closed, and requests signed by another clock leave the ``recvWindow``.
    """

    def __init__(self, start_ms: int, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"expected a speed > 0, got {speed}")
        self._start_ms = start_ms
        self._speed = speed
        self._started_ns = time.monotonic_ns()

    def __call__(self) -> int:
        passed_ms = (time.monotonic_ns() - self._started_ns) / 1e6
        return self._start_ms + int(passed_ms * self._speed)
