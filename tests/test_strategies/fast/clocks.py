"""Time that passes only when it is slept through."""

from __future__ import annotations

from strategies.fast.pacing import PacingConfig

CANDLE_S = 60.0
START_S = 1_700_000_040.0  # a close of one-minute candles
AFTER_S = PacingConfig().after_close_ms / 1000


class Clock:
    """Wall and monotonic time that pass only in `sleep`; `jump` moves the wall alone."""

    def __init__(self, wall: float) -> None:
        self.wall_s, self.monotonic_s = wall, 500.0
        self.sleeps: list[float] = []
        self.jumps: dict[int, float] = {}  # number of the sleep -> seconds the wall jumps after it

    def wall(self) -> float:
        return self.wall_s

    def monotonic(self) -> float:
        return self.monotonic_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps.append(seconds)
        self.wall_s += seconds + self.jumps.get(len(self.sleeps), 0.0)
        self.monotonic_s += seconds
