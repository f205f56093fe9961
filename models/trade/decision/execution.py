"""How an ordinary order is filled: at market, or quoted post-only for some minutes; pure.

Measured (`breakwater maker`): a quote pays the lower fee, and is filled by who knows better.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.base.errors import InputError

LONGEST_EXIT_MINUTES: Final = 10  # an exit that nobody fills must not lie for ever
_CHASE_FRAC: Final = 0.0025  # a quote follows the price no further from where it was first put


class OrderStyle(StrEnum):
    """What ordinary entries and exits are sent as; stops and closings are market orders always."""

    TAKER = "taker"
    MAKER = "maker"


@dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """How ordinary entries and exits of a forecasting strategy are filled."""

    # "taker" sends market orders, "maker" rests post-only ones first
    style: OrderStyle = OrderStyle.TAKER
    entry_minutes: float = 15.0  # a quoted entry rests so long; what is not filled then is missed
    exit_minutes: float = 10.0  # a quoted exit rests so long, then it goes to market
    # Least between two quotes: each move cancels, waits at the end of the queue, and is a message.
    requote_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.entry_minutes <= 60:
            raise ValueError(f"expected 1 <= entry_minutes <= 60, got {self.entry_minutes}")
        if not 0.5 <= self.exit_minutes <= LONGEST_EXIT_MINUTES:
            raise ValueError(
                f"expected 0.5 <= exit_minutes <= {LONGEST_EXIT_MINUTES}, got {self.exit_minutes}: "
                "an exit that nobody fills must not lie for ever"
            )
        if not 5 <= self.requote_seconds <= 600:
            raise ValueError(f"expected 5 <= requote_seconds <= 600, got {self.requote_seconds}")

    @property
    def quotes(self) -> bool:
        """Whether ordinary orders are post-only."""
        return self.style is OrderStyle.MAKER


def quote_at(bid: float, ask: float, side: int) -> float:
    """Return the best price of the own side, which never crosses.

    Parameters
    ----------
    side
        +1 to buy, -1 to sell.

    Raises
    ------
    InputError
        If the book is empty on a side, or crossed.

    Examples
    --------
    >>> quote_at(99.9, 100.0, 1), quote_at(99.9, 100.0, -1)
    (99.9, 100.0)
    """
    if not 0 < bid < ask:
        raise InputError(f"expected 0 < bid < ask, got {bid} and {ask}", where="order book")
    return bid if side > 0 else ask


def moved_quote(resting: float, best: float, first: float, side: int) -> float:
    """Return where a resting quote belongs: it follows the price away, never towards the market.

    Parameters
    ----------
    resting, best
        Price it rests at, and the best of its side now.
    first
        Where it was first put; further than 25 bps beyond it stays where it is.

    Examples
    --------
    >>> moved_quote(100.0, 100.1, 100.0, 1), moved_quote(100.0, 99.9, 100.0, 1)
    (100.1, 100.0)
    >>> moved_quote(100.0, 101.0, 100.0, 1), moved_quote(100.0, 99.9, 100.0, -1)
    (100.0, 99.9)
    """
    away = side * (best - resting)
    too_far = side * (best - first) > _CHASE_FRAC * first
    return best if away > 0 and not too_far else resting
