"""What a small step of the hedge ratio would have earned: the action head's label."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.data.labels.returns import forward_log_return

STEP: Final = 0.1  # of the hedged position
MIDDLE: Final = 0.5  # hedge ratio the step is judged from
LEVERAGE: Final = 5.0  # of the holder; the weight of variance in log utility of the equity


def step_benefit(
    close: FloatArray, horizon_candles: int, cost_frac: float, leverage: float = LEVERAGE
) -> tuple[FloatArray, FloatArray]:
    """Return the realised benefit (N,) of raising and of lowering a short hedge by `STEP`.

    For the holder of a long position hedged half in the same coin: the log utility of the equity
    at `leverage` to second order, x - leverage/2 x**2 for a hedged return x = (1 - h) r, with the
    step minus without, less the round-trip cost of the step. Fractions of the position.

    Notes
    -----
    Stated plainly: but for the quadratic term this asks which way the price goes over the horizon,
    which is close to a coin toss. The term makes it lean towards hedging where moves are large.
    NaN for the last `horizon` rows; known `horizon` candles later.
    """
    if not leverage >= 0 or not cost_frac >= 0:
        raise InputError(f"expected leverage and cost >= 0, got {leverage} and {cost_frac}")
    r = np.expm1(forward_log_return(close, horizon_candles))

    def utility(h: float) -> FloatArray:
        x = (1 - h) * r
        return np.asarray(x - 0.5 * leverage * x * x)

    cost = STEP * cost_frac
    now = utility(MIDDLE)
    return utility(MIDDLE + STEP) - now - cost, utility(MIDDLE - STEP) - now - cost


def best_action(close: FloatArray, horizon_candles: int, cost_frac: float) -> FloatArray:
    """Return +1 / 0 / -1 where raising, leaving or lowering the hedge was best, (N,), NaN kept.

    Examples
    --------
    >>> best_action(np.array([100.0, 95.0, 95.01, 101.0]), 1, 0.0014)
    array([ 1.,  0., -1., nan])
    """
    raised, lowered = step_benefit(close, horizon_candles, cost_frac)
    out = np.where((raised > 0) & (raised >= lowered), 1.0, np.where(lowered > 0, -1.0, 0.0))
    return np.where(np.isnan(raised), np.nan, out)
