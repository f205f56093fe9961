"""No-trade bands: how far a held hedge ratio may stray before correcting it is worth its cost.

Source of the shape: Whalley & Wilmott, "An asymptotic analysis of an optimal hedging model for
option pricing with transaction costs", Mathematical Finance 1997: the width goes with the cube
root of the cost. For a target that wanders, Martin & Schöneborn, "Mean reversion pays, but
costs", 2011, give the same root. Asymptotic in small costs: wide bands are only roughly optimal.
"""

from __future__ import annotations

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.hedging.ratios import ewma_variance


def cost_width(
    cost_frac: float,
    wander: FloatArray,
    variance: FloatArray,
    aversion: float,
    max_width: float = 0.5,
) -> FloatArray:
    """Return the half-width ``(3/2 cost wander / (aversion variance))^(1/3)``, at most `max_width`.

    It minimises, per candle, ``cost |traded| + aversion / 2 * variance * (ratio - target)^2``.

    Parameters
    ----------
    cost_frac
        Of one trade, as a fraction of what is traded.
    wander
        (N, K) variance per candle with which target and held ratio drift apart.
    variance
        (N, K) variance of the hedge's return per candle.
    aversion
        Return given up per unit of variance; larger is a narrower band.

    Returns
    -------
    ndarray
        (N, K), known when its inputs are; NaN where they are.

    Examples
    --------
    >>> one = np.array([[1e-4]])
    >>> cost_width(0.0005, one, one, 6.0).round(4).item(), cost_width(0.004, one, one, 6.0).item()
    (0.05, 0.1)
    """
    if not (0 <= cost_frac < 1 and 0 < aversion < np.inf and 0 < max_width < np.inf):
        raise InputError(
            f"expected 0 <= cost < 1, aversion > 0 and max_width > 0, got {cost_frac}, {aversion} "
            f"and {max_width}",
            where="no-trade band",
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        cubed = 1.5 * cost_frac * wander / (aversion * variance)
    out: FloatArray = np.minimum(np.cbrt(cubed), max_width)
    return out


def wander(
    target: FloatArray, primary: FloatArray, hedges: FloatArray, halflife: float
) -> FloatArray:
    """Return the variance per candle of what drives a held ratio away from its target, (N, K).

    The target moves, and the held amounts' ratio drifts with the prices: by ``target * (hedge
    return - primary return)``. Row t uses rows <= t; NaN until the target is known.
    """
    moved = np.full(target.shape, np.nan)
    moved[1:] = np.diff(target, axis=0) - target[:-1] * (hedges[1:] - primary[1:, None])
    known = np.isfinite(moved).all(axis=1)
    out = np.full(target.shape, np.nan)
    if known.any():
        first = int(np.argmax(known))
        out[first:] = ewma_variance(np.nan_to_num(moved[first:]), halflife)
    return out


def jump(target: FloatArray, width: float) -> FloatArray:
    """Return the ratio held if every leg jumps to its target once any strays beyond `width`.

    Parameters
    ----------
    target
        (N, K); a row that is not known changes nothing.
    width
        Half-width, in ratio; 0.10 and 0.25 are the fixed bands of the comparison.

    Examples
    --------
    >>> jump(np.array([[np.nan], [0.5], [0.6], [0.8], [0.6]]), 0.25).ravel()
    array([0. , 0.5, 0.5, 0.8, 0.8])
    """
    if not width >= 0:
        raise InputError(f"expected width >= 0, got {width}", where="no-trade band")
    held, out = np.zeros(target.shape[1]), np.empty(target.shape)
    for t, row in enumerate(target):
        if np.isfinite(row).all() and np.abs(row - held).max() > width:
            held = row
        out[t] = held
    return out


def nearest_inside(held: float, target: float, width: float) -> float:
    """Return the ratio within `width` of `target` that is nearest to `held`: the band's edge.

    Trading further than the edge costs more than it saves.

    Examples
    --------
    >>> nearest_inside(0.2, 0.8, 0.25), nearest_inside(0.7, 0.8, 0.25)
    (0.55, 0.7)
    """
    return min(max(held, target - width), target + width)
