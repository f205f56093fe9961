"""Which paths liquidate the account, and the most legs that make none of it likelier.

In one cross account a leg takes margin, and at its own adverse extreme equity: at high leverage a
hedge that lowers expected shortfall can liquidate the account on more paths than no hedge does.
What is counted here is not convex, so it is no part of the programme; legs are made smaller after
it. Another set of paths counts a little differently: the promise is about these.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from models.base.types import BoolArray, FloatArray
from models.trade.hedging.shortfall_cuts import ShortfallProgramme

_EDGE: Final = 1e-6  # of a factor on the legs: so far from where a path liquidates


def liquidated_paths(
    programme: ShortfallProgramme, units: FloatArray, rows: BoolArray | None = None
) -> BoolArray:
    """Return which paths take all margin, (P,) or of the rows asked for."""
    shortages = programme.shortages if rows is None else programme.shortages[:, rows]
    a, p, t = shortages.shape
    worst = (units @ shortages.reshape(a, p * t)).reshape(p, t).max(axis=1)
    out: BoolArray = worst + programme.trading(units) >= 1.0
    return out


def unraised_legs(programme: ShortfallProgramme, units: FloatArray) -> tuple[FloatArray, float]:
    """Return positions whose legs raise no counted chance, and the factor on all of them.

    The most of the legs than which no smaller share of them, and none of them left out,
    liquidates on fewer paths.
    """
    factor = 1.0
    while True:
        share = _largest_share(programme, units)
        units, factor = _scaled(units, share), factor * share
        hits = int(liquidated_paths(programme, units).sum())
        others = [_without(units, j) for j in range(1, len(units)) if units[j] > 0]
        counts = [int(liquidated_paths(programme, other).sum()) for other in others]
        if not counts or min(counts) >= hits:
            return units, factor
        units = others[int(np.argmin(counts))]


def _largest_share(programme: ShortfallProgramme, units: FloatArray) -> float:
    """Return the largest factor on the legs with which the fewest paths liquidate.

    Margin left is concave in the factor, so a path survives on one interval of factors; one that
    survives with all legs and with none survives every share of them and need not be looked at.
    """
    if not units[1:].any():
        return 1.0
    rows = liquidated_paths(programme, units) | liquidated_paths(programme, without_legs(units))
    if not rows.any():
        return 1.0
    low, high = _surviving(programme, units, rows)
    inside = np.unique(high[(high > _EDGE) & (high <= 1.0)]) - _EDGE
    factors = np.concatenate(([0.0], inside, [1.0]))
    alive = ((low < factors[:, None]) & (factors[:, None] < high)).sum(axis=1)
    return float(factors[alive == alive.max()][-1])


def _surviving(
    programme: ShortfallProgramme, units: FloatArray, rows: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return between which factors on the legs each path survives, (n,) each, ends not included.

    What is short in a candle is a line in the factor, and what trading costs the largest of as
    many lines as there are ways to buy or sell the legs.
    """
    shortages, c = programme.shortages[:, rows], programme.cost
    fixed = units[0] * shortages[0] + c * abs(units[0] - programme.held[0])  # (n, T)
    rising = np.tensordot(units[1:], shortages[1:], 1)
    low, high = np.full(len(fixed), -np.inf), np.full(len(fixed), np.inf)
    for signs in product((-1.0, 1.0), repeat=len(units) - 1):
        left = 1.0 - fixed + c * float(np.dot(signs, programme.held[1:]))
        slope = rising + c * float(np.dot(signs, units[1:]))
        flat = np.where(left > 0, np.inf, -np.inf)
        at = np.divide(left, slope, out=flat, where=slope != 0)
        high = np.minimum(high, np.where(slope >= 0, at, np.inf).min(axis=1))
        low = np.maximum(low, np.where(slope < 0, at, -np.inf).max(axis=1))
    return low, high


def without_legs(units: FloatArray) -> FloatArray:
    return _scaled(units, 0.0)


def _scaled(units: FloatArray, factor: float) -> FloatArray:
    return np.concatenate((units[:1], factor * units[1:]))


def _without(units: FloatArray, leg: int) -> FloatArray:
    out = units.copy()
    out[leg] = 0.0
    return out
