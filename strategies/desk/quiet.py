"""Commands that answer a person: what Freqtrade logs while it reads a config is no answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from freqtrade.loggers import error_console


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
