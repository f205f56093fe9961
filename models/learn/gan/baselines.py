"""Plain ways to simulate returns, which a trained generator must at least tie.

Stationary block bootstrap: Politis & Romano, "The stationary bootstrap", JASA 89, 1994. Filtered
historical simulation: Barone-Adesi, Giannopoulos & Vosper, Journal of Futures Markets 19, 1999,
here with a GARCH(1, 1) of targeted variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.resampling import stationary_indices
from models.base.types import FloatArray

_BLOCK_CANDLES = 12.0
_ALPHAS = np.array([0.02, 0.05, 0.08, 0.12, 0.18, 0.25])
_PERSISTENCES = np.array([0.85, 0.92, 0.96, 0.98, 0.99])


def block_bootstrap(scaled: FloatArray, paths: int, steps: int, seed: int) -> FloatArray:
    """Return (N, S, A) pieces of training returns (R, A), each in units of its row's sigma."""
    rng = np.random.default_rng(seed)
    (index,) = stationary_indices(len(scaled), _BLOCK_CANDLES, 1, rng, length=paths * steps)
    return np.asarray(scaled[index].reshape(paths, steps, -1))


@dataclass(frozen=True, kw_only=True)
class Garch:
    """Variance v(t + 1) = (1 - a - b) V + a r(t)^2 + b v(t), one set of numbers per asset."""

    alpha: FloatArray  # (A,)
    beta: FloatArray
    level: FloatArray  # V
    shocks: FloatArray  # (R, A) r / sqrt(v) of the training rows

    def variance(self, returns: FloatArray) -> FloatArray:
        """Return the variance (N, A) of the candle after each row of returns (N, A)."""
        out, v = np.empty_like(returns), self.level
        for t, r in enumerate(returns):
            v = (1 - self.alpha - self.beta) * self.level + self.alpha * r**2 + self.beta * v
            out[t] = v
        return out

    def simulate(self, variance: FloatArray, paths: int, steps: int, seed: int) -> FloatArray:
        """Return returns (R, N, S, A) from rows whose next variance is (R, A)."""
        rng = np.random.default_rng(seed)
        pick = rng.integers(len(self.shocks), size=(len(variance), paths, steps))
        out = np.empty((len(variance), paths, steps, variance.shape[1]))
        v = np.repeat(variance[:, None], paths, axis=1)  # (R, N, A)
        for k in range(steps):
            r = np.sqrt(v) * self.shocks[pick[:, :, k]]
            out[:, :, k] = r
            v = (1 - self.alpha - self.beta) * self.level + self.alpha * r**2 + self.beta * v
        return out


def fit_garch(returns: FloatArray) -> Garch:
    """Fit by quasi-likelihood over a grid, which needs no optimiser; returns (R, A)."""
    level = np.maximum((returns**2).mean(axis=0), 1e-16)
    grid = [(a, p - a) for a in _ALPHAS for p in _PERSISTENCES if p > a]
    alpha, beta = (np.array(x)[:, None] for x in zip(*grid, strict=True))  # (G, 1)
    v = np.repeat(level[None], len(grid), axis=0)
    loss = np.zeros_like(v)  # (G, A)
    for r in returns:
        loss += np.log(v) + r**2 / v
        v = (1 - alpha - beta) * level + alpha * r**2 + beta * v
    best = loss.argmin(axis=0)  # (A,)
    fit = Garch(alpha=alpha[best, 0], beta=beta[best, 0], level=level, shocks=returns[:1])
    ahead = np.concatenate((level[None], fit.variance(returns)[:-1]))
    shocks = returns / np.sqrt(ahead)
    return Garch(alpha=fit.alpha, beta=fit.beta, level=level, shocks=shocks - shocks.mean(axis=0))
