"""A word to end that is not lost.

Ctrl-C and SIGTERM are exceptions in whatever line the main thread is at. In a finalizer, a callback
of a library, or code that catches everything, such an exception is gone, and the bot would trade on
until somebody kills it. So the word is kept, and the next loop ends the bot.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, TypeAlias

logger = logging.getLogger(__name__)

_Handler: TypeAlias = Callable[[int, FrameType | None], Any]

_WORDS: Final = (signal.SIGINT, signal.SIGTERM)

_before: Final[dict[int, _Handler]] = {}
_heard: Final[list[int]] = []


def keep_words_to_end() -> None:
    """Keep the signals that end the bot from now on, besides what is done about them already.

    A signal that nobody listens to ends the process by itself, and is left at that.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for word in _WORDS:
        handler = signal.getsignal(word)
        if callable(handler) and handler is not _keep:
            _before[word] = handler
            signal.signal(word, _keep)


def end_if_told_to() -> None:
    """End, as at Ctrl-C, if that was said and the process goes on all the same."""
    if _heard:
        name = signal.Signals(_heard.pop()).name
        _heard.clear()
        logger.warning("%s was caught by what ran at that moment; the bot ends now", name)
        raise KeyboardInterrupt


def _keep(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    _before[number](number, frame)
