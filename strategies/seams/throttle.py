"""ccxt's pauses between requests, and Freqtrade's between loops, by a clock that never jumps.

Both measure what has passed by the time of day: set back while they measure, they sleep until the
old time comes again. ccxt's methods are replaced on its classes, Freqtrade's pause on its own.
"""

from __future__ import annotations

import math
import time
from typing import Any
from weakref import WeakKeyDictionary

import ccxt
from ccxt.async_support.base import throttler
from freqtrade import worker
from freqtrade.worker import Worker

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_LOOP_SLACK_S = 1.5  # Freqtrade may wait a second longer than a loop, for a candle just begun
_RETRY_S = 5  # after an error of the exchange; its own 30 s read as a dead bot to the watchdog

_asked_s: WeakKeyDictionary[ccxt.Exchange, float] = WeakKeyDictionary()


def pause_by_monotonic_time() -> None:
    """Let every client of ccxt in this process pause by monotonic time; more than once is fine."""
    ccxt.Exchange.throttle = _throttle  # type: ignore[method-assign]
    throttler.time = time.monotonic  # of asynchronous clients; it only ever takes differences


def bound_loop_pause(throttle_s: float) -> None:
    """Let no pause of Freqtrade's between two loops last longer than it is configured to."""

    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, throttle_s + _LOOP_SLACK_S))

    Worker._sleep = staticmethod(sleep)
    worker.RETRY_TIMEOUT = _RETRY_S


def _throttle(client: ccxt.Exchange, cost: float | None = None) -> None:
    """Wait until `cost` more may be asked for."""
    pause_s = float(client.rateLimit) / 1000 * (1 if cost is None else cost)
    left_s = pause_s - (time.monotonic() - _asked_s.get(client, -math.inf))
    if left_s > 0:
        time.sleep(left_s)
    _asked_s[client] = time.monotonic()


def _probe() -> str:
    owner: Any = throttler.Throttler
    return problems(
        lacks_method(ccxt.Exchange, "throttle", "cost"),
        lacks_text(ccxt.Exchange, "fetch2", "self.throttle(cost)"),
        lacks_text(owner, "leaky_bucket_loop", "time() * 1000", "asyncio.sleep("),
        lacks_method(Worker, "_sleep"),
        lacks_text(Worker, "_throttle", "self._sleep(sleep_duration)"),
        lacks_text(Worker, "_process_running", "time.sleep(RETRY_TIMEOUT)"),
    )


THROTTLE = Seam(
    name="Exchange.throttle, Throttler's time, Worker._sleep, worker.RETRY_TIMEOUT",
    what="replaced on their classes and in their module",
    why="a machine's clock that is set back must not freeze the bot or the watchdog",
    since="freqtrade 2021.4",
    without="a clock set back by minutes may stop requests for as long",
    probe=_probe,
    library=Library.EXCHANGE,
)
