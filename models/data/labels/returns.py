"""Labels from forward returns. Labels look forward; features never do."""

from __future__ import annotations

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray


def forward_log_return(close: FloatArray, horizon_candles: int) -> FloatArray:
    """Return log(close[t + horizon] / close[t]), (N,) -> (N,); NaN for the last `horizon` rows.

    Known at the close of candle t + horizon.

    Examples
    --------
    >>> forward_log_return(np.array([1.0, 2.0, 4.0]), 1).round(3)
    array([0.693, 0.693,   nan])
    """
    if horizon_candles < 1:
        raise InputError(f"expected a horizon of at least 1 candle, got {horizon_candles}")
    out = np.full(len(close), np.nan)
    if len(close) > horizon_candles:
        out[:-horizon_candles] = np.log(close[horizon_candles:] / close[:-horizon_candles])
    return out


def cost_aware_class(log_return: FloatArray, cost_frac: float) -> FloatArray:
    """Return -1 / 0 / +1 where the return is below, inside or above round-trip cost, NaN kept.

    Parameters
    ----------
    log_return
        (N,) forward log returns.
    cost_frac
        Round-trip cost (fees and slippage, both sides) as a fraction of notional.

    Examples
    --------
    >>> cost_aware_class(np.array([-0.01, 0.0005, 0.01, np.nan]), 0.001)
    array([-1.,  0.,  1., nan])
    """
    if not cost_frac >= 0:
        raise InputError(f"expected a round-trip cost >= 0, got {cost_frac}")
    label = np.where(log_return > cost_frac, 1.0, np.where(log_return < -cost_frac, -1.0, 0.0))
    return np.where(np.isnan(log_return), np.nan, label)
