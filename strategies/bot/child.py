"""A process beside the bot that answers one request: started, looked after, never waited for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from models.base.units import Seconds

PAUSE_S: Final = 60.0  # between two starts: fills, and new pairs, come one after the other
_LONGEST: Final = 1 << 20  # bytes of an answer
_ROOT: Final = Path(__file__).resolve().parents[2]
_THREADS: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Working(Protocol):
    """The process, as `subprocess.Popen` has it."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Launch = Callable[[BinaryIO, BinaryIO], Working]  # reads the one, writes the other
# By control folder and task: a reload of the configuration makes a new strategy, and one works.
_WORKING: Final[dict[tuple[Path, str], Working]] = {}


def launcher(module: str, function: str) -> Launch:
    """Return how to start a function of the pack in a process of its own.

    It gets nothing of the bot's environment, keys least of all.
    """
    call = (
        f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
        f"from {module} import {function}; {function}()"
    )

    def launch(asks: BinaryIO, answers: BinaryIO) -> Working:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", call],
            stdin=asks, stdout=answers, stderr=subprocess.DEVNULL, env=dict(_THREADS), cwd="/",
        )  # fmt: skip

    return launch


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a process has said until its end, and what was wrong with it, if anything."""

    data: bytes
    problem: str


@dataclass(frozen=True, kw_only=True)
class _Run:
    process: Working
    answers: BinaryIO
    begun_s: float


class AnsweringProcess:
    """At most one process at a time for one task of one bot.

    Parameters
    ----------
    folder, task
        Whose, and which: what a bot before a reload has at work there is ended.
    limit_s
        A process is ended after that.
    """

    def __init__(
        self, folder: Path, task: str, launch: Launch, monotonic: Seconds, limit_s: float
    ) -> None:
        self._key, self._launch, self._monotonic = (folder, task), launch, monotonic
        self._limit_s = limit_s
        self._run: _Run | None = None
        _end(_WORKING.pop(self._key, None))

    @property
    def works(self) -> bool:
        """Whether one is at work, or its answer has not been looked at."""
        return self._run is not None

    def start(self, ask: Callable[[BinaryIO], None]) -> str:
        """Start one with the request that `ask` writes; return why it cannot be, or nothing."""
        answers: BinaryIO | None = None
        try:
            answers = tempfile.TemporaryFile()  # noqa: SIM115 - read when it has ended
            with tempfile.TemporaryFile() as asks:
                ask(asks)
                asks.seek(0)
                process = self._launch(asks, answers)
        except OSError as error:
            if answers is not None:
                answers.close()
            return f"its process cannot be started: {error.strerror or error}"
        _WORKING[self._key] = process
        self._run = _Run(process=process, answers=answers, begun_s=self._monotonic())
        return ""

    def ended(self) -> Ended | None:
        """Return the answer of a process that has ended, once; end one that takes too long."""
        run = self._run
        if run is None:
            return None
        status, problem = run.process.poll(), ""
        if status is None:
            if self._monotonic() - run.begun_s <= self._limit_s:
                return None
            _end(run.process)
            problem = f"it took more than {self._limit_s:g} s and was ended"
        self._forget(run)
        try:
            with run.answers as file:
                file.seek(0)
                data = file.read(_LONGEST)
        except OSError as error:
            return Ended(data=b"", problem=f"its answer cannot be read: {error}")
        if status:
            problem = _reason(status, data)
        return Ended(data=data, problem=problem)

    def stop(self) -> None:
        """End the process at work, if there is one; its answer is of no use."""
        if self._run is not None:
            _end(self._run.process)
            self._run.answers.close()
            self._forget(self._run)

    def _forget(self, run: _Run) -> None:
        self._run = None
        if _WORKING.get(self._key) is run.process:
            del _WORKING[self._key]


def _end(process: Working | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # one that hangs in the kernel is not waited for
            process.wait(timeout=1.0)


def _reason(status: int, data: bytes) -> str:
    """Return why there is no answer: what the process said, or how it ended."""
    try:
        said: Any = json.loads(data)
        return str(said["problem"])
    except (ValueError, KeyError, TypeError):
        pass
    if status < 0:
        name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
        return f"its process was ended by {name}: too much memory or time, or by hand"
    return f"its process ended with status {status}"
