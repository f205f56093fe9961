"""How large a position may be: chances of liquidation by size, and the largest that meets one.

Every path has a factor on the positions from which on it liquidates the account, and stays
liquidated for every larger one (`PathOutcomes.scale`). So the chance rises with the size and never
falls, the whole curve comes of one pass over the paths, and the largest size with a chance is found
by counting those factors instead of trying sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.account.scenario_summary import CONFIDENCE, Chance, chance_of

LEVERAGES: Final = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)  # of all positions together


@dataclass(frozen=True, kw_only=True)
class LargestScale:
    """The largest factor on the positions that was found, and its chance of liquidation."""

    factor: float
    chance: Chance
    bounded: bool  # False: it meets the chance and nothing larger was looked at


def chance_at_scale(scale: FloatArray, factor: float) -> Chance:
    """Return the chance of liquidation with positions `factor` times as large.

    Parameters
    ----------
    scale
        (P,) a column of `PathOutcomes.scale`, of one horizon.

    Examples
    --------
    >>> chance_at_scale(np.array([0.5, 2.0, 3.0, np.inf]), 2.0).share
    0.5
    """
    return chance_of(int((scale <= factor).sum()), len(scale))


def chances_by_leverage(
    scale: FloatArray, held: float, leverages: Sequence[float] = LEVERAGES
) -> tuple[tuple[Chance, ...], ...]:
    """Return the chance of liquidation by leverage and horizon, as the positions are mixed.

    Parameters
    ----------
    scale
        (P, H) `PathOutcomes.scale`, computed up to the largest of `leverages` over `held`.
    held
        Notional of all positions over the equity, > 0: what a factor of 1 stands for.

    Examples
    --------
    >>> [[two.share for two in row]
    ...  for row in chances_by_leverage(np.array([[4.0, 2.0], [9.0, 9.0]]), 0.5, (1.0, 3.0))]
    [[0.0, 0.5], [0.5, 0.5]]
    """
    return tuple(
        tuple(chance_at_scale(column, leverage / held) for column in scale.T)
        for leverage in leverages
    )


def largest_with_chance(scale: FloatArray, chance: float, largest_scale: float) -> LargestScale:
    """Return the largest factor whose chance of liquidation is at most `chance`.

    The upper end of the Monte-Carlo interval has to be: another seed would hardly say otherwise.

    Parameters
    ----------
    scale
        (P,) a column of `PathOutcomes.scale`, of one horizon.
    chance
        Between 0 and 1.
    largest_scale
        That `scale` was computed with: nothing is known beyond it.

    Raises
    ------
    InputError
        If `chance` is not between 0 and 1, or there are too few paths to tell it from 0.
    """
    if not 0 < chance < 1:
        raise InputError(f"expected a chance between 0 and 1, got {chance}")
    count = len(scale)
    if chance_of(0, count).high > chance:
        least = math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log1p(-chance))
        raise InputError(
            f"expected at least {least} paths to tell a chance of {chance:.2%} from none, got "
            f"{count}",
            where="largest position",
            cure="draw more paths",
        )
    allowed, beyond = 0, count  # the interval's upper end rises with the hits: bisection
    while beyond - allowed > 1:
        middle = (allowed + beyond) // 2
        if chance_of(middle, count).high <= chance:
            allowed = middle
        else:
            beyond = middle
    first_over = float(np.partition(scale, allowed)[allowed])
    bounded = first_over <= largest_scale
    factor = math.nextafter(first_over, 0.0) if bounded else largest_scale
    return LargestScale(factor=factor, chance=chance_at_scale(scale, factor), bounded=bounded)
