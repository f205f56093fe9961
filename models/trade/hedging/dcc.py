"""Hedge ratio from DCC-GARCH: each market's volatility, then their correlations, in two steps.

Parameters are fitted on past rows only and again every `refit_rows`; between fits the recursions
run forward. The ratio of row t comes from the covariance forecast for candle t + 1.

Source: Engle, "Dynamic conditional correlation", J. Business & Economic Statistics 2002.
DIFF: variance and correlation targets are the moments of the fitting window, not free parameters.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import minimize

from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.hedging.ratios import check_returns, least_variance
from models.trade.hedging.recursion import recursed

_START_GARCH: Final = (0.06, 0.92)
_START_DCC: Final = (0.03, 0.95)
_FLOOR: Final = 1e-14  # of a variance: a market that stands still


def dcc_garch_ratio(
    primary: FloatArray, hedges: FloatArray, train_rows: int, refit_rows: int
) -> FloatArray:
    """Return the minimum-variance ratio of the covariance forecast, (N, K).

    Parameters
    ----------
    train_rows
        Length of the fitting window, which always ends at the last row known.
    refit_rows
        Rows between two fits.

    Returns
    -------
    ndarray
        NaN on the first `train_rows - 1` rows.
    """
    check_returns(primary, hedges)
    if train_rows < 100 or refit_rows < 1:
        raise InputError(f"expected train_rows >= 100 and refit_rows >= 1, got {train_rows}, "
                         f"{refit_rows}")  # fmt: skip
    x = np.column_stack([hedges, primary])  # (N, A), the primary last
    n, k = len(x), hedges.shape[1]
    out = np.full((n, k), np.nan)
    for first in range(train_rows, n + 1, refit_rows):
        window = slice(first - train_rows, min(first + refit_rows - 1, n))
        covariance = _forecasts(x[window], train_rows)[train_rows - 1 :]  # (rows, A, A)
        rows = slice(first - 1, window.stop)
        out[rows] = least_variance(covariance[:, :k, :k], covariance[:, :k, k])
    return out


def _forecasts(x: FloatArray, train_rows: int) -> FloatArray:
    """Return the covariance of the row after each row of `x`, (N, A, A)."""
    x = x - x[:train_rows].mean(axis=0)
    variance, z = np.empty_like(x), np.empty_like(x)
    for a in range(x.shape[1]):
        target = max(float(np.mean(x[:train_rows, a] ** 2)), _FLOOR)
        params = _fitted(_garch_loss, _START_GARCH, x[:train_rows, a], target)
        after = _garch(x[:, a], target, params)  # forecast for the next row
        before = np.concatenate(([target], after[:-1]))
        variance[:, a], z[:, a] = after, x[:, a] / np.sqrt(before)
    outer = z[:, :, None] * z[:, None, :]
    target_q = outer[:train_rows].mean(axis=0)
    q = _correlations(outer, target_q, _fitted(_dcc_loss, _START_DCC, z[:train_rows], target_q))
    deviation = np.sqrt(variance)
    covariance: FloatArray = q * deviation[:, :, None] * deviation[:, None, :]
    return covariance


def _garch(x: FloatArray, target: float, params: FloatArray) -> FloatArray:
    """Return ``s2_(t+1) = (1-a-b) target + a x_t^2 + b s2_t``, started at the target."""
    a, b = params
    drive = (1 - a - b) * target + a * x**2
    out = recursed([1.0, -b], drive, b * target)
    floored: FloatArray = np.maximum(out, _FLOOR)
    return floored


def _garch_loss(params: FloatArray, x: FloatArray, target: float) -> float:
    before = np.concatenate(([target], _garch(x, target, params)[:-1]))
    return float(np.mean(np.log(before) + x**2 / before))


def _correlations(outer: FloatArray, target: FloatArray, params: FloatArray) -> FloatArray:
    """Return the correlation forecast for the next row, (N, A, A)."""
    a, b = params
    drive = (1 - a - b) * target + a * outer
    q = recursed([1.0, -b], drive, b * target)
    scale = np.sqrt(np.diagonal(q, axis1=1, axis2=2))
    out: FloatArray = q / (scale[:, :, None] * scale[:, None, :])
    return out


def _dcc_loss(params: FloatArray, z: FloatArray, target: FloatArray) -> float:
    q = _correlations(z[:, :, None] * z[:, None, :], target, params)
    scale = np.sqrt(np.diag(target))
    start = (target / np.outer(scale, scale))[None]
    before = np.concatenate((start, q[:-1]))
    sign, logdet = np.linalg.slogdet(before)
    if (sign <= 0).any():
        return 1e6
    solved = np.linalg.solve(before, z[:, :, None])[:, :, 0]
    return float(np.mean(logdet + (z * solved).sum(axis=1)))


def _fitted(loss: object, start: tuple[float, float], *data: object) -> FloatArray:
    """Return the (a, b) of least loss with a, b >= 0 and a + b < 1."""

    def penalised(raw: FloatArray) -> float:
        a, b = np.abs(raw)
        if a + b >= 0.9999:
            return 1e6 * (1.0 + float(a + b))
        return float(loss(np.array([a, b]), *data))  # type: ignore[operator]

    found = minimize(
        penalised, np.array(start), method="Nelder-Mead",
        options={"maxiter": 120, "xatol": 1e-4, "fatol": 1e-7},
    )  # fmt: skip
    best: FloatArray = np.abs(found.x)
    return best
