"""Hedge ratio as the state of a Kalman filter: betas that walk at random.

``r = h_t' x + e``, ``h_t = h_(t-1) + w``: the filter's estimate after candle t. How fast the betas
walk is chosen by likelihood on the first rows only; the noise ``e`` follows recent surprises, so
that one wild hour does not drag the betas along.

Source: Harvey, "Forecasting, structural time series models and the Kalman filter", 1989, ch. 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.hedging.ratios import check_returns

WALKS: Final = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)  # variance of a beta's step per candle
_NOISE_HALFLIFE: Final = 48.0  # candles


def kalman_ratio(
    primary: FloatArray,
    hedges: FloatArray,
    train_rows: int,
    walks: Sequence[float] = WALKS,
) -> FloatArray:
    """Return the filtered betas, (N, K); NaN on the first `train_rows - 1` rows.

    Parameters
    ----------
    train_rows
        Rows on which the likeliest of `walks` is chosen; known at the last of them.
    walks
        Candidate variances of a beta's step per candle.
    """
    check_returns(primary, hedges)
    if not 10 <= train_rows <= len(primary):
        raise InputError(f"expected 10 <= train_rows <= {len(primary)}, got {train_rows}")
    likelihood = [_filter(primary[:train_rows], hedges[:train_rows], walk)[1] for walk in walks]
    betas, _ = _filter(primary, hedges, walks[int(np.argmax(likelihood))])
    betas[: train_rows - 1] = np.nan
    return betas


def _filter(primary: FloatArray, hedges: FloatArray, walk: float) -> tuple[FloatArray, float]:
    """Return (betas after each row, log likelihood of one-step forecasts)."""
    n, k = hedges.shape
    decay = 0.5 ** (1.0 / _NOISE_HALFLIFE)
    state, spread = np.zeros(k), np.eye(k)
    noise = max(float(np.mean(primary[:10] ** 2)), 1e-12)
    out, likelihood = np.empty((n, k)), 0.0
    step = walk * np.eye(k)
    for t in range(n):
        x = hedges[t]
        spread = spread + step
        reach = spread @ x  # (K,)
        variance = float(x @ reach) + noise
        surprise = float(primary[t] - x @ state)
        likelihood -= 0.5 * (np.log(variance) + surprise * surprise / variance)
        gain = reach / variance
        state = state + gain * surprise
        spread = spread - np.outer(gain, reach)
        noise = max(decay * noise + (1 - decay) * surprise * surprise, 1e-12)
        out[t] = state
    return out, likelihood
