"""How far the machine's clock is from an exchange's, and what the exchange makes of it."""

from __future__ import annotations

import time
from typing import Final

import ccxt

from models.base.errors import InputError

_AHEAD_S: Final = 1.0  # Binance refuses a request stamped further ahead
_BEHIND_S: Final = 5.0  # where ccxt names no window of the exchange's


def clock_ahead_s(client: ccxt.Exchange) -> float:
    """Return how many seconds the machine's clock is ahead, from one short question.

    Half of the way there and back is taken for the way there.

    Raises
    ------
    ccxt.BaseError, InputError, TypeError, ValueError
        If the exchange does not tell its time.
    """
    before_ms, begun_s = client.milliseconds(), time.monotonic()
    theirs = client.fetch_time()
    took_s = time.monotonic() - begun_s
    if theirs is None:
        raise InputError("expected a time from the exchange, got none")
    ahead_s: float = (before_ms - float(theirs)) / 1000 + took_s / 2
    return ahead_s


def refuses(client: ccxt.Exchange, ahead_s: float) -> bool:
    """Return whether the exchange refuses what such a clock has stamped."""
    window_ms = client.options.get("recvWindow")
    behind_s = _BEHIND_S if window_ms is None else float(window_ms) / 1000
    return not -behind_s < ahead_s < _AHEAD_S


def in_words(ahead_s: float) -> str:
    """Return how far it is off.

    Examples
    --------
    >>> in_words(-2.04)
    "the machine's clock is 2.0 s behind the exchange's"
    """
    side = "ahead of" if ahead_s > 0 else "behind"
    return f"the machine's clock is {abs(ahead_s):.1f} s {side} the exchange's"
