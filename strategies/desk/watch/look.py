"""What the watchdog sees of the account in one round, as far as it can be seen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import ccxt

from models.operate.control.watch import Resting, WatchedPosition
from strategies.desk.watch.venue import Venue

logger = logging.getLogger(__name__)


@dataclass
class SeenAccount:
    """The account in one round, as far as it could be seen."""

    positions: dict[str, WatchedPosition] = field(default_factory=dict)
    orders: dict[str, list[Resting]] = field(default_factory=dict)
    margin_ratio: float | None = None
    missing: str = ""  # why not further


def look(venue: Venue | None, symbols: Sequence[str]) -> SeenAccount:
    """Return what there is in `symbols` and in every market with a position."""
    observed = SeenAccount()
    if venue is None:
        return observed
    try:
        observed.positions = {p.symbol: p for p in venue.positions()}
        for symbol in dict.fromkeys([*symbols, *observed.positions]):
            observed.orders[symbol] = venue.resting(symbol)
        observed.margin_ratio = venue.margin_ratio()
    except (ccxt.BaseError, LookupError, TypeError, ValueError) as error:
        observed.missing = type(error).__name__
    return observed


def answer_or_none(ask: Callable[[], float | None]) -> float | None:
    """Return the answer; None without one, which must keep nobody in a position."""
    try:
        return ask()
    except (ccxt.BaseError, LookupError, TypeError, ValueError) as error:
        logger.warning("not answered: %s", type(error).__name__)
        return None
