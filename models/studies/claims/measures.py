"""Measures of two or more models on the same rows, with block-bootstrap intervals.

Known after the horizon of the last row: these are looks back, nothing decides by them. Blocks of
rows are drawn for all models at once, so that what happens to all of them cancels; the mean over
seeds is taken row by row first. Circular blocks: Politis & Romano 1992.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from models.base import columns
from models.base.errors import InputError
from models.base.resampling import block_sums
from models.base.types import BoolArray, FloatArray, IntArray
from models.evaluate.metrics.resampling import (
    DRAWS,
    UNKNOWN,
    Estimate,
    block_length,
    with_interval,
)
from models.studies.compare.measure import gains_by_row
from models.studies.compare.records import ComparedModel, Truth

SIGNALS_FRAC: Final = 0.2  # of the rows: each model's own most confident ones are its signals
Statistic = Callable[[FloatArray], FloatArray]
"""(D, K) sums of K series over D resamples -> (D,) the number that is asked for."""


def resampled(
    series: Sequence[FloatArray], statistic: Statistic, block: int, seed: int = 0
) -> Estimate:
    """Return a function of K sums over rows, with the interval of its block bootstrap.

    Parameters
    ----------
    series
        K of (N,), one value per row, oldest first; NaN counts as 0 in its sum.
    block
        Rows drawn together; `models.evaluate.metrics.resampling.block_length`.

    Examples
    --------
    >>> found = resampled([np.ones(60), np.full(60, 2.0)], lambda s: s[:, 0] / s[:, 1], 5)
    >>> found
    Estimate(value=0.5, low=0.5, high=0.5)
    """
    rows = np.stack([np.nan_to_num(one) for one in series])  # (K, N)
    n = rows.shape[1]
    if not n:
        return UNKNOWN
    block = max(1, min(block, n))
    rng = np.random.default_rng(seed)
    start = rng.integers(0, n, size=(DRAWS, -(-n // block)))
    sums = np.stack([block_sums(one, block)[start].sum(axis=1) for one in rows], axis=1)  # (D, K)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(rows.sum(axis=1)[None])[0])
        drawn = statistic(sums)
    return with_interval(value, drawn)


def block_of(truth: Truth) -> int:
    """Return the rows drawn together on these outcomes."""
    return block_length(len(truth.time_ms), truth.horizon_candles)


# -- skill ------------------------------------------------------------------------------------


def skill_share(subject: ComparedModel, whole: ComparedModel, truth: Truth) -> Estimate:
    """Return the part of one model's skill that another one has.

    Skill is the log-loss gain over the class frequencies of the tested rows, all three classes
    together, summed over the rows. NaN where `whole` has no skill beyond its own interval: a share
    of nothing is no number.
    """
    a, b = (gains_by_row(m, truth).total.mean(axis=0) for m in (subject, whole))
    block = block_of(truth)
    if not resampled([b], lambda s: s[:, 0], block).low > 0:
        return UNKNOWN
    return resampled([a, b], lambda s: s[:, 0] / s[:, 1], block)


def skill_ahead(subject: ComparedModel, rivals: Sequence[ComparedModel], truth: Truth) -> Estimate:
    """Return by how much a model's skill is above that of its best rival, millibits per row.

    The least of the differences to all of them, in every resample: whoever is best there counts, so
    that the choice of the rival does not flatter the subject.

    Raises
    ------
    InputError
        If there is no rival.
    """
    if not rivals:
        raise InputError("expected at least one model to be ahead of, got none")
    own, *others = (gains_by_row(m, truth).total.mean(axis=0) for m in (subject, *rivals))
    rows = float(len(own))
    apart = [own - other for other in others]
    return resampled(apart, lambda s: s.min(axis=1) / rows, block_of(truth))


# -- signals ----------------------------------------------------------------------------------


def signals_given(lead_of: FloatArray) -> BoolArray:
    """Return the rows a model is most confident of, (N,): the highest fifth of |lead|.

    Each model's own threshold, found on the tested rows, so that all of them signal as often and
    none is better for speaking less.
    """
    known = np.isfinite(lead_of)
    if not known.any():
        return known
    bar = np.quantile(np.abs(lead_of[known]), 1 - SIGNALS_FRAC)
    return np.asarray(known & (np.abs(np.nan_to_num(lead_of)) >= bar))


def false_signals(model: ComparedModel, truth: Truth) -> tuple[FloatArray, FloatArray]:
    """Return which rows hold a false signal, and which a signal, (N,) each, means over seeds.

    A signal is false where the price did not move beyond costs to its side within the horizon.
    """
    wrong, given = [], []
    for forecast in model.forecasts:
        of = _lead(forecast)
        signal = signals_given(of) & np.isfinite(truth.outcome_class)
        side = np.where(of > 0, 1.0, -1.0)
        wrong.append(signal & (truth.outcome_class != side))
        given.append(signal)
    return np.mean(wrong, axis=0), np.mean(given, axis=0)


def fewer_false_signals(subject: ComparedModel, other: ComparedModel, truth: Truth) -> Estimate:
    """Return by what part a model's rate of false signals is below another one's."""
    (a, a_all), (b, b_all) = (false_signals(m, truth) for m in (subject, other))

    def less(s: FloatArray) -> FloatArray:
        return np.asarray(1 - (s[:, 0] / s[:, 1]) / (s[:, 2] / s[:, 3]))

    return resampled([a, a_all, b, b_all], less, block_of(truth))


def whipsaws(model: ComparedModel, truth: Truth, within: int, cost_frac: float) -> FloatArray:
    """Return the rows at which a side is taken that is given up at a loss soon after, (N,).

    The side is that of the last signal (`signals_given`), held until one of the other side; filled
    at the next candle's open. A reversal is a whipsaw where the next one comes `within` candles and
    what the side earned until then does not pay a round trip. Means over seeds.
    """
    out = []
    for forecast in model.forecasts:
        of = _lead(forecast)
        at, side = reversals(of)
        hit = np.zeros(len(of))
        if len(at) > 1:
            fill = np.log(truth.open[np.minimum(at + 1, len(of) - 1)])
            earned = side[:-1] * np.diff(fill)
            soon = np.diff(at) <= within
            hit[at[:-1][soon & (earned < cost_frac)]] = 1.0
        out.append(hit)
    return np.asarray(np.mean(out, axis=0))


def reversals(lead_of: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the rows at which the side of the last signal changes, and the sides taken there.

    Examples
    --------
    >>> at, side = reversals(np.array([0.9, 0.1, -0.9, -0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]))
    >>> at.tolist(), side.tolist()
    ([0, 2], [1.0, -1.0])
    """
    at = np.flatnonzero(signals_given(lead_of))
    side = np.sign(lead_of[at])
    fresh = np.ones(len(at), dtype=np.bool_)
    fresh[1:] = side[1:] != side[:-1]
    return at[fresh], side[fresh]


