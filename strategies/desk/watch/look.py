"""What the watchdog sees of the account in one round: each part by itself, as far as it goes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from models.base.units import Seconds
from models.operate.control.unknown import in_short
from models.operate.control.watch import Resting, WatchedPosition
from strategies.desk.watch.venue import Venue

logger = logging.getLogger(__name__)

ACCOUNT: Final = "the account"
MARGIN_PART: Final = "the margin"
EARLIER: Final = "what an earlier watchdog has left"
_AGAIN_S: Final = 60.0  # between two questions about all markets, which are dear
_LOOK_S: Final = 12.0  # a slow exchange must not keep what was seen from being acted on


@dataclass
class SeenAccount:
    """The account in one round, as far as it could be seen.

    Attributes
    ----------
    whole
        Whether every position is known: one that is not in `positions` does not exist.
    partly
        Markets with orders of which some cannot be read.
    missing
        What could not be seen, and why.
    """

    positions: dict[str, WatchedPosition] = field(default_factory=dict)
    orders: dict[str, list[Resting]] = field(default_factory=dict)
    margin_ratio: float | None = None
    whole: bool = False
    partly: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)

    def is_settled(self, symbol: str) -> bool:
        """Return whether it is known if there is a position, and which."""
        return self.whole or symbol in self.positions

    def is_read(self, symbol: str) -> bool:
        """Return whether every order that rests in a market is known."""
        return symbol in self.orders and symbol not in self.partly


class GuardedMarkets:
    """The markets in which own stops may rest though they hold no position any more.

    Every market is one that was seen with a position, until it is seen without that and without
    stops. Where an earlier watchdog left its own is asked for once, of all markets together.
    """

    def __init__(self) -> None:
        self.symbols: dict[str, None] = {}
        self._missing = {EARLIER: "not asked for yet"}
        self._next_s = -math.inf

    def note(self, seen: SeenAccount) -> None:
        """Take note of what holds a position now, and of what is clear."""
        clear = {
            symbol for symbol, orders in seen.orders.items()
            if seen.is_settled(symbol) and seen.is_read(symbol)
            and all(order.trigger is None for order in orders)
        }  # fmt: skip
        left = {symbol: None for symbol in self.symbols if symbol not in clear}
        self.symbols = left | dict.fromkeys(seen.positions)

    def recall(self, venue: Venue, now_s: float) -> dict[str, str]:
        """Add the markets with stops of an earlier watchdog; return what cannot be seen, and why.

        Asked again after a minute, of monotonic time, until all of it is seen.
        """
        if self._missing and now_s >= self._next_s:
            self._next_s = now_s + _AGAIN_S
            try:
                told = venue.stops()
            except Exception as error:  # noqa: BLE001 - of any kind: it is not seen
                self._missing = {EARLIER: in_short(error)}
            else:
                self._missing = {f"an order in {row}": why for row, why in told.unread.items()}
                self.symbols |= {stop.symbol: None for stop in told.items if stop.own}
        return self._missing


def look(
    venue: Venue | None,
    symbols: Sequence[str],
    guarded: GuardedMarkets,
    monotonic: Seconds,
    alive: Callable[[], None],
) -> SeenAccount:
    """Return what there is in `symbols`, in every market with a position, and in `guarded`.

    Parameters
    ----------
    guarded
        Is told what is seen.
    alive
        Is called before each question.
    """
    seen = SeenAccount()
    if venue is None:
        return seen
    begun_s = monotonic()
    with _part(seen, ACCOUNT, alive):
        told = venue.positions()
        seen.positions = {p.symbol: p for p in told.items}
        seen.missing |= {f"the position in {row}": why for row, why in told.unread.items()}
        seen.whole = not told.unread
    with _part(seen, MARGIN_PART, alive):
        seen.margin_ratio = venue.margin_ratio()
    for symbol in dict.fromkeys([*seen.positions, *symbols, *guarded.symbols]):
        name = f"the orders of {symbol}"
        if monotonic() - begun_s > _LOOK_S:
            seen.missing[name] = "no time left"
            continue
        with _part(seen, name, alive):
            orders = venue.resting(symbol)
            seen.orders[symbol] = orders.items
            if orders.unread:
                seen.partly.add(symbol)
            seen.missing |= {f"an order in {row}": why for row, why in orders.unread.items()}
    guarded.note(seen)
    alive()
    if monotonic() - begun_s <= _LOOK_S:  # last: nothing else is to wait for it
        seen.missing |= guarded.recall(venue, monotonic())
    return seen


@contextmanager
def _part(seen: SeenAccount, name: str, alive: Callable[[], None]) -> Iterator[None]:
    """Note what goes wrong in the block, whatever it is: nothing else must suffer from it."""
    alive()
    try:
        yield
    except Exception as error:  # noqa: BLE001 - of any kind: this part is not seen
        seen.missing[name] = in_short(error)


def answer_or_none(ask: Callable[[], float | None]) -> float | None:
    """Return the answer; None without one, which must keep nobody in a position."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - of any kind: it is not known
        logger.warning("not answered: %s", type(error).__name__)
        return None
