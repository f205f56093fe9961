"""Whether the machine's clock is right; while it is wrong there is no new risk."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Final

import ccxt

from models.base.units import Seconds
from models.operate.journal.records import Incident
from strategies.account.exchange_clock import clock_ahead_s, in_words, refuses
from strategies.human.control import Control

logger = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_TOLD_S: Final = 1.0  # a person hears of a difference beyond it
_SUBJECT: Final = "clock"


class ClockWatch:
    """Compares the machine's clock with the exchange's, once a minute and whenever it jumps.

    Parameters
    ----------
    tell
        Tells a person.
    """

    def __init__(
        self, control: Control, tell: Callable[[str], None], monotonic: Seconds = time.monotonic
    ) -> None:
        self._control, self._tell, self._monotonic = control, tell, monotonic
        self._asked_s = -math.inf
        self._jumped = False
        self._wrong = ""  # as told last

    def look(self, client: ccxt.Exchange) -> None:
        """Ask if it is time to, and refuse or allow new risk accordingly."""
        jump_s = self._control.jump_ms / 1000
        news, self._jumped = bool(jump_s) != self._jumped, bool(jump_s)
        if not news and self._monotonic() - self._asked_s < _EVERY_S:
            return
        self._asked_s = self._monotonic()
        try:
            ahead_s = clock_ahead_s(client)
        except Exception as error:  # noqa: BLE001 - of any kind: then nobody knows better
            logger.warning("the exchange does not tell its time: %s", type(error).__name__)
            if jump_s:
                self._found(f"the machine's clock has jumped by {jump_s:+.0f} s", refused=True)
            return
        if jump_s and abs(ahead_s) <= _TOLD_S and self._control.steady is not None:
            self._control.steady.confirm()  # it was wrong before, and somebody has set it
        refused = refuses(client, ahead_s)  # a narrow window refuses less than is told else
        wrong = in_words(ahead_s) if refused or abs(ahead_s) > _TOLD_S else ""
        self._found(wrong, refused=refused)

    def _found(self, wrong: str, *, refused: bool) -> None:
        if refused:
            wrong += ", which refuses such orders: no new positions until it is set"
        self._control.forbid(_SUBJECT, wrong if refused else "")
        if _kind(wrong) == _kind(self._wrong):
            return
        self._wrong = wrong
        text = wrong or "the machine's clock is right again"
        logger.warning("%s", text)
        self._control.record("clock", Incident(what=text))
        self._tell(text)


def _kind(text: str) -> str:
    return "".join(c for c in text if not c.isdigit())
