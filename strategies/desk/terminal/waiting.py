"""What is said while a person waits: that it goes on, for how long by now, and what is left.

On the error output, so that what a program reads stays as it is: at a terminal in one line that is
written over, elsewhere in a line each half minute.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, TypeVar

from models.operate.control.unknown import span

_SILENT_S: Final = 5.0  # shorter waits say nothing
_AT_TERMINAL_S: Final = 1.0
_IN_A_LOG_S: Final = 30.0

_T = TypeVar("_T")


class PatientWait:
    """Says from time to time that something is still going on; a context.

    Parameters
    ----------
    what
        As "measuring the baselines".
    monotonic
        Seconds.
    """

    def __init__(self, what: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.what, self._monotonic = what, monotonic
        self._over, self._begun = threading.Event(), monotonic()
        self._share, self._said = 0.0, False
        self._thread = threading.Thread(target=self._say_until_over, daemon=True)

    def __enter__(self) -> PatientWait:
        self._begun = self._monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._over.set()
        self._thread.join()
        if self._said and sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def done(self, share: float) -> None:
        """Note which share of the work is done: then what is left is said, too."""
        self._share = min(max(share, 0.0), 1.0)

    def each(self, steps: Sequence[_T]) -> Iterator[_T]:
        """Yield the steps of the work, all about as long, and note how many are done."""
        for number, step in enumerate(steps):
            self.done(number / len(steps))
            yield step
        self.done(1.0)

    def line(self) -> str:
        """Return what is said now; nothing while the wait is short.

        Examples
        --------
        >>> clock = iter([0.0, 0.0, 20.0])
        >>> waiting = PatientWait("measuring", lambda: next(clock))
        >>> waiting.done(0.25)
        >>> waiting.line(), waiting.line()
        ('', 'measuring: 20 s, about 1 min left')
        """
        spent = self._monotonic() - self._begun
        if spent < _SILENT_S:
            return ""
        left = ""
        if self._share > 0:
            rest = spent * (1 - self._share) / self._share
            left = f", about {span(round(1000 * rest))} left"
        return f"{self.what}: {span(round(1000 * spent))}{left}"

    def _say_until_over(self) -> None:
        wait = _SILENT_S
        while not self._over.wait(wait):
            at_terminal = sys.stderr.isatty()
            if line := self.line():
                sys.stderr.write(f"\r{line}\033[K" if at_terminal else f"{line}\n")
                sys.stderr.flush()
                self._said = True
            wait = _AT_TERMINAL_S if at_terminal else _IN_A_LOG_S


class CountedSteps:
    """Tells of each long step that is done, how many there are, and how long the rest will take.

    On the standard output: the lines are the account of a run.

    Parameters
    ----------
    total
        Steps, all about as long.
    monotonic
        Seconds.
    """

    def __init__(self, total: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done = total, 0
        self._kept = 0  # of those done: they took no time
        self._monotonic, self._begun = monotonic, monotonic()

    def step(self, what: str, kept: bool = False) -> None:
        """Count one step and print its line; one that was kept from before tells of no time."""
        self.done += 1
        self._kept += kept
        print(self.line(what), flush=True)

    def line(self, what: str) -> str:
        """Return what is said of the newest step.

        Examples
        --------
        >>> clock = iter([0.0, 30.0])
        >>> steps = CountedSteps(4, lambda: next(clock))
        >>> steps.done = 1
        >>> steps.line("trained")
        '[1/4] trained; 30 s, about 1 min left'
        """
        spent, made = self._monotonic() - self._begun, self.done - self._kept
        said = f"[{self.done}/{self.total}] {what}; {span(round(1000 * spent))}"
        if not made:  # nobody knows yet how long one takes
            return said
        return f"{said}, about {span(round(1000 * spent / made * (self.total - self.done)))} left"
