"""Fitting how much wider or narrower a model's quantiles are to be. Applying it: `models.serve`.

Source: the scale of a location-scale model as a log-linear regression of absolute errors (Harvey,
"Estimating regression models with multiplicative heteroscedasticity", Econometrica 44, 1976), here
of errors in units of the model's own quantiles, and conformal in its level (Romano, Patterson &
Candès 2019).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.base.columns import QUANTILES
from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.learn.calibration import fit_conformal_offset, require_rows
from models.serve.conditions import CLOCK_HOURS, within_clip
from models.serve.stretch import SIGMA_INPUT, SMALLEST_HALF_WIDTH

# Rows that say "as the others", for each candle of the horizon: outcomes overlap, so that an hour
# is seen less often than it has rows. On Bitcoin, horizon 4, 2.5 to 25 forecast alike, 75 worse.
TRUST: Final = 25.0
# Sigma changes over weeks, not hours: some months say little of its slope, which then did harm.
_LEVEL: Final = 50.0  # times the trust
_STEPS: Final = 100
_SMALLEST_SIDE: Final = 0.05  # of half the width, from the median to an outer quantile
_ROUNDING: Final = 1e-9  # of a likelihood that is a sum of thousands of rows


def fit_stretch(
    quantiles: FloatArray,
    outcome: FloatArray,
    inputs: FloatArray,
    clock: IntArray,
    horizon_candles: int,
) -> dict[str, Any]:
    """Return what `models.serve.stretch.Stretch` stretches quantiles by.

    Parameters
    ----------
    quantiles, outcome
        (R, 5) and (R,) in one unit, of rows the model was not trained on.
    inputs, clock
        (R, W) and (R,) of `models.serve.stretch.StretchInputs`.
    horizon_candles
        That an outcome spans.

    Raises
    ------
    InputError
        If there are fewer rows than a calibration needs, or the search does not end.

    Notes
    -----
    An error in units of the distance from the median to the outer quantile on its side is taken to
    have the mean exp(..) of the row: convex, robust to which distribution it has, and not decided
    by errors near nothing as a regression of their logarithm is. Slopes and hours are held near
    none. The level is then set so that the outer quantiles hold what they promise on these rows.
    """
    require_rows(len(outcome))
    error = relative_error(quantiles, outcome)
    mean, std = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-6)
    z = within_clip(inputs, mean, std)
    design = np.hstack((np.ones((len(z), 1)), z, np.eye(CLOCK_HOURS)[clock]))  # (R, 1 + W + 48)
    penalty = np.full(design.shape[1], TRUST * horizon_candles)
    penalty[[0, 1 + SIGMA_INPUT]] *= (0.0, _LEVEL)
    found = _log_means(design, error, penalty)
    width = z.shape[1]
    scale = np.exp(design @ found)
    none = np.zeros_like(error)
    level = fit_conformal_offset(none, none, error / scale, QUANTILES[-1] - QUANTILES[0])
    return {
        "mean": mean.tolist(),
        "std": std.tolist(),
        "slope": found[1 : 1 + width].tolist(),
        "clock": found[1 + width :].tolist(),
        "intercept": float(found[0] + np.log(max(level, _SMALLEST_SIDE))),
    }


def relative_error(quantiles: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return how far outcomes (R,) fell from the median, (R,), 1 at the outer quantiles (R, 5).

    Examples
    --------
    >>> relative_error(np.array([[-2.0, -1.0, 0.0, 1.0, 4.0]] * 2), np.array([-1.0, 4.0]))
    array([0.5, 1. ])
    """
    low, median, high = quantiles[:, 0], quantiles[:, 2], quantiles[:, -1]
    side = np.where(outcome < median, median - low, high - median)
    # A side of nothing cannot be stretched: what falls there counts as far outside.
    least = _SMALLEST_SIDE * np.maximum((high - low) / 2, SMALLEST_HALF_WIDTH)
    return np.asarray(np.abs(outcome - median) / np.maximum(side, least))


def _log_means(design: FloatArray, error: FloatArray, penalty: FloatArray) -> FloatArray:
    """Return the coefficients (C,) of the logarithm of the errors' mean, of a design (R, C).

    Newton's steps down ``sum(error / mean + log mean)`` and half the `penalty` (C,) on their
    squares, halved where too long. The first coefficient is the intercept.
    """

    def loss(at: FloatArray) -> float:
        log = design @ at
        with np.errstate(over="ignore"):  # a step that is too long is halved
            return float((error * np.exp(-log) + log).sum() + 0.5 * (penalty * at * at).sum())

    at = np.zeros(design.shape[1])
    at[0] = np.log(max(float(error.mean()), _SMALLEST_SIDE))
    for _ in range(_STEPS):
        ratio = error * np.exp(-(design @ at))
        gradient = design.T @ (1.0 - ratio) + penalty * at
        curve = (design * ratio[:, None]).T @ design + np.diag(penalty)
        step, before = np.linalg.solve(curve, gradient), loss(at)
        while loss(at - step) > before + _ROUNDING * abs(before):
            step = step / 2
        at = at - step
        if np.abs(step).max() < 1e-8:
            return at
    raise InputError(
        f"no width of the quantiles found in {_STEPS} steps, the last {np.abs(step).max():.1e}",
        where=f"{len(error)} rows",
        cure="look at the quantiles and the returns: one may be far from all others",
    )
