"""Whether the machine's clock is right: by itself, and beside the exchange's."""

from __future__ import annotations

import math
from typing import Final

from models.base.steady import SteadyClock
from models.base.units import Seconds
from models.operate.control.unknown import in_short
from strategies.account.exchange_clock import in_words
from strategies.desk.watch.venue import Venue

_ASK_S: Final = 60.0
JUMPED, CLOCKS = "clock jumped", "clocks differ"


class ClockComparison:
    """Compares clocks: with itself in every round, with the exchange's every minute.

    Parameters
    ----------
    bound_s
        A person is told where machine and exchange differ by more.
    """

    def __init__(
        self, clock: SteadyClock, venue: Venue | None, bound_s: float, monotonic: Seconds
    ) -> None:
        self._clock, self._venue = clock, venue
        self._bound_s, self._monotonic = bound_s, monotonic
        self._asked_s = -math.inf
        self._ahead_s: float | None = None
        self._jumped = False
        self.unasked = ""  # why the exchange's time was not to be had when it was asked for last

    def look(self) -> dict[str, str]:
        """Return what is wrong, by name; without an answer it is asked for a minute later."""
        found = {}
        jump_s = self._clock.jump_ms / 1000
        if jump_s:
            found[JUMPED] = f"the machine's clock has jumped by {jump_s:+.0f} s"
        news = bool(jump_s) != self._jumped
        self._jumped = bool(jump_s)
        if self._venue is not None and (news or self._monotonic() - self._asked_s >= _ASK_S):
            self._asked_s = self._monotonic()
            self._ask(self._venue, jump_s)
        if self._ahead_s is not None and abs(self._ahead_s) > self._bound_s:
            found[CLOCKS] = f"{in_words(self._ahead_s)}, which may refuse every order: set it"
        return found

    def _ask(self, venue: Venue, jump_s: float) -> None:
        try:
            self._ahead_s = venue.clock_ahead_s()
        except Exception as error:  # noqa: BLE001 - of any kind: what was known stands
            self.unasked = in_short(error)
            return
        self.unasked = ""
        if jump_s and abs(self._ahead_s) <= self._bound_s:
            self._clock.confirm()  # it was wrong before, and somebody has set it
