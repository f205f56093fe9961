"""Statistics of return paths that markets share (Cont 2001), each of windows (W, S) or (W, S, A).

Windows are pieces of one series, in units of the volatility known before each. Numbers are NaN
where windows are too short or do not move.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from models.base.types import BoolArray, FloatArray

_TAIL_FRAC = 0.05  # of the observations, on each side, that the Hill estimate is made of
_LEVERAGE_CANDLES = 5
_LONGEST_LAG = 100


def kurtosis(x: FloatArray) -> float:
    """Return the fourth standardised moment, 3 for a Gaussian."""
    squares = (x - x.mean()) ** 2
    return float(np.mean(squares**2) / np.mean(squares) ** 2)


def skew(x: FloatArray) -> float:
    z = x - x.mean()
    squares = z**2
    return float(np.mean(squares * z) / np.mean(squares) ** 1.5)


def hill(x: FloatArray, side: float) -> float:
    """Return Hill's (1975) tail index of the largest 5 % of one side; smaller is heavier."""
    losses = np.sort(side * x.ravel())[::-1]
    count = max(2, int(_TAIL_FRAC * len(losses)))
    top = losses[: count + 1]
    return float(1 / np.mean(np.log(top[:-1] / top[-1]))) if top[-1] > 0 else float("nan")


def autocorrelation(x: FloatArray, longest: int = _LONGEST_LAG) -> FloatArray:
    """Return the autocorrelation within windows (W, S) at lags 1..min(longest, S - 1)."""
    z = x - x.mean()
    variance = np.mean(z**2)
    return np.array(
        [np.mean(z[:, lag:] * z[:, :-lag]) for lag in range(1, min(longest + 1, x.shape[1]))]
    ) / np.where(variance > 0, variance, np.nan)


def leverage(x: FloatArray) -> float:
    """Return the mean correlation of r(t) with r(t + k)^2, k = 1..5."""
    lags = range(1, min(_LEVERAGE_CANDLES + 1, x.shape[1]))
    found = [_correlation(x[:, :-lag].ravel(), x[:, lag:].ravel() ** 2) for lag in lags]
    return float(np.mean(found)) if found else float("nan")


def aggregated(x: FloatArray) -> FloatArray:
    """Return sums over a quarter of each window (at least two steps), (W, S) -> (W, S')."""
    size = max(2, x.shape[1] // 4)
    count = x.shape[1] // size
    return np.asarray(x[:, : count * size].reshape(len(x), count, size).sum(axis=2))


# One number of one asset's windows (W, S).
OF_ASSET: dict[str, Callable[[FloatArray], float]] = {
    "deviation": lambda x: float(x.std()),
    "kurtosis": kurtosis,
    "skew": skew,
    "hill_down": lambda x: hill(x, -1.0),
    "hill_up": lambda x: hill(x, 1.0),
    "autocorrelation": lambda x: float(np.mean(autocorrelation(x, 5))),
    "autocorrelation_abs": lambda x: float(np.mean(autocorrelation(np.abs(x)))),
    "leverage": leverage,
    "aggregated_kurtosis": lambda x: kurtosis(aggregated(x)),
    "aggregated_deviation": lambda x: float(aggregated(x).std()),
}


def cross_correlation(x: FloatArray) -> float:
    """Return the mean correlation of two assets of (W, S, A)."""
    flat = x.reshape(-1, x.shape[2])
    return float(np.mean([_correlation(flat[:, a], flat[:, b]) for a, b in _pairs(x)]))


def joint_tail(x: FloatArray) -> float:
    """Return how often two assets of (W, S, A) are in their worst 5 % together, 0..1."""
    flat = x.reshape(-1, x.shape[2])
    bars: FloatArray = np.quantile(flat, _TAIL_FRAC, axis=0, keepdims=True)
    low: BoolArray = np.less_equal(flat, bars)
    return float(np.mean([np.mean(low[:, a] & low[:, b]) / _TAIL_FRAC for a, b in _pairs(x)]))


def _correlation(x: FloatArray, y: FloatArray) -> float:
    return float(np.asarray(np.corrcoef(x, y))[0, 1])


def _pairs(x: FloatArray) -> list[tuple[int, int]]:
    return list(combinations(range(x.shape[2]), 2))


OF_ALL: dict[str, Callable[[FloatArray], float]] = {
    "cross_correlation": cross_correlation,
    "joint_tail": joint_tail,
}


def statistics(x: FloatArray, assets: tuple[str, ...]) -> dict[str, float]:
    """Return every statistic of windows (W, S, A), name and asset -> number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {
            f"{name} {asset}": of(x[:, :, a])
            for a, asset in enumerate(assets)
            for name, of in OF_ASSET.items()
        }
        if len(assets) > 1:
            out |= {name: of(x) for name, of in OF_ALL.items()}
    return out
