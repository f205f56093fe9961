"""Memory while an exchange is in trouble: the log remembered as text, cycles swept in time."""

from __future__ import annotations

import gc
import logging
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import ccxt
from freqtrade.loggers import bufferHandler

from strategies.bot.memory import Sweeper, text_only
from strategies.seams.tls_context import SharedTls


class Heavy(Exception):
    """Stands for an exception that holds a connection."""


def record() -> logging.LogRecord:
    try:
        raise Heavy("no answer")
    except Heavy as error:
        return logging.LogRecord(
            "a", logging.WARNING, __file__, 1, "%s failed: %s", ("it", error), sys.exc_info()
        )


def test_record_when_remembered_then_its_text_stays_and_nothing_it_was_made_from() -> None:
    kept, formatter = record(), logging.Formatter("%(message)s")
    before = formatter.format(record())
    assert text_only(kept)
    assert formatter.format(kept) == before
    assert "Heavy: no answer" in before
    assert (kept.args, kept.exc_info) == (None, None)


def test_exception_when_logged_then_freqtrades_memory_of_the_log_does_not_hold_it() -> None:
    Sweeper(60.0, collect=lambda: None).start(None)
    kept = record()
    assert kept.exc_info is not None
    held = weakref.ref(kept.exc_info[1])
    bufferHandler.handle(kept)
    assert kept in bufferHandler.buffer
    gc.collect()
    assert held() is None
    bufferHandler.buffer.remove(kept)
    assert bufferHandler.filters.count(text_only) == 1
    Sweeper(60.0).start(None)
    assert bufferHandler.filters.count(text_only) == 1


def test_bot_when_it_starts_then_the_connections_of_freqtrades_client_share_a_tls_context() -> None:
    client = ccxt.binanceusdm()
    exchange: Any = SimpleNamespace(_api=client)
    Sweeper(60.0).start(exchange)
    assert isinstance(client.session.get_adapter("https://fapi.binance.com"), SharedTls)


def test_sweep_when_a_close_is_near_or_it_has_just_been_then_it_waits() -> None:
    now, swept = [600.0], []
    sweeper = Sweeper(60.0, wall=lambda: now[0], monotonic=lambda: now[0],
                      collect=lambda: swept.append(now[0]))  # fmt: skip
    for second in (600.0, 603.9, 604.0, 656.9, 657.0, 659.9, 660.0, 661.0, 664.0):
        now[0] = second
        sweeper.sweep()
    assert swept == [600.0, 604.0, 656.9, 661.0]
