"""A clock for the exchange that runs faster than the machine's, in milliseconds UTC."""

from __future__ import annotations

import time


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
