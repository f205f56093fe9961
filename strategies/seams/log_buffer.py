"""The log records Freqtrade remembers for ``/logs``, with everything they were made from."""

from __future__ import annotations

import logging
from collections.abc import Callable

from freqtrade import loggers
from freqtrade.loggers import bufferHandler

from strategies.seams.record import Library, Seam


def filter_remembered(kept: Callable[[logging.LogRecord], bool]) -> None:
    """Have each record pass `kept` before it is remembered."""
    bufferHandler.addFilter(kept)


def _probe() -> str:
    found = getattr(loggers, "bufferHandler", None)
    return "" if isinstance(found, logging.Handler) else "freqtrade.loggers has no bufferHandler"


LOG_BUFFER = Seam(
    name="freqtrade.loggers.bufferHandler",
    what="a filter is added",
    why="a remembered exception keeps the frames and connections it came through",
    since="freqtrade 2021.4",
    without="memory grows while the exchange is in trouble",
    probe=_probe,
    library=Library.EXCHANGE,
)
