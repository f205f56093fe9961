"""What keeps the memory of a bot flat while its exchange is in trouble.

Each request that fails leaves an exception with its traceback, that its frames, and those the
connection, in a cycle of references. Freqtrade holds its last thousand log records for ``/logs``
with everything they were made from, such exceptions too; and cycles wait for a collection of the
oldest generation, which Python puts off until a quarter of all long-lived objects are new. Most of
what a connection holds is its TLS context, 0.8 MB: all connections share one. Measured with a
context each: the fifty requests of a loop without an exchange took 40 MB, which were freed into the
C heap and never left it; with one for all: 4 MB.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from freqtrade.exchange import Exchange

from strategies.seams.log_buffer import filter_remembered
from strategies.seams.rest_client import rest_client
from strategies.seams.tls_context import share_tls

_FORMATTER: Final = logging.Formatter()
_EVERY_S: Final = 4.0  # a loop during an outage leaves some fifty exceptions
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

    def start(self, exchange: Exchange | None) -> None:
        """Have Freqtrade remember text only, and set aside what the start has made.

        Parameters
        ----------
        exchange
            Freqtrade's, whose connections are to share one TLS context.
        """
        filter_remembered(text_only)
        if exchange is not None:
            share_tls(rest_client(exchange))
        gc.collect()
        gc.freeze()  # it stays for good and need not be looked through each time

    def sweep(self) -> None:
        """Collect, if it is due."""
        now = self._monotonic()
        left = self._candle_s - self._wall() % self._candle_s
        if now - self._last_s >= _EVERY_S and left > _BEFORE_CLOSE_S:
            self._last_s = now
            self._collect()
