"""Run Freqtrade on a clock that skips every sleep: ``python -m tests.exchange.skipping FILE ...``.

What follows the clock's file (`tests.exchange.clock.SkippedClock`) are Freqtrade's own arguments.
`time.time`, `time.monotonic` and `datetime.now` answer that clock and `time.sleep` moves it. What
waits for somebody else keeps the machine's time: the network, locks between threads, and asyncio,
whose timeouts would otherwise all be over at the first skip. Nothing of Freqtrade's is changed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures  # noqa: F401 - the standard library's waits keep the real clock:
import datetime
import queue  # noqa: F401 - they take it from `time` when they are imported
import runpy
import sys
import threading  # noqa: F401
import time
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - compiled code wants the real `datetime` when it is loaded

from tests.exchange.clock import SkippedClock

_REAL = datetime.datetime


class AnyDatetime(type):
    """Lets every datetime pass for one of `Datetime`: pandas and SQLAlchemy make their own."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _REAL)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _REAL)


def install(clock: SkippedClock) -> None:
    """Put this process on `clock`, before Freqtrade is imported."""
    wall_ns, monotonic, monotonic_ns = time.time_ns, time.monotonic, time.monotonic_ns

    class Datetime(_REAL, metaclass=AnyDatetime):
        __slots__ = ()  # as large as the real one, for compiled code

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _REAL.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    Datetime.__name__ = Datetime.__qualname__ = "datetime"
    datetime.datetime = Datetime  # type: ignore[misc]
    asyncio.base_events.BaseEventLoop.time = lambda self: monotonic()  # type: ignore[method-assign]
    time.time_ns = lambda: wall_ns() + clock.skipped_ns
    time.time = lambda: time.time_ns() / 1e9
    time.monotonic = lambda: monotonic() + clock.skipped_ns / 1e9
    time.monotonic_ns = lambda: monotonic_ns() + clock.skipped_ns
    time.sleep = clock.skip


def main() -> None:
    """Run Freqtrade as ``python -m freqtrade`` does."""
    _, path, *arguments = sys.argv
    install(SkippedClock(Path(path)))
    sys.argv = ["freqtrade", *arguments]
    runpy.run_module("freqtrade", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
