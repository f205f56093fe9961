"""Run a module on a clock that a test sets: ``python -m tests.exchange.jumping FILE MODULE ...``.

`FILE` holds by how many seconds the time of day is ahead of the machine's (a minus: behind); it is
read at each look, so the clock jumps while the process runs. Monotonic time goes on as it does, and
every wait takes its real time: what freezes here would freeze in life.
"""

from __future__ import annotations

import concurrent.futures  # noqa: F401 - as in `skipping`, before the clock is replaced
import datetime
import queue  # noqa: F401
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - compiled code wants the real `datetime` when it is loaded

from tests.exchange.skipping import AnyDatetime

_REAL = datetime.datetime


def install(path: Path) -> None:
    """Put this process on the clock that `path` sets."""
    wall_ns = time.time_ns

    def ahead_ns() -> int:
        try:
            return round(float(path.read_text(encoding="ascii")) * 1e9)
        except (OSError, ValueError):  # being written just now
            return 0

    class Datetime(_REAL, metaclass=AnyDatetime):
        __slots__ = ()

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _REAL.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    Datetime.__name__ = Datetime.__qualname__ = "datetime"
    datetime.datetime = Datetime  # type: ignore[misc]
    time.time_ns = lambda: wall_ns() + ahead_ns()
    time.time = lambda: time.time_ns() / 1e9


def set_ahead(path: Path, seconds: float) -> None:
    """Let the clock that `path` sets jump."""
    fresh = path.with_suffix(".new")
    fresh.write_text(str(seconds), encoding="ascii")
    fresh.replace(path)


def main() -> None:
    """Run the module as ``python -m`` does."""
    _, path, module, *arguments = sys.argv
    install(Path(path))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
