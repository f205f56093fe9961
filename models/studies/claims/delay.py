"""What a signal is worth that comes late: the share of a move that is gone after a while.

A signal is right about the side of the next H minutes with probability p. Acted on at once it
earns ``(2 p - 1) E|r_H|`` before costs, acted on after d minutes ``(2 p - 1) E[sign(r_H) (r_H -
r_d)]``: what moved meanwhile is gone. The share gone, ``E[sign(r_H) r_d] / E|r_H|``, is d / H for a
random walk, since given where it ends a walk is on its way there in proportion. Candles of a minute
show it for whole minutes; within one only the walk says anything.

It cannot be known from candles: whether a signal's own information decays faster than the price
moves (as that of an order book does), what a late order meets in the queue, and what happens within
a minute. Costs are the same for both and are left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.evaluate.metrics.resampling import Estimate
from models.studies.claims.measures import resampled

NOW_RIGHT: Final = 0.65  # of the signal that comes at once
LATE_RIGHT: Final = 0.75  # of the one that comes late
LATE_S: Final = 1.5
_BLOCK_MINUTES: Final = 60  # volatility hangs on for hours; several horizons at least


def moved_meanwhile(close: FloatArray, horizon: int, late: int) -> tuple[FloatArray, FloatArray]:
    """Return each row's (sign(r_H) r_d, |r_H|), (N - H,) each; their sums' ratio is the share gone.

    Parameters
    ----------
    close
        (N,) closes of contiguous candles of a minute.
    horizon, late
        H and d in candles, 0 <= d <= H.

    Examples
    --------
    >>> gone, whole = moved_meanwhile(np.exp(np.array([0.0, 1.0, 2.0, 4.0])), 2, 1)
    >>> round(float(gone.sum() / whole.sum()), 3)
    0.4
    """
    if not 0 <= late <= horizon < len(close):
        raise InputError(
            f"expected 0 <= late <= horizon < {len(close)} candles, got {late} and {horizon}"
        )
    log = np.log(close)
    r = log[horizon:] - log[:-horizon]
    early = (log[late : len(log) - horizon + late]) - log[:-horizon]
    return np.sign(r) * early, np.abs(r)


def measured_share(close: FloatArray, horizon: int, late: int) -> Estimate:
    """Return the share of a move over `horizon` minutes that is gone after `late` of them."""
    gone, whole = moved_meanwhile(close, horizon, late)
    block = max(_BLOCK_MINUTES, 4 * horizon)
    return resampled([gone, whole], lambda s: s[:, 0] / s[:, 1], block)


def now_ahead(close: FloatArray, horizon: int, late: int) -> Estimate:
    """Return what the signal that is 65 % right earns at once beyond the late one of 75 %.

    In shares of the mean move over the horizon, before costs; `late` whole minutes, which is more
    than a second and a half and so speaks for the early one.
    """
    gone, whole = moved_meanwhile(close, horizon, late)

    def ahead(s: FloatArray) -> FloatArray:
        kept = 1 - s[:, 0] / s[:, 1]
        return np.asarray((2 * NOW_RIGHT - 1) - (2 * LATE_RIGHT - 1) * kept)

    return resampled([gone, whole], ahead, max(_BLOCK_MINUTES, 4 * horizon))


def accuracy_needed(gone: float, late_right: float = LATE_RIGHT) -> float:
    """Return how often a signal has to be right at once to earn what a late one does.

    Parameters
    ----------
    gone
        Share of the move that is gone when the late one is acted on.

    Examples
    --------
    >>> accuracy_needed(0.0), accuracy_needed(0.4), accuracy_needed(1.0)
    (0.75, 0.65, 0.5)
    """
    return round(0.5 + (late_right - 0.5) * (1 - gone), 10)


def walk_share(horizon_minutes: float, late_s: float = LATE_S) -> float:
    """Return the share of a random walk's move that is gone after `late_s` seconds.

    Examples
    --------
    >>> walk_share(5.0)
    0.005
    """
    return late_s / (60.0 * horizon_minutes)
