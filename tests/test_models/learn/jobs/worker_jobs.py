"""Functions a training worker is asked to run; top-level, so that it can find them by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from models.base.errors import AlignmentError


def pid() -> int:
    return os.getpid()


def niceness() -> int:
    return os.nice(0)


def environment(name: str) -> str | None:
    return os.environ.get(name)


def modules() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def add(a: int, b: int) -> int:
    return a + b


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise AlignmentError("expected 3 rows, got 2", where="row 7", cure="sort them")


def divide() -> float:
    return 1 / 0


def give_up() -> None:
    raise TimeoutError("the data server did not answer")


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def meet(mine: str, other: str, patience_s: float = 60.0) -> int:
    """Leave a file and wait for that of another job, which has to run meanwhile."""
    Path(mine).write_text(str(os.getpid()), encoding="utf-8")
    deadline = time.monotonic() + patience_s
    while not Path(other).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody else runs")
        time.sleep(0.02)
    return os.getpid()
