"""Do the bot's books and the exchange's agree? What is left unexplained has to halt.

Pure comparison of two lists; who asked whom, and when, is not its business. An order on its way
explains a difference up to its size, so that a fill seen by one side first is no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_ROUNDING_FRAC: Final = 1e-6  # of the larger amount: lots and text


@dataclass(frozen=True, kw_only=True)
class Books:
    """What one side believes; amounts in base units, negative for shorts.

    Attributes
    ----------
    positions
        Pair to net amount; a pair left out is flat.
    stops
        Pair to the amount that resting stops would close, >= 0.
    """

    positions: Mapping[str, float]
    stops: Mapping[str, float] = field(default_factory=dict)


def differences(
    ours: Books, theirs: Books, pending: Mapping[str, float] | None = None
) -> tuple[str, ...]:
    """Return one sentence per pair whose amounts differ beyond what pending orders explain.

    Parameters
    ----------
    ours, theirs
        The bot's books and the exchange's.
    pending
        Pair to the unfilled amount of open orders, absolute: explains as much, in any direction.

    Examples
    --------
    >>> differences(Books(positions={"BTC": 1.0}), Books(positions={"BTC": 1.0, "LTC": -2.0}))
    ('LTC: the exchange holds -2, the books 0',)
    """
    waiting = pending or {}
    out = []
    for pair in sorted({*ours.positions, *theirs.positions}):
        mine, real = ours.positions.get(pair, 0.0), theirs.positions.get(pair, 0.0)
        allowed = abs(waiting.get(pair, 0.0)) + _ROUNDING_FRAC * max(abs(mine), abs(real))
        # Written so that NaN on any side is a difference.
        if not abs(mine - real) <= allowed:
            out.append(f"{pair}: the exchange holds {real:g}, the books {mine:g}")
    return tuple(out)


def unprotected(theirs: Books) -> dict[str, float]:
    """Return pair to signed amount of every position its resting stops do not cover whole.

    Examples
    --------
    >>> unprotected(Books(positions={"BTC": -1.0, "LTC": 2.0}, stops={"BTC": 1.0, "LTC": 0.5}))
    {'LTC': 1.5}
    """
    out = {}
    for pair, amount in theirs.positions.items():
        bare = abs(amount) - theirs.stops.get(pair, 0.0)
        if not bare <= _ROUNDING_FRAC * abs(amount):
            out[pair] = math.copysign(bare, amount)
    return out


def lost_entry(
    found: Mapping[str, float], approved: Mapping[str, float], held: Mapping[str, float]
) -> tuple[str, ...]:
    """Return the pairs where the exchange holds just what was approved and never answered.

    Parameters
    ----------
    found
        Pair to the signed amount the exchange holds.
    approved
        Pair to the signed amount of the last entry sent.
    held
        Pair to the signed amount in the bot's books.
    """
    return tuple(
        sorted(
            pair
            for pair, amount in approved.items()
            if math.isclose(found.get(pair, 0.0) - held.get(pair, 0.0), amount, rel_tol=1e-2)
        )
    )