def fewer_whipsaws(
    subject: ComparedModel,
    other: ComparedModel,
    truth: Truth,
    within: int,
    cost_frac: float,
) -> Estimate:
    """Return by what part a model has fewer whipsaws than another one over the same candles."""
    a, b = (whipsaws(m, truth, within, cost_frac) for m in (subject, other))
    return resampled([a, b], lambda s: 1 - s[:, 0] / s[:, 1], block_of(truth))


# -- risk -------------------------------------------------------------------------------------


def risk_adjusted(model: ComparedModel, truth: Truth) -> tuple[FloatArray, FloatArray]:
    """Return the result of each row's forecast, and its square, (N,) each, means over seeds.

    A position as large as the lead, held over the horizon, before costs: what each would earn if
    trading were free, which is the most that can be said for it. The mean over the root mean square
    is its Sharpe ratio per horizon.
    """
    results = []
    for forecast in model.forecasts:
        of = _lead(forecast)
        results.append(np.nan_to_num(of * truth.outcome_return))
    return np.mean(results, axis=0), np.mean(np.square(results), axis=0)


def better_risk_adjusted(
    subject: ComparedModel, rivals: Sequence[ComparedModel], truth: Truth
) -> Estimate:
    """Return a model's Sharpe ratio over its best rival's, less one; 0 is none better.

    NaN where no rival's ratio is above zero beyond its interval: nothing is a part of nothing.
    """
    rows, block = float(len(truth.time_ms)), block_of(truth)
    series = [one for m in (subject, *rivals) for one in risk_adjusted(m, truth)]

    def ratios(s: FloatArray) -> FloatArray:  # (D, 2 K) -> (D, K)
        mean, square = s[:, ::2] / rows, s[:, 1::2] / rows
        return np.asarray(mean / np.sqrt(np.maximum(square, 1e-300)))

    best = resampled(series, lambda s: ratios(s)[:, 1:].max(axis=1), block)
    if not best.low > 0:
        return UNKNOWN

    def better(s: FloatArray) -> FloatArray:
        of = ratios(s)
        return np.asarray(of[:, 0] / of[:, 1:].max(axis=1) - 1)

    return resampled(series, better, block)


# -- speed ------------------------------------------------------------------------------------


def faster(seconds: FloatArray, than: FloatArray, seed: int = 0) -> Estimate:
    """Return how much less time one of two takes, of runs made in turns, (R,) each.

    One minus the ratio of the medians; pairs of neighbouring runs are drawn together, so that a
    machine that is busy for a while slows both.
    """
    if len(seconds) != len(than) or len(seconds) < 3:
        raise InputError(
            f"expected at least 3 runs of each in turns, got {len(seconds)} and {len(than)}"
        )
    index = np.random.default_rng(seed).integers(0, len(seconds), size=(DRAWS, len(seconds)))
    drawn = 1 - np.median(seconds[index], axis=1) / np.median(than[index], axis=1)
    return with_interval(float(1 - np.median(seconds) / np.median(than)), drawn)


def _lead(forecast: Mapping[str, FloatArray]) -> FloatArray:
    """Return P(up) - P(down) of every row, (N,), NaN without a forecast."""
    return np.asarray(forecast[columns.P_UP] - forecast[columns.P_DOWN])
