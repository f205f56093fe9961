"""A bound on how long one question may take, however slowly its answer trickles in.

The client's own timeout is of the pause between two bytes: an answer of one byte a second, from a
proxy that is dying, would keep the watchdog waiting for as long as it pleases.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import ccxt

_ANSWER_S: Final = 15.0  # half of what a supervisor takes for a process that hangs


@contextmanager
def answered_in_time(seconds: float = _ANSWER_S) -> Iterator[None]:
    """Raise ccxt.RequestTimeout in the block when it takes longer; of the main thread only."""

    def over(signum: int, frame: FrameType | None) -> None:
        raise ccxt.RequestTimeout(f"expected the whole answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
