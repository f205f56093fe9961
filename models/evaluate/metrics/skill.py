"""What a log-loss gain is made of: knowing how much a price moves, and knowing where to.

A model that only knows when markets are wild gains on three classes (down, flat, up) without ever
knowing a direction. By the chain rule, P(class) = P(moves) P(side | moves): the gain over constant
class frequencies is the sum of both questions' gains, row by row.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models.base.types import FloatArray
from models.base.units import MILLIBITS

_SMALLEST: Final = 1e-12  # probability; keeps the log of a wrong certainty finite


class SplitGain(NamedTuple):
    """Log-loss gains of each row over constant frequencies, millibits, (N,) each.

    Attributes
    ----------
    volatility
        Of "does it move beyond costs?", asked of every row.
    direction
        Of "up or down, given that it moves?"; 0 where the price did not.
    """

    volatility: FloatArray
    direction: FloatArray

    @property
    def total(self) -> FloatArray:
        """Of the three classes, (N,)."""
        return self.volatility + self.direction


def split_gain(p: FloatArray, outcome_class: FloatArray, prior: FloatArray) -> SplitGain:
    """Return what forecasts gain over the constant answer `prior`, in its two parts.

    Parameters
    ----------
    p
        (N, 3) probabilities of down, flat, up.
    outcome_class
        (N,) -1, 0 or 1.
    prior
        (3,) constant probabilities of down, flat, up.

    Examples
    --------
    >>> split_gain(np.array([[0.4, 0.2, 0.4]]), np.array([1.0]), np.array([0.2, 0.6, 0.2]))
    SplitGain(volatility=array([1000.]), direction=array([0.]))
    """
    moved = outcome_class != 0
    side = np.where(outcome_class > 0, 2, 0)

    def logs(q: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows = np.arange(len(q))
        beyond = q[:, 0] + q[:, 2]
        first = np.where(moved, beyond, q[:, 1])
        # What a model is sure cannot move has no side: it answers with a coin.
        second = np.where(beyond > _SMALLEST, q[rows, side] / np.maximum(beyond, _SMALLEST), 0.5)
        return np.log(np.maximum(first, _SMALLEST)), np.log(np.maximum(second, _SMALLEST))

    ours, base = logs(p), logs(np.broadcast_to(prior, p.shape))
    return SplitGain(
        volatility=(ours[0] - base[0]) * MILLIBITS,
        direction=np.where(moved, ours[1] - base[1], 0.0) * MILLIBITS,
    )
