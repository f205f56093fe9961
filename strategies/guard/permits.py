"""Permits for new risk: one order each, no larger than the guards have allowed, and at once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

from models.base.units import Seconds

# Freqtrade cancels a trade's resting order between the decision and the order that replaces it.
VALID_S: Final = 15.0
# An order without an answer may have been executed: it counts until the books have been compared.
UNANSWERED_S: Final = 60.0
_SAME: Final = 1e-6  # relative; an amount is a stake divided by a rate


@dataclass(frozen=True, kw_only=True)
class NewRisk:
    """An order that adds to a position or opens one, or what the guards allow of one."""

    pair: str
    side: int  # +1 long, -1 short
    amount_base: float
    rate: float
    leverage: float

    @property
    def notional_quote(self) -> float:
        return self.amount_base * self.rate

    def __str__(self) -> str:
        """Return the order in words; a request that names no amount is no order."""
        side = "long" if self.side > 0 else "short"
        return f"{side} {self.amount_base:g} {self.pair}" if self.amount_base else self.pair

    def excess_over(self, permitted: NewRisk) -> str:
        """Return in what this order goes beyond `permitted`, or nothing.

        Examples
        --------
        >>> one = NewRisk(pair="BTC/USDT:USDT", side=1, amount_base=1.0, rate=100.0, leverage=2.0)
        >>> one.excess_over(one)
        ''
        """
        mine, theirs = (self.pair, self.side), (permitted.pair, permitted.side)
        if mine != theirs:
            return f"expected side {permitted.side:+d} of {permitted.pair}, as permitted"
        if not 0 < self.amount_base <= permitted.amount_base * (1 + _SAME):
            return f"expected at most {permitted.amount_base:g}, as permitted"
        if not 0 < self.leverage <= permitted.leverage * (1 + _SAME):
            return f"expected leverage {permitted.leverage:g} at most, as permitted"
        worse = self.side * (self.rate - permitted.rate)
        if not (self.rate > 0 and worse <= _SAME * permitted.rate):
            return f"expected a rate of {permitted.rate:g} or better, as permitted"
        return ""


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """An order and until when it counts, monotonic; None: until its answer is there."""

    order: NewRisk
    until_s: float | None


class Permits:
    """What the guards have allowed and no order has used yet, and the orders on their way.

    All of it counts as exposure, so that two permits together cannot pass a limit. In memory only:
    a restart forgets permits, which refuses.

    Parameters
    ----------
    clock_s
        Monotonic seconds.
    """

    def __init__(self, clock_s: Seconds = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()  # orders come from the bot's loop and from its API
        self._issued: dict[str, _Timed] = {}  # by pair
        self._sent: list[_Timed] = []

    def issue(self, allowed: NewRisk) -> None:
        """Permit one order within `allowed`, from now on for `VALID_S`; an older one is void."""
        with self._lock:
            self._issued[allowed.pair] = _Timed(
                order=allowed, until_s=self._clock_s() + VALID_S
            )  # fmt: skip

    def why_not(self, order: NewRisk) -> str:
        """Return why no permit covers an order now, or nothing; uses nothing up."""
        with self._lock:
            return self._why_not(order)

    def take(self, order: NewRisk) -> str:
        """Use the permit of an order that leaves now; return why there is none, or nothing.

        Whatever comes of it, the permit is gone.
        """
        with self._lock:
            why = self._why_not(order)
            self._issued.pop(order.pair, None)
            if not why:
                self._sent.append(_Timed(order=order, until_s=None))
            return why

    def void(self) -> None:
        """Take back what no order has used: the account it was allowed for is no more.

        A short that is closed makes room for no long, but its net exposure was counted on.
        """
        with self._lock:
            self._issued.clear()

    def settle(self, order: NewRisk, *, answered: bool) -> None:
        """Note that the exchange has answered an order that was sent, or has failed to."""
        with self._lock:
            self._sent = [sent for sent in self._sent if sent.order is not order]
            if not answered:
                until_s = self._clock_s() + UNANSWERED_S
                self._sent.append(_Timed(order=order, until_s=until_s))

    def pending_quote(self, side: int) -> float:
        """Return the notional of a side that is permitted or on its way and in no trade yet."""
        return sum(order.notional_quote for order in self._pending() if order.side == side)

    def pending_pairs(self) -> frozenset[str]:
        """Return the pairs in which something is permitted or on its way."""
        return frozenset(order.pair for order in self._pending())

    def _pending(self) -> list[NewRisk]:
        with self._lock:
            now_s = self._clock_s()
            self._sent = [sent for sent in self._sent if _counts(sent, now_s)]
            issued = (permit for permit in self._issued.values() if _counts(permit, now_s))
            return [timed.order for timed in (*issued, *self._sent)]

    def _why_not(self, order: NewRisk) -> str:
        permit = self._issued.get(order.pair)
        if permit is None:
            return "no guard has been asked for it"
        if not _counts(permit, self._clock_s()):
            return f"the guards' permit for it was valid for {VALID_S:g} s"
        return order.excess_over(permit.order)


def _counts(timed: _Timed, now_s: float) -> bool:
    return timed.until_s is None or now_s < timed.until_s
