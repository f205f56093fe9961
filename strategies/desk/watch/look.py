"""What the watchdog sees of the account in one round: each part by itself, as far as it goes."""

from __future__ import annotations

import logging
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
_LOOK_S: Final = 12.0  # a slow exchange must not keep what was seen from being acted on


@dataclass
class SeenAccount:
    """The account in one round, as far as it could be seen.

    Attributes
    ----------
    whole
        Whether every position is known: one that is not in `positions` does not exist.
    missing
        What could not be seen, and why.
    """

    positions: dict[str, WatchedPosition] = field(default_factory=dict)
    orders: dict[str, list[Resting]] = field(default_factory=dict)
    margin_ratio: float | None = None
    whole: bool = False
    missing: dict[str, str] = field(default_factory=dict)

    def is_settled(self, symbol: str) -> bool:
        """Return whether it is known if there is a position, and which."""
        return self.whole or symbol in self.positions


def look(
    venue: Venue | None, symbols: Sequence[str], monotonic: Seconds, alive: Callable[[], None]
) -> SeenAccount:
    """Return what there is in `symbols` and in every market with a position.

    Parameters
    ----------
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
    for symbol in dict.fromkeys([*seen.positions, *symbols]):
        name = f"the orders of {symbol}"
        if monotonic() - begun_s > _LOOK_S:
            seen.missing[name] = "no time left"
            continue
        with _part(seen, name, alive):
            orders = venue.resting(symbol)
            seen.orders[symbol] = orders.items
            seen.missing |= {f"an order in {row}": why for row, why in orders.unread.items()}
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
