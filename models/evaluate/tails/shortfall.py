"""Value at risk and expected shortfall of drawn losses, and whether losses went beyond the latter.

The test is the second of Acerbi & Szekely, "Backtesting expected shortfall", Risk, December 2014:
one minus the mean of loss / (level x expected shortfall) over the exceedances, 0 if the forecast
is right, below 0 if losses were worse. It sees both how often and how far. Its distribution under
the forecast is drawn from the forecast itself, so no shape of tail is assumed. McNeil & Frey's
bootstrap of exceedance residuals (2000) was not chosen: a thousand days bring ten exceedances at
1 %, it resamples those ten numbers, and a forecast whose quantile is passed too often can pass it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.evaluate.tails.coverage import TailTest


class DrawnTail(NamedTuple):
    """The tail of drawn losses at one level."""

    value_at_risk: FloatArray  # (...) a loss is larger with probability `level`
    expected_shortfall: FloatArray  # (...) mean of the losses from there on
    worst: IntArray  # (k, ...) which draws those are


def drawn_tail(losses: FloatArray, level: float) -> DrawnTail:
    """Return the tail of `losses` (P, ...), one draw a row.

    The quantile is the draw that a further one passes with probability `level`, to one over P:
    the k-th largest, k = level x (P + 1). Interpolated ones are passed too often.

    Raises
    ------
    InputError
        If there are fewer draws than one in the tail, or some are not finite.

    Examples
    --------
    >>> tail = drawn_tail(np.arange(99.0), 0.05)
    >>> float(tail.value_at_risk), float(tail.expected_shortfall)
    (94.0, 96.0)
    """
    draws = len(losses)
    k = round(level * (draws + 1))
    if not 1 <= k <= draws:
        raise InputError(
            f"expected at least one draw in a tail of {level:g}, got {draws} draws",
            cure=f"draw {round(1 / level)} or more",
        )
    if not np.isfinite(losses).all():
        raise InputError(f"expected finite losses, got {np.sum(~np.isfinite(losses))} others")
    worst = np.argpartition(losses, draws - k, axis=0)[draws - k :]  # (k, ...)
    values = np.take_along_axis(losses, worst, axis=0)
    return DrawnTail(values.min(axis=0), values.mean(axis=0), worst)


def shortfall_ratio(loss: FloatArray, tail: DrawnTail, level: float) -> FloatArray:
    """Return loss / (level x expected shortfall) where it is an exceedance, else 0, (...).

    Raises
    ------
    InputError
        If an expected shortfall is not above 0: then the ratio says nothing.
    """
    _require_losses(tail)
    beyond = loss > tail.value_at_risk
    return np.where(beyond, loss / (level * tail.expected_shortfall), 0.0)


def drawn_ratios(losses: FloatArray, tail: DrawnTail) -> FloatArray:
    """Return the ratio of each draw (P, ...), had it come: their mean is 1.

    Raises
    ------
    InputError
        As `shortfall_ratio`.
    """
    _require_losses(tail)
    out = np.zeros(losses.shape)
    share = len(tail.worst) / len(losses)
    values = np.take_along_axis(losses, tail.worst, axis=0) / (share * tail.expected_shortfall)
    np.put_along_axis(out, tail.worst, values, axis=0)
    return out


def shortfall_test(ratios: FloatArray, null: FloatArray) -> TailTest:
    """Test whether losses went as far beyond their quantiles as forecast, no more and no less.

    Parameters
    ----------
    ratios
        (D,) `shortfall_ratio` of each day.
    null
        (M,) sums over the same days of ratios drawn from `drawn_ratios`, one a day.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drawn = rng.standard_normal((1000, 1))
    >>> tail = drawn_tail(drawn, 0.05)
    >>> null = drawn_ratios(drawn, tail)[rng.integers(0, 1000, (500, 99)), 0].sum(axis=1)
    >>> right = shortfall_ratio(rng.standard_normal(99), tail, 0.05)
    >>> shortfall_test(right, null).p > 0.05, shortfall_test(3 * right, null).p < 0.05
    (True, True)
    """
    total, days = float(ratios.sum()), len(ratios)
    worse, better = int((null >= total).sum()), int((null <= total).sum())
    p = 2 * (min(worse, better) + 1) / (len(null) + 1)
    return TailTest(1 - total / days, min(p, 1.0))


def _require_losses(tail: DrawnTail) -> None:
    if np.any(tail.expected_shortfall <= 0):
        raise InputError(
            "expected a tail of losses, got an expected shortfall of "
            f"{np.min(tail.expected_shortfall):g}: the drawn tail earns money"
        )
