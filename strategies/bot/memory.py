"""What keeps the memory of a bot flat while its exchange is in trouble.

Each request that fails leaves an exception with its traceback, that its frames, and those the
connection with its TLS context: 0.8 MB in a cycle of references. Freqtrade holds its last thousand
log records for ``/logs`` with everything they were made from, such exceptions too; and cycles wait
for a collection of the oldest generation, which Python puts off until a quarter of all long-lived
objects are new. Measured: three minutes without an exchange took 40 MB that never came back.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from strategies.seams.log_buffer import filter_remembered

_FORMATTER: Final = logging.Formatter()
_EVERY_S: Final = 4.0  # a loop during an outage leaves some 40 MB
_BEFORE_CLOSE_S: Final = 3.0


def text_only(record: logging.LogRecord) -> bool:
    """Replace what `record` was made from by its text, trace included; keep every record."""
    record.msg, record.args = record.getMessage(), None
    if record.exc_info:
        record.exc_text = record.exc_text or _FORMATTER.formatException(record.exc_info)
        record.exc_info = None
    return True


class Sweeper:
    """Collects such cycles while nothing else is to be done: not when a candle's close is near.

    Parameters
    ----------
    candle_s
        Length of a candle.
    """

    def __init__(
        self,
        candle_s: float,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        collect: Callable[[], object] = gc.collect,
    ) -> None:
        self._candle_s, self._wall, self._monotonic = candle_s, wall, monotonic
        self._collect, self._last_s = collect, -math.inf

    def start(self) -> None:
        """Have Freqtrade remember text only, and set aside what the start has made."""
        filter_remembered(text_only)
        gc.collect()
        gc.freeze()  # it stays for good and need not be looked through each time

    def sweep(self) -> None:
        """Collect, if it is due."""
        now = self._monotonic()
        left = self._candle_s - self._wall() % self._candle_s
        if now - self._last_s >= _EVERY_S and left > _BEFORE_CLOSE_S:
            self._last_s = now
            self._collect()
