"""Do the bot's books and the exchange's agree? What is left unexplained has to halt.

Pure comparison of two lists; who asked whom, and when, is not its business. An order on its way
explains a difference up to its size, so that a fill seen by one side first is no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ROUNDING_FRAC: Final = 1e-6  # of the larger amount: lots and text
_LOT_FRAC: Final = 0.02  # an order is rounded to whole lots after it was approved


@dataclass(frozen=True, kw_only=True)
class Books:
    """What one side believes; amounts in base units, negative for shorts.

    Attributes
    ----------
    positions
        Pair to net amount; a pair left out is flat.
    """

    positions: Mapping[str, float]


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


def lost_entries(
    found: Books, ours: Books, approved: Mapping[str, float]
) -> tuple[tuple[str, float], ...]:
    """Return (pair, amount) of positions that are just what was sent and never answered.

    Parameters
    ----------
    found, ours
        The exchange's books and the bot's; a pair the bot has any trade in is not lost.
    approved
        Pair to the signed amount of the last entry sent.

    Examples
    --------
    >>> lost_entries(Books(positions={"BTC": 1.0}), Books(positions={}), {"BTC": 1.001})
    (('BTC', 1.0),)
    """
    return tuple(
        (pair, amount)
        for pair, amount in sorted(found.positions.items())
        if pair not in ours.positions
        and pair in approved
        and math.isclose(amount, approved[pair], rel_tol=_LOT_FRAC)
    )
