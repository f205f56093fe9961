"""Commands that answer a person: what Freqtrade logs while it reads a config is no answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from freqtrade import loggers
from freqtrade.loggers import error_console

from strategies.seams.record import Library, Seam


@contextmanager
def without_freqtrade_log() -> Iterator[None]:
    """Keep Freqtrade's log off the terminal; who listens to its warnings hears them all the same.

    Freqtrade sets its handlers up anew with every config: what they write to is silenced, not they.
    """
    before, quiet = logging.root.manager.disable, error_console.quiet
    logging.disable(logging.INFO)
    error_console.quiet = True
    try:
        yield
    finally:
        logging.disable(before)
        error_console.quiet = quiet


def _probe() -> str:
    found = getattr(loggers, "error_console", None)
    if not isinstance(getattr(found, "quiet", None), bool):
        return "freqtrade.loggers has no error_console that can be quiet"
    return ""


QUIET_LOG = Seam(
    name="freqtrade.loggers.error_console",
    what="quiet is set while a command reads a config",
    why="Freqtrade logs a page at every config it reads, and buries the answer in it",
    since="freqtrade 2025.4",
    without="a command's answer stands between lines of Freqtrade's log",
    probe=_probe,
    library=Library.EXCHANGE,
)
