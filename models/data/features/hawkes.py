"""Mutually exciting price shocks: a Hawkes process on the candle grid, fitted by its likelihood.

Source: Hawkes 1971, with exponential kernels; on a grid it is a Poisson autoregression
(Kirchner 2016): intensity of side i at candle t, from shocks up to t - 1,

    lambda_i(t) = mu_i + sum_j alpha_ij S_j(t),   S_j(t) = rho (S_j(t-1) + x_j(t-1)),

scaled so that alpha_ij is the number of shocks i one shock j brings about. The recursion makes the
likelihood linear in the number of candles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.signal import lfilter

from models.base.errors import InputError
from models.base.types import FloatArray
from models.data.features.rolling import lag, rolling_rms

SHOCK_SIGMAS: Final = 3.0  # a candle's return beyond this many sigmas of the past is a shock
N_SIDES: Final = 2  # down, up


@dataclass(frozen=True)
class Hawkes:
    """Fitted parameters; sides in the order down, up."""

    base: FloatArray  # (2,) shocks per candle without any before
    branching: FloatArray  # (2, 2) shocks of side i brought about by one of side j
    decay: float  # rho, of the memory per candle

    def intensity(self, shocks: FloatArray) -> FloatArray:
        """Return the expected shocks of the *next* candle, (N, 2) from shocks (N, 2) so far."""
        return np.asarray(self.base + memory(shocks, self.decay) @ self.branching.T)


def shocks(close: FloatArray, history: int) -> FloatArray:
    """Return 1 where a candle's log return is beyond `SHOCK_SIGMAS`, (N, 2): down, up.

    Known at each close; sigma is that of the `history` candles before. 0 where it is unknown.
    """
    r = np.log(close) - lag(np.log(close), 1)
    with np.errstate(invalid="ignore"):
        z = r / lag(rolling_rms(r, history), 1)
        return np.column_stack((z < -SHOCK_SIGMAS, z > SHOCK_SIGMAS)).astype(np.float64)


def memory(x: FloatArray, decay: float) -> FloatArray:
    """Return the normalised memory (N, 2) after each candle's shocks: one shock adds up to 1."""
    return np.asarray(lfilter([1.0 - decay], [1.0, -decay], x, axis=0))


def fit_hawkes(markets: list[FloatArray]) -> Hawkes:
    """Return the parameters of highest Poisson likelihood over markets' shocks, (N, 2) each.

    Raises
    ------
    InputError
        If a side has fewer than five shocks in all.
    """
    counts = sum((x.sum(axis=0) for x in markets), np.zeros(N_SIDES))
    if (counts < 5).any():
        raise InputError(f"expected at least 5 shocks of each side, got {counts.tolist()}")
    rate = counts / sum(len(x) for x in markets)

    def unpack(theta: FloatArray) -> Hawkes:
        base, branching = np.exp(theta[:2]), np.exp(theta[2:6]).reshape(N_SIDES, N_SIDES)
        return Hawkes(base, branching, float(1 / (1 + np.exp(-theta[6]))))

    def cost(theta: FloatArray) -> float:
        model, total = unpack(theta), 0.0
        for x in markets:
            ahead = model.intensity(x)[:-1]  # of candle t + 1, from shocks up to t
            total += float((ahead - x[1:] * np.log(ahead)).sum())
        return total / sum(len(x) for x in markets)

    start = np.concatenate((np.log(0.5 * rate), np.log(np.full(4, 0.2)), [1.5]))
    bounds = [(-20.0, 0.0)] * 2 + [(-12.0, 1.0)] * 4 + [(-3.0, 6.0)]
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds)
    return unpack(found.x)
