"""Being told to end by another way than Ctrl-C, and heard as that is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_WORDS: Final = (signal.SIGTERM, signal.SIGHUP)  # of a service manager, of a terminal that is gone


class ToldToEnd(KeyboardInterrupt):
    """A signal that ends a program: what is under way is cleared away, as after Ctrl-C.

    Parameters
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def hearing_the_end() -> Iterator[None]:
    """Hear the words that end a program, unless somebody listens to them, or is to ignore them.

    Without that it dies at once, and leaves behind what it has started.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [word for word in _WORDS if signal.getsignal(word) is signal.SIG_DFL]
    for word in heard:
        signal.signal(word, _end)
    try:
        yield
    finally:
        for word in heard:
            if signal.getsignal(word) is _end:
                signal.signal(word, signal.SIG_DFL)


def _end(number: int, _: FrameType | None) -> None:
    raise ToldToEnd(number)
