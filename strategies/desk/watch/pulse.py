"""A watchdog's sign of life to its supervisor: a byte through a pipe before each step."""

from __future__ import annotations

import os
from collections.abc import Callable


class Pulse:
    """Call it to give a sign.

    Parameters
    ----------
    pipe
        File descriptor to write to; None without a supervisor.
    say
        Is told that the supervisor has gone; the watchdog goes on alone.
    """

    def __init__(self, pipe: int | None, say: Callable[[str], None]) -> None:
        self._pipe, self._say = pipe, say
        if pipe is not None:
            os.set_blocking(pipe, False)

    def __call__(self) -> None:
        if self._pipe is None:
            return
        try:
            os.write(self._pipe, b".")
        except BlockingIOError:
            pass  # nobody reads just now; enough is there to be read
        except OSError:
            self._pipe = None
            self._say("watchdog: its supervisor is gone; it goes on alone")
