"""How much worse the direction forecast gets when one feature is shuffled.

Source: Breiman, "Random forests", 2001; permutation importance, on rows the trees never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from models.base.types import Float32Array, FloatArray, IntArray
from models.learn.trees.pool import log_loss

_MILLIBITS = 1000.0 / np.log(2.0)  # per nat


def permutation_importance(
    logits: Callable[[Float32Array], FloatArray],
    x: Float32Array,
    classes: IntArray,
    *,
    used: Iterable[int],
    block: int,
    repeats: int,
    seed: int,
) -> FloatArray:
    """Return (F, 2): the rise of the log loss in millibits, its mean and spread over the repeats.

    Parameters
    ----------
    logits
        Rows (R, F) to class logits (R, 3).
    used
        Columns the trees split on; the others stay at exactly 0.
    block
        Rows moved together: features last for hours, and a value torn out of its neighbours is
        a situation that never was.

    Notes
    -----
    Two features that tell the same share the credit, or hide it: each covers for the other.
    """
    rng = np.random.default_rng(seed)
    orders = [block_order(len(x), block, rng) for _ in range(repeats)]
    whole = log_loss(logits(x), classes)
    out = np.zeros((x.shape[1], 2))
    for column in used:
        shuffled = x.copy()
        rises = []
        for order in orders:
            shuffled[:, column] = x[order, column]
            rises.append(_MILLIBITS * (log_loss(logits(shuffled), classes) - whole))
        out[column] = np.mean(rises), np.std(rises)
    return out


def block_order(rows: int, block: int, rng: np.random.Generator) -> IntArray:
    """Return a permutation of `rows` positions that moves `block` neighbours together.

    Examples
    --------
    >>> block_order(5, 2, np.random.default_rng(0)).tolist()
    [4, 0, 1, 2, 3]
    """
    starts = rng.permutation(-(-rows // block)) * block
    return np.concatenate([np.arange(s, min(s + block, rows)) for s in starts.tolist()])
