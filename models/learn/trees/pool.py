"""Pooling members and the prior by weights that are learnt on rows no member was fitted on.

Source: Wolpert, "Stacked generalization", 1992; Breiman, "Stacked regressions", 1996 (weights that
are not negative).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.base.columns import QUANTILES
from models.base.types import FloatArray, IntArray

STEPS = 10  # weights are multiples of a tenth


def pooled(
    outputs: Sequence[FloatArray], weights: Sequence[float] | FloatArray, prior: FloatArray
) -> FloatArray:
    """Return (R, C): the prior (C,) plus weight times distance from it of each member (R, C).

    Of logits this is a logarithmic opinion pool, of quantiles an average of distributions; what the
    weights leave of one is the prior's. Members of no use lead back to it.
    """
    out = np.tile(prior, (len(outputs[0]), 1))
    for member, weight in zip(outputs, weights, strict=True):
        out += weight * (member - prior)
    return out


def _weight_grid(members: int) -> FloatArray:
    """Return (weights, members): every split of at most 1 into steps."""
    choices = itertools.product(range(STEPS + 1), repeat=members)
    return np.array([steps for steps in choices if sum(steps) <= STEPS]) / STEPS


def fit_weights(
    outputs: Sequence[FloatArray], prior: FloatArray, losses: Callable[[FloatArray], FloatArray]
) -> tuple[float, ...]:
    """Return weights >= 0, at most 1 together: the nearest to equal ones that are as good as any.

    As good: the loss exceeds the smallest by no more than the standard error of that difference
    over the blocks. The loss is flat around its minimum, and the minimum itself mostly noise;
    equal weights are hard to beat (Stock & Watson, "Combination forecasts of output growth", 2004).

    Parameters
    ----------
    outputs
        (R, C) of each member, out of fold: on rows it was fitted on a forest looks far too good.
    losses
        Pooled outputs (R, C) to the loss of each held-out block (blocks,), at least two.
    """
    grid = _weight_grid(len(outputs))
    found = np.array([losses(pooled(outputs, weights, prior)) for weights in grid])
    excess = found - found[found.mean(axis=1).argmin()]  # (weights, blocks)
    error = excess.std(axis=1, ddof=1) / np.sqrt(found.shape[1])
    as_good = grid[excess.mean(axis=1) <= error]
    nearest = np.square(as_good - 1 / len(outputs)).sum(axis=1).argmin()
    return tuple(as_good[nearest].tolist())


def log_loss(logits: FloatArray, classes: NDArray[np.integer] | IntArray) -> float:
    """Return the mean cross-entropy in nats of logits (R, 3) against class indices (R,).

    Examples
    --------
    >>> round(log_loss(np.zeros((2, 3)), np.array([0, 2])), 4)  # log 3
    1.0986
    """
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))  # (R,)
    return float((total - logits[np.arange(len(logits)), classes]).mean())


def pinball_loss(quantiles: FloatArray, values: FloatArray) -> float:
    """Return the mean pinball loss of quantiles (R, 5), once sorted, in units of values (R,).

    Examples
    --------
    >>> round(pinball_loss(np.zeros((1, 5)), np.array([1.0])), 2)  # the mean level
    0.5
    """
    error = values[:, None] - np.sort(quantiles, axis=1)
    level = np.asarray(QUANTILES)
    return float(np.maximum(level * error, (level - 1) * error).mean())
