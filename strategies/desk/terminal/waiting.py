"""What is said while a person waits: that it goes on, for how long by now, and what is left.

On the error output, so that what a program reads stays as it is: at a terminal in one line that is
written over, elsewhere in a line each half minute.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from models.operate.control.unknown import span

_SILENT_S: Final = 5.0  # shorter waits say nothing
_AT_TERMINAL_S: Final = 1.0
_IN_A_LOG_S: Final = 30.0


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
