"""Hedge ratios from past returns: static, rolling least squares, exponentially weighted.

A ratio is the hedge's notional per unit of the primary's notional, in the opposite direction; the
primary's return minus ratio times the hedges' returns is what is left. Every function returns one
ratio per candle: row t uses the returns of candles <= t and is held over candle t + 1 at the
earliest. Rows without enough history are NaN.

Minimum variance: Ederington, "The hedging performance of the new futures markets", 1979.
Breaks where the relation between the coins breaks (a coin's own news), which no ratio hedges.
"""

from __future__ import annotations

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import FloatArray
from models.trade.hedging.recursion import recursed

_SINGULAR = 1e-10  # of the product of variances: two hedges that are one


def check_returns(primary: FloatArray, hedges: FloatArray) -> None:
    """Raise unless the returns are finite and on the same candles.

    Parameters
    ----------
    primary
        (N,) log returns of the primary; row t ends at the close of candle t.
    hedges
        (N, K) log returns of the hedging instruments.
    """
    if primary.ndim != 1 or hedges.ndim != 2 or len(primary) != len(hedges):
        raise AlignmentError(
            f"expected (N,) and (N, K) returns, got {primary.shape} and {hedges.shape}",
            where="hedge ratio",
            cure="cut all markets to the same candles",
        )
    if hedges.shape[1] < 1:
        raise InputError("expected at least one hedging instrument", where="hedge ratio")
    wrong = ~(np.isfinite(primary) & np.isfinite(hedges).all(axis=1))
    if wrong.any():
        raise InputError(
            f"expected finite returns, got {int(wrong.sum())} rows that are not, "
            f"the first at row {int(np.flatnonzero(wrong)[0])}",
            where="hedge ratio",
            cure="download the missing candles; returns are not guessed",
        )


def static_ratio(primary: FloatArray, hedges: FloatArray, train_rows: int) -> FloatArray:
    """Return the minimum-variance ratio of the first `train_rows` rows on every row after them.

    Examples
    --------
    >>> x = np.array([0.01, -0.02, 0.03, -0.01, 0.02, 0.00])
    >>> static_ratio(0.5 * x, x[:, None], 4).round(6).ravel()
    array([nan, nan, nan, 0.5, 0.5, 0.5])
    """
    check_returns(primary, hedges)
    _require_rows("train_rows", train_rows, hedges.shape[1])
    out = np.full(hedges.shape, np.nan)
    if train_rows <= len(primary):
        out[train_rows - 1 :] = _moments_ratio(
            *_moments(primary[:train_rows], hedges[:train_rows], np.ones(1), train_rows)
        )[-1]
    return out


def rolling_ols_ratio(primary: FloatArray, hedges: FloatArray, window: int) -> FloatArray:
    """Return least squares, with intercept, over the last `window` rows: (N, K).

    Parameters
    ----------
    window
        Rows; 720 is 30 days of hours.
    """
    check_returns(primary, hedges)
    _require_rows("window", window, hedges.shape[1])
    ratio = _moments_ratio(*_moments(primary, hedges, np.ones(1), window))
    ratio[: window - 1] = np.nan
    return ratio


def ewma_ratio(
    primary: FloatArray, hedges: FloatArray, halflife: float, warmup: int | None = None
) -> FloatArray:
    """Return the ratio of exponentially weighted covariances, newest row heaviest: (N, K).

    Parameters
    ----------
    halflife
        Rows after which a return counts half.
    warmup
        Rows that are NaN at the start; five half-lives unless given, when 97 % of the weight of
        an endless history is there.
    """
    check_returns(primary, hedges)
    if not 0 < halflife < np.inf:
        raise InputError(f"expected halflife > 0, got {halflife}", where="hedge ratio")
    decay = 0.5 ** (1.0 / halflife)
    ratio = _moments_ratio(*_moments(primary, hedges, np.array([1.0, -decay]), None))
    ratio[: warmup if warmup is not None else int(np.ceil(5 * halflife))] = np.nan
    return ratio


def ewma_variance(x: FloatArray, halflife: float) -> FloatArray:
    """Return the exponentially weighted mean square of each column, row t included, (N, ...)."""
    decay = 0.5 ** (1.0 / halflife)
    weight = recursed([1.0, -decay], np.ones(len(x)))
    total = recursed([1.0, -decay], np.square(x))
    out: FloatArray = total / weight.reshape((-1,) + (1,) * (x.ndim - 1))
    return out


def least_variance(covariance: FloatArray, with_primary: FloatArray) -> FloatArray:
    """Return covariance^-1 @ with_primary of each row, NaN where the hedges are singular.

    Parameters
    ----------
    covariance
        (N, K, K) of the hedges.
    with_primary
        (N, K) covariances of each hedge with the primary.
    """
    scale = np.prod(np.diagonal(covariance, axis1=1, axis2=2), axis=1)
    with np.errstate(invalid="ignore"):
        sound = np.linalg.det(covariance) > _SINGULAR * scale
    out = np.full(with_primary.shape, np.nan)
    out[sound] = np.linalg.solve(covariance[sound], with_primary[sound][:, :, None])[:, :, 0]
    return out


def _moments(
    primary: FloatArray, hedges: FloatArray, recursion: FloatArray, window: int | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return weighted sums (N,) of 1, (N, K+1) of returns and (N, K+1, K+1) of their products.

    `recursion` is the denominator of the running sum's filter; with `window`, plain sums over it.
    """
    x = np.column_stack([hedges, primary])  # (N, K + 1)
    products = x[:, :, None] * x[:, None, :]  # (N, K + 1, K + 1)

    def summed(values: FloatArray) -> FloatArray:
        if window is None:
            return recursed(recursion, values)
        total = np.cumsum(values, axis=0)
        total[window:] -= total[:-window].copy()
        return total

    return summed(np.ones(len(x))), summed(x), summed(products)


def _moments_ratio(weight: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    mean = first / weight[:, None]
    covariance = second / weight[:, None, None] - mean[:, :, None] * mean[:, None, :]
    k = mean.shape[1] - 1
    return least_variance(covariance[:, :k, :k], covariance[:, :k, k])


def _require_rows(name: str, rows: int, k: int) -> None:
    if rows < k + 2:
        raise InputError(f"expected {name} >= {k + 2}, got {rows}", where="hedge ratio")
