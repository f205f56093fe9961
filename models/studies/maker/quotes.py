"""A fill model of resting orders that cannot flatter them.

A post-only order is quoted when a detail candle opens, from what was traded before, and rests
through it. It fills where the candle trades *through* the quote, by a tick at least: at the quote
itself others stand in front, and a candle does not say how many. Where it does not fill it is
quoted anew at the next boundary, if the price has moved away; after its patience it is given up.

What a candle does not show is decided against the order. The best price of the own side is taken
to be one tick behind the last trade, which is as far back as it can be at a spread of a tick; a
candle that opens beyond the quote, where an exchange would refuse the order and a better price
would be quoted, pays the quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.base.errors import InputError
from models.base.types import Candles

_ROUNDING: Final = 1e-6  # of a tick: prices are decimal, floats are not


@dataclass(frozen=True, kw_only=True)
class QuoteRules:
    """How a post-only order is quoted.

    Attributes
    ----------
    tick
        Smallest step of the price, quote units.
    patience
        Detail candles it rests before it is given up.
    follows
        Whether it is quoted anew when the price moves away; else it waits where it was put.
    """

    tick: float
    patience: int
    follows: bool = True

    def __post_init__(self) -> None:
        if not (self.tick > 0 and self.patience >= 1):
            raise InputError(
                f"expected a tick > 0 and a patience >= 1, got {self.tick} and {self.patience}"
            )


@dataclass(frozen=True)
class QuoteOutcome:
    """What became of a post-only order.

    Attributes
    ----------
    price
        Its last quote; of what filled, the price it filled at.
    row
        The detail candle that opens when all is over: the one after that in which it filled, or
        after the last in which it rested.
    """

    filled: bool
    price: float
    row: int


def own_side(last: float, side: int, tick: float) -> float:
    """Return the best price of the own side after a trade at `last`: a tick behind it.

    Parameters
    ----------
    side
        +1 to buy, -1 to sell.

    Examples
    --------
    >>> own_side(100.0, 1, 0.5), own_side(100.0, -1, 0.5)
    (99.5, 100.5)
    """
    return last - side * tick


def rested(detail: Candles, first: int, side: int, rules: QuoteRules) -> QuoteOutcome:
    """Return what becomes of an order that rests from the open of detail candle `first` on.

    Parameters
    ----------
    detail
        Without gaps in the candles the order may rest in.
    side
        +1 to buy, -1 to sell.

    Notes
    -----
    The quote of a candle is known at its open; whether it fills, at its close.

    Raises
    ------
    InputError
        If there is no candle before it, or too few after.

    Examples
    --------
    A touch is not a fill; a tick further is. Nothing is known of the volume before the quote.

    >>> import numpy as np
    >>> def candles(*lows):
    ...     flat, rows = np.full(len(lows), 100.0), np.arange(len(lows))
    ...     low = np.array(lows)
    ...     return Candles(time_ms=rows, open=flat, high=flat, low=low, close=flat, volume=flat)
    >>> rules = QuoteRules(tick=0.5, patience=2)
    >>> rested(candles(100.0, 99.5, 99.5), 1, 1, rules)
    QuoteOutcome(filled=False, price=99.5, row=3)
    >>> rested(candles(100.0, 99.5, 99.0), 1, 1, rules)
    QuoteOutcome(filled=True, price=99.5, row=3)
    """
    if not 1 <= first <= len(detail) - rules.patience:
        raise InputError(
            f"expected a candle before row {first} and {rules.patience} from it on, got "
            f"{len(detail)} candles"
        )
    reach, tick = detail.low if side > 0 else detail.high, rules.tick
    quote = own_side(float(detail.close[first - 1]), side, tick)
    for row in range(first, first + rules.patience):
        if side * (quote - float(reach[row])) >= tick * (1 - _ROUNDING):
            return QuoteOutcome(True, quote, row + 1)
        best = own_side(float(detail.close[row]), side, tick)
        last = row == first + rules.patience - 1
        if rules.follows and not last and side * (best - quote) > 0:
            quote = best
    return QuoteOutcome(False, quote, first + rules.patience)
