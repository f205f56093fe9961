"""What an exchange says of asking too often, and that nobody asks it before it allows it again.

Whoever goes on asking while his address is banned is banned for longer. The pause is bounded: a
time that makes no sense, or one of days, must not blind the watchdog for good; it then asks once,
and pauses again where it is still not answered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import ccxt

from models.base.files import iso_ms
from models.base.units import Seconds

_LONGEST_S: Final = 600.0  # between two questions, whatever the exchange says
_UNSAID_S: Final = 60.0  # where it says no time: its limits are by the minute
_UNTIL: Final = re.compile(r"banned until (\d{13})")  # UTC milliseconds: Binance's words


class Ban:
    """Asks nothing while an exchange has said that it is asked too often.

    Parameters
    ----------
    client
        Whose answers are meant, and whose time the exchange's words are held against.
    """

    def __init__(self, client: ccxt.Exchange, monotonic: Seconds = time.monotonic) -> None:
        self._client, self._monotonic = client, monotonic
        self._until_s, self._why = 0.0, ""

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Let a question be asked in the block, unless it is too early for any.

        Raises
        ------
        ccxt.DDoSProtection
            If it is too early; nothing is sent then. Says until when.
        """
        if self._why and self._monotonic() < self._until_s:
            raise ccxt.DDoSProtection(self._why)
        try:
            yield
        except (ccxt.DDoSProtection, ccxt.RateLimitExceeded) as error:
            wait_s = min(self._asked_for_s(str(error)), _LONGEST_S)
            self._until_s = self._monotonic() + wait_s
            until = iso_ms(self._client.milliseconds() + round(1000 * wait_s))
            self._why = f"asked too often, says the exchange; asked again at {until}"
            raise ccxt.DDoSProtection(self._why) from error
        self._why = ""

    def _asked_for_s(self, said: str) -> float:
        """Return for how long the exchange wants to hear nothing."""
        headers: Mapping[str, Any] = self._client.last_response_headers or {}
        after = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
        if str(after).isdecimal() and int(after):
            return float(after)
        until = _UNTIL.search(said)
        left_s = (int(until[1]) - self._client.milliseconds()) / 1000 if until else 0.0
        return left_s if left_s > 0 else _UNSAID_S
