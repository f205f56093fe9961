"""Calibrated forecasts of a chosen skill: what the decision rules would earn from them.

The side is told as well as a normal score of the chosen AUC tells it (the binormal model of signal
detection: two normals a distance d apart have AUC = Phi(d / sqrt 2)); whether it moves at all, and
how far, as well as the volatility known at the row does. So every probability is what it says.

Source: Green & Swets, "Signal Detection Theory and Psychophysics", 1966.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from models.base import columns
from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray
from models.studies.compare.records import Truth

_TENTHS: Final = 10


def oracle_forecast(
    truth: Truth, sigma: FloatArray, auc: float, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return forecast columns, (N,) each, that know the side with the chosen AUC.

    The hazard is NaN: the rules of a model without one apply. The quantiles all stand at the mean,
    which is all the rules ask of them.

    Parameters
    ----------
    sigma
        (N,) volatility known at each row's close, > 0; in its tenths, moves are as frequent and as
        large as they were.
    auc
        P(a row that rises has a higher score than one that falls), 0.5 (a coin) to below 1.

    Raises
    ------
    InputError
        If `auc` is outside, or there is no row that moved.
    """
    if not 0.5 <= auc < 1:
        raise InputError(f"expected an AUC from 0.5 to below 1, got {auc}")
    known = np.isfinite(truth.outcome_class) & np.isfinite(sigma)
    moved = known & (truth.outcome_class != 0)
    if not moved.any():
        raise InputError("no row moved beyond cost", cure="bring more candles")
    rises = float((truth.outcome_class[moved] > 0).mean())
    side = np.where(moved, truth.outcome_class, np.sign(truth.outcome_return))
    apart = math.sqrt(2.0) * float(norm.ppf(auc))
    score = 0.5 * apart * side + _lasting_noise(len(known), truth.horizon_candles, rng)
    up = expit(apart * score + math.log(rises / (1 - rises)))  # given that it moves
    moves, rise, fall = _by_tenths(truth, sigma, known, moved)
    mean = moves * (up * rise - (1 - up) * fall)
    out = {name: np.full(len(known), np.nan) for name in columns.FORECAST}
    out |= {
        columns.P_UP: moves * up, columns.P_DOWN: moves * (1 - up), columns.P_FLAT: 1 - moves,
        columns.EDGE: mean, columns.EDGE_LOW: mean, columns.SIGMA: sigma,
        **dict.fromkeys(columns.RETURN_QUANTILES, mean),
    }  # fmt: skip
    out = {name: np.where(known, values, np.nan) for name, values in out.items()}
    return out | {columns.ABSTAIN: np.where(known, 0.0, 1.0)}


def _lasting_noise(rows: int, horizon: int, rng: np.random.Generator) -> FloatArray:
    """Return (rows,) standard normal errors that last as long as outcomes overlap.

    An error that is another one at each candle would leave a position after one candle, with the
    cost of the whole horizon paid; no model changes its mind so.
    """
    each = rng.normal(size=rows + horizon - 1)
    return np.convolve(each, np.ones(horizon), mode="valid") / math.sqrt(horizon)


def _by_tenths(
    truth: Truth, sigma: FloatArray, known: BoolArray, moved: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return P(moves) and the mean rise and fall of what moved, (N,) each, by tenth of `sigma`."""
    edges = np.quantile(sigma[known], np.linspace(0, 1, _TENTHS + 1)[1:-1])
    tenth = np.searchsorted(edges, np.where(known, sigma, 0.0))
    size, out = np.abs(truth.outcome_return), np.zeros((3, len(sigma)))
    for number in range(_TENTHS):
        here = known & (tenth == number)
        up, down = (here & moved & (truth.outcome_class == side) for side in (1, -1))
        out[0, here] = (here & moved).sum() / max(int(here.sum()), 1)
        for row, which in ((1, up), (2, down)):
            out[row, here] = size[which].mean() if which.any() else 0.0
    moves, rise, fall = out
    return moves, rise, fall


def break_even(aucs: Sequence[float], net: Sequence[float]) -> float:
    """Return the AUC from which on `net` stays above 0, between the two it is known at.

    NaN where the last is not above 0.

    Examples
    --------
    >>> break_even([0.50, 0.52, 0.54], [-0.2, -0.1, 0.1])
    0.53
    """
    if not net[-1] > 0:
        return math.nan
    below = [number for number, value in enumerate(net) if not value > 0]
    if not below:
        return float(aucs[0])
    at = below[-1]
    share = net[at] / (net[at] - net[at + 1])
    return float(round(aucs[at] + share * (aucs[at + 1] - aucs[at]), 4))
