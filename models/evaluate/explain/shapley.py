"""Shapley values of any function of a window, by walking from a baseline to it.

Sources: Shapley, "A value for n-person games", 1953; Castro, Gómez & Tejada, "Polynomial
calculation of the Shapley value based on sampling", 2009; Štrumbelj & Kononenko, "Explaining
prediction models and individual predictions with feature contributions", 2014; antithetic pairs:
Mitchell et al., "Sampling permutations for Shapley value estimation", 2022.

Integrated gradients (Sundararajan, Taly & Yan 2017) promise the same completeness, but need a
gradient: an ONNX graph has none, and a tree's is zero. Attention weights are no substitute; they
need not tell what the output depends on (Jain & Wallace 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import factorial

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, Float32Array, FloatArray, IntArray

Function = Callable[[Float32Array], FloatArray]  # windows (B, T, F) -> (B,)
ShareDone = Callable[[float], None]  # is told which share of a long work is done

_BATCH = 32  # windows per call; larger ones are no faster on a CPU


@dataclass(frozen=True)
class Attribution:
    """What each player moved the function by.

    Attributes
    ----------
    samples
        (S, P) independent estimates; one exact row if every coalition was asked. Each row sums to
        `total - base`.
    total, base
        The function at the window, and its mean over the baselines.
    """

    samples: FloatArray
    total: float
    base: float

    @property
    def value(self) -> FloatArray:
        """(P,) what each player moved the function by; sums to `total - base`."""
        return mean_and_error(self.samples)[0]

    @property
    def error(self) -> FloatArray:
        """(P,) standard error of `value`, from the choice of orders; 0 where exact."""
        return mean_and_error(self.samples)[1]


def mean_and_error(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard error over the first axis; one sample counts as exact."""
    n = len(samples)
    mean = np.asarray(samples.mean(axis=0))
    if n == 1:
        return mean, np.zeros_like(mean)
    return mean, np.asarray(samples.std(axis=0, ddof=1) / np.sqrt(n))


def shapley(
    function: Function,
    window: Float32Array,
    baselines: Float32Array,
    players: IntArray,
    *,
    pairs: int,
    seed: int,
    told: ShareDone | None = None,
) -> Attribution:
    """Return the Shapley values of the cells of `window` that belong together.

    A coalition's worth is the function's mean over the baselines, where the cells of its players
    are the window's and all others the baseline's. A pair of walks adds the players in a random
    order, and in its reverse. With few players every coalition is asked instead.

    Parameters
    ----------
    window
        (T, F).
    baselines
        (K, T, F); more than one where no single window stands for "nothing special".
    players
        (T, F) the player each cell belongs to, 0..P-1.
    pairs
        Pairs of walks, at least 2 to know the error; K * 2 * P evaluations each.

    Raises
    ------
    InputError
        If shapes do not fit, or the function is not finite at the window or a baseline.
    """
    if players.shape != window.shape or baselines.shape[1:] != window.shape:
        raise InputError(
            f"expected players and baselines of shape {window.shape}, got {players.shape} and "
            f"{baselines.shape[1:]}"
        )
    if pairs < 2:
        raise InputError(f"expected pairs >= 2, got {pairs}")
    count = int(players.max()) + 1

    def worth(coalitions: BoolArray) -> FloatArray:
        """Return the worth (C,) of coalitions (C, P)."""
        out = np.mean([_evaluate(function, window, b, players, coalitions) for b in baselines], 0)
        return np.asarray(out)

    base, total = worth(np.array([[False] * count, [True] * count]))
    if not (np.isfinite(base) and np.isfinite(total)):
        raise InputError(f"the function is {total} at the window and {base} at the baseline")
    if 2**count <= 2 * pairs * count:
        samples = _exact(worth, count)[None]
    else:
        rng = np.random.default_rng(seed)
        samples = np.empty((pairs, count))
        for k in range(pairs):
            order = rng.permutation(count)
            there, back = (_walk(worth, o, base, total) for o in (order, order[::-1]))
            samples[k] = (there + back) / 2
            if told is not None:
                told((k + 1) / pairs)
    return Attribution(samples, float(total), float(base))


def _walk(
    worth: Callable[[BoolArray], FloatArray], order: IntArray, base: float, total: float
) -> FloatArray:
    """Return what each player adds (P,) when they join in `order`."""
    joined_at = np.empty(len(order), dtype=np.int64)
    joined_at[order] = np.arange(len(order))
    steps = np.arange(1, len(order))[:, None]
    values = np.concatenate(([base], worth(joined_at < steps), [total]))  # (P + 1,)
    out = np.empty(len(order))
    out[order] = np.diff(values)
    return out


def _exact(worth: Callable[[BoolArray], FloatArray], count: int) -> FloatArray:
    """Return the Shapley values (P,) from the worth of all 2^P coalitions."""
    masks = np.arange(2**count)
    member = (masks[:, None] >> np.arange(count)) & 1 == 1  # (2^P, P)
    values, size = worth(member), member.sum(axis=1)
    weight = np.array([
        factorial(s) * factorial(count - s - 1) / factorial(count) for s in range(count)
    ])  # fmt: skip
    out = np.empty(count)
    for i in range(count):
        without = masks[~member[:, i]]
        out[i] = weight[size[without]] @ (values[without | (1 << i)] - values[without])
    return out


def _evaluate(
    function: Function,
    window: Float32Array,
    baseline: Float32Array,
    players: IntArray,
    coalitions: BoolArray,
) -> FloatArray:
    """Return the function (C,) where members of coalitions (C, P) show the window."""
    return np.concatenate([
        function(np.where(some[:, players], window, baseline))  # (B, T, F)
        for some in _batches(coalitions)
    ] or [np.empty(0)])  # fmt: skip


def _batches(rows: BoolArray) -> Iterator[BoolArray]:
    for i in range(0, len(rows), _BATCH):
        yield rows[i : i + _BATCH]
