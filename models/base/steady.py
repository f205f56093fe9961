"""The time of day without its jumps."""

from __future__ import annotations

import threading
import time
from typing import Final

from models.base.files import Clock, wall_clock_ms
from models.base.units import Seconds

_STEP_MS: Final = 2_000  # a correction of up to this much is followed
_BELIEVED_S: Final = 600.0


class SteadyClock:
    """UTC milliseconds that follow the machine's clock, but not where it jumps.

    While the machine's clock is elsewhere this one goes on by monotonic time. A jump is believed
    once it has lasted ten minutes, or as soon as somebody who knows better confirms it. Safe to
    read from several threads.

    Parameters
    ----------
    wall
        The machine's time of day.
    monotonic
        Seconds that never jump.

    Examples
    --------
    >>> wall, passed = [1_000_000], [0.0]
    >>> clock = SteadyClock(lambda: wall[0], lambda: passed[0])
    >>> wall[0], passed[0] = wall[0] + 900_000, 1.0  # ahead by a quarter of an hour
    >>> clock(), clock.jump_ms
    (1001000, 899000)
    """

    def __init__(self, wall: Clock = wall_clock_ms, monotonic: Seconds = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self._at_ms, self._at_s = wall(), monotonic()  # this clock's time, and when it was that
        self._jumped_s: float | None = None  # since when the machine's clock is elsewhere

    def __call__(self) -> int:
        """Return the time now."""
        return self._read()[0]

    @property
    def jump_ms(self) -> int:
        """How far the machine's clock is ahead of this one; 0 where it is not elsewhere."""
        now_ms, wall_ms = self._read()
        return wall_ms - now_ms

    def confirm(self) -> None:
        """Believe the machine's clock as it is now."""
        with self._lock:
            self._follow(self._wall(), self._monotonic())

    def _read(self) -> tuple[int, int]:
        with self._lock:
            wall_ms, now_s = self._wall(), self._monotonic()
            expected_ms = self._at_ms + round(1000 * (now_s - self._at_s))
            if abs(wall_ms - expected_ms) <= _STEP_MS:
                self._follow(wall_ms, now_s)
                return wall_ms, wall_ms
            if self._jumped_s is None:
                self._jumped_s = now_s
            if now_s - self._jumped_s >= _BELIEVED_S:
                self._follow(wall_ms, now_s)
                return wall_ms, wall_ms
            return expected_ms, wall_ms

    def _follow(self, wall_ms: int, now_s: float) -> None:
        self._at_ms, self._at_s, self._jumped_s = wall_ms, now_s, None
