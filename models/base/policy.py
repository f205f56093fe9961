"""What an agent chooses among, and its answer as one number: an action for each position held.

An agent's next action depends on what it holds, which nobody knows when a whole frame is
forecast. So it answers for every position it could hold, and who trades looks its own up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray

MOST_SIZES: Final = 4  # a table of nine actions is nine digits, which a double holds exactly
STOP_RANGE: Final = (0.002, 0.2)  # of price: nearer is noise, farther no stop
_HIGHEST_LEVERAGE: Final = 5.0
NO_CHOICE: Final = -1  # in a table: nobody vouches for the row


@dataclass(frozen=True, kw_only=True)
class AgentPositions:
    """The positions: flat, and short and long of each size, each with a stop of its own.

    An action is an index into `targets`, 0 the largest short, the middle one flat.

    Examples
    --------
    >>> positions = AgentPositions(leverages=(0.3, 0.6), stop_sigmas=(4.0, 2.0))
    >>> positions.targets, positions.stops, positions.flat
    ((-0.6, -0.3, 0.0, 0.3, 0.6), (2.0, 4.0, 0.0, 4.0, 2.0), 2)
    """

    leverages: tuple[float, ...] = (0.3, 0.6)  # notional over equity of each size, rising
    # Stop of each size, in volatilities over the horizon. By default both risk the same equity.
    stop_sigmas: tuple[float, ...] = (4.0, 2.0)

    def __post_init__(self) -> None:
        sizes = self.leverages
        rises = all(a < b for a, b in zip((0.0, *sizes), sizes, strict=False))
        if not (1 <= len(sizes) <= MOST_SIZES and rises and sizes[-1] <= _HIGHEST_LEVERAGE):
            raise ValueError(
                f"expected 1 to {MOST_SIZES} leverages, rising from above 0 to at most "
                f"{_HIGHEST_LEVERAGE:g}, got {list(sizes)}"
            )
        if len(self.stop_sigmas) != len(sizes) or not all(
            0 < stop < math.inf for stop in self.stop_sigmas
        ):
            raise ValueError(
                f"expected a finite number > 0 in stop_sigmas for each of the {len(sizes)} "
                f"leverages, got {list(self.stop_sigmas)}"
            )

    @property
    def targets(self) -> tuple[float, ...]:
        """Signed leverage of each position, (K,), rising."""
        return (*(-x for x in reversed(self.leverages)), 0.0, *self.leverages)

    @property
    def stops(self) -> tuple[float, ...]:
        """Stop of each position in volatilities over the horizon, (K,); flat has none."""
        return (*reversed(self.stop_sigmas), 0.0, *self.stop_sigmas)

    @property
    def flat(self) -> int:
        return len(self.leverages)

    def stop_frac(self, position: int, sigma: float) -> float:
        """Return the stop's distance from the fill as a fraction of its price.

        Parameters
        ----------
        sigma
            Volatility of the log return over the horizon, as known when it was decided.

        Examples
        --------
        >>> AgentPositions().stop_frac(4, 0.01), AgentPositions().stop_frac(3, 0.2)
        (0.02, 0.2)
        """
        least, most = STOP_RANGE
        return min(max(self.stops[position] * sigma, least), most)

    def nearest(self, leverage: float) -> int:
        """Return the position of the same side nearest to a signed leverage that is not 0.

        Examples
        --------
        >>> [AgentPositions().nearest(x) for x in (-0.05, 0.2, 3.0)]
        [1, 3, 4]
        """
        same = [i for i, t in enumerate(self.targets) if t * leverage > 0]
        return min(same, key=lambda i: abs(self.targets[i] - leverage))


def packed_policy(choices: FloatArray) -> FloatArray:
    """Return tables of actions (N, K) as one number each, (N,); NaN rows stay NaN.

    The k-th digit from the left is 1 + the action where position k is held.

    Examples
    --------
    >>> packed_policy(np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]))
    array([123., 222.])
    """
    tens = 10.0 ** np.arange(choices.shape[1] - 1, -1, -1)
    out: FloatArray = (choices + 1.0) @ tens
    return out


def unpacked_policy(policy: FloatArray, positions: int) -> IntArray:
    """Return the tables of actions (N, K), `NO_CHOICE` where the number is no table.

    Examples
    --------
    >>> unpacked_policy(np.array([123.0, np.nan, 129.0, 12.0]), 3).tolist()
    [[0, 1, 2], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1]]
    """
    number = np.nan_to_num(policy, nan=0.0, posinf=0.0, neginf=0.0)
    whole = np.where(number == np.rint(number), number, 0.0).astype(np.int64)
    tens = 10 ** np.arange(positions - 1, -1, -1, dtype=np.int64)
    out: IntArray = whole[:, None] // tens % 10 - 1
    known = (out >= 0).all(axis=1) & (out < positions).all(axis=1)
    known &= (whole > 0) & (whole < 10**positions)
    return np.where(known[:, None], out, NO_CHOICE)


def entry_side(choices: IntArray) -> IntArray:
    """Return which side a row may be entered on, (N,): from flat, or by turning a position round.

    +1, 0 or -1. A table that is served never turns to one side where it enters the other
    (`models.learn.agents.policy`), so one side a row is enough.

    Examples
    --------
    >>> entry_side(np.array([[0, 2, 1], [1, 1, 2], [2, 1, 2], [0, 1, 0], [-1, -1, -1]])).tolist()
    [1, 0, 1, -1, 0]
    """
    flat = choices.shape[1] // 2
    side = np.where(choices == NO_CHOICE, 0, np.sign(choices - flat))  # (N, K)
    up, down = (side[:, :flat] > 0).any(axis=1), (side[:, flat + 1 :] < 0).any(axis=1)
    turned = up.astype(np.int64) - down.astype(np.int64)
    return np.where(side[:, flat] != 0, side[:, flat], turned)
