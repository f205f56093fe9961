"""Peaks over a threshold: one tail's generalised Pareto distribution at the upper bound of xi.

    P(X - u > x | X > u) = (1 + xi x / scale)^(-1 / xi)

Balkema & de Haan 1974, Pickands 1975. A small sample understates the tail, so xi is not the
estimate but its upper confidence bound, by profile likelihood (Coles 2001, section 2.6.6) on
cluster maxima, which are independent; the scale is the most likely one of *all* exceedances, given
that xi.

Assumes one family beyond the threshold. Breaks where the worst has another cause than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray

LEAST_CLUSTERS: Final = 25  # maxima to learn xi from
_XI: Final = (-0.9, 3.0)  # searched for; a mean exists below 1
_LEAST_XI: Final = 1e-6  # the bound used; zero divides


@dataclass(frozen=True, kw_only=True)
class ParetoTail:
    """What lies beyond a threshold, in the units of the data."""

    threshold: float
    scale: float  # given `shape`
    shape: float  # xi at its upper confidence bound
    estimate: float  # xi of highest likelihood
    clusters: int  # independent maxima that xi was learnt from
    exceedances: int  # all values beyond

    def beyond(self, share: FloatArray) -> FloatArray:
        """Return values beyond the threshold at these shares of the tail, in [0, 1).

        Examples
        --------
        >>> tail = ParetoTail(threshold=2.0, scale=1.0, shape=0.5, estimate=0.4, clusters=99,
        ...     exceedances=200)
        >>> tail.beyond(np.array([0.0, 0.75]))
        array([2., 4.])
        """
        grown = np.expm1(-self.shape * np.log1p(-share)) / self.shape
        return np.asarray(self.threshold + self.scale * grown)


def fit_pareto(
    values: FloatArray, time_ms: IntArray, threshold: float, apart_ms: int, confidence: float
) -> ParetoTail:
    """Fit the upper tail of `values`, (R,).

    Parameters
    ----------
    apart_ms
        Exceedances closer than this belong to one cluster, of which the largest counts.
    confidence
        Of the one-sided bound of xi; 0.5 is the estimate itself.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_CLUSTERS` clusters beyond the threshold.
    """
    from pyextremes import get_extremes  # an engine without it does without this library

    series = pd.Series(values, index=pd.to_datetime(time_ms, unit="ms"))
    excess = values[values > threshold] - threshold
    maxima = np.zeros(0)
    if len(excess):
        apart = pd.Timedelta(apart_ms, unit="ms")
        found = get_extremes(series, method="POT", threshold=threshold, r=apart)
        maxima = found.to_numpy(dtype=np.float64) - threshold
        maxima = maxima[maxima > 0]
    if len(maxima) < LEAST_CLUSTERS:
        raise InputError(
            f"expected at least {LEAST_CLUSTERS} separate values beyond {threshold:.4g}, "
            f"got {len(maxima)}",
            where="tail",
            cure="hand in a longer history, or lower the quantile",
        )
    estimate, bound = _shape(maxima, confidence)
    shape = max(bound, _LEAST_XI)
    return ParetoTail(
        threshold=threshold, scale=_scale(excess, shape)[0], shape=shape, estimate=estimate,
        clusters=len(maxima), exceedances=len(excess),
    )  # fmt: skip


def _shape(excess: FloatArray, confidence: float) -> tuple[float, float]:
    """Return xi of highest profile likelihood, and its one-sided upper bound."""
    best = minimize_scalar(lambda xi: -_scale(excess, xi)[1], bounds=_XI, method="bounded")
    drop = 0.5 * float(chi2.ppf(2 * confidence - 1, 1))

    def left(xi: float) -> float:
        return _scale(excess, xi)[1] + float(best.fun) + drop

    if drop == 0 or left(_XI[1]) > 0:
        return float(best.x), float(best.x) if drop == 0 else _XI[1]
    return float(best.x), float(brentq(left, best.x, _XI[1], xtol=1e-4))


def _scale(excess: FloatArray, xi: float) -> tuple[float, float]:
    """Return the scale of highest likelihood given xi, and that log likelihood."""
    mean = float(excess.mean())
    least = max(0.0, -xi * float(excess.max())) + 1e-3 * mean  # a short tail ends beyond them all

    def cost(log_scale: float) -> float:
        return -_log_likelihood(excess, xi, float(np.exp(log_scale)))

    bounds = (np.log(least), np.log(least + 20 * mean))
    found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)), -float(found.fun)


def _log_likelihood(excess: FloatArray, xi: float, scale: float) -> float:
    """Return what SciPy's `genpareto.logpdf` adds up to, at a tenth of its time."""
    x = excess / scale
    if abs(xi) < 1e-9:
        return float(-len(x) * np.log(scale) - x.sum())
    return float(-len(x) * np.log(scale) - (1 + 1 / xi) * np.log1p(xi * x).sum())
