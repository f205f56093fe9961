"""How near a drawn forecast was, where the outcome lay in it, and many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray

_PAIRINGS = 8  # of each draw with another; all pairs are no nearer to the score than a tenth of it


def joint_energy_score(
    draws: FloatArray, outcome: FloatArray, rng: np.random.Generator, pairings: int = _PAIRINGS
) -> float:
    """Return the energy score of draws (P, K) of K quantities at once; lower is nearer.

    Mean distance to the outcome, less half that between two draws, which is estimated from
    `pairings` random partners of each draw. Proper: nobody scores better, on average, than whoever
    draws from the truth, dependence between the quantities included. In their unit; with one
    quantity it is the continuous ranked probability score. `models.learn.gan.likeness` walks all
    pairs, which thousands of draws make a thousand times as long.

    Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102, 2007.

    Raises
    ------
    InputError
        If the shapes do not fit, there are fewer than two draws, or something is not finite.
    """
    if draws.ndim != 2 or len(draws) < 2 or outcome.shape != draws.shape[1:]:
        raise InputError(
            f"expected draws (P, K), P >= 2, and an outcome (K,), got {draws.shape} "
            f"and {outcome.shape}"
        )
    if not (np.isfinite(draws).all() and np.isfinite(outcome).all()):
        raise InputError("expected finite draws and a finite outcome, got others")
    to_outcome = np.linalg.norm(draws - outcome, axis=1).mean()
    mixed = draws[rng.permutation(len(draws))]  # neighbours may have been drawn as opposites
    shifts = rng.integers(1, len(draws), pairings)
    between = np.mean(
        [np.linalg.norm(mixed - np.roll(mixed, s, axis=0), axis=1).mean() for s in shifts]
    )
    return float(to_outcome - between / 2)


def place_among(draws: FloatArray, outcome: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return where the outcome (...) lies among the draws (P, ...), 0 to 1: uniform if right.

    The probability integral transform; a tie, and the width of a rank, are drawn.

    Dawid, "Statistical theory: the prequential approach", JRSS A 147, 1984.

    Examples
    --------
    >>> draws = np.arange(3.0)
    >>> bool(0.75 <= place_among(draws, np.array(9.0), np.random.default_rng(0)) < 1)
    True
    """
    below = (draws < outcome).sum(axis=0)
    same = (draws == outcome).sum(axis=0) + 1
    place = (below + rng.random(np.shape(outcome)) * same) / (len(draws) + 1)
    return np.asarray(place)


def holm(p: Sequence[float] | FloatArray) -> FloatArray:
    """Return p-values corrected for their number (K,): below a, at most a of right families fail.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6, 1979.
    It assumes nothing about how the tests depend on each other.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    out = np.empty(len(values))
    out[order] = np.minimum(steps, 1.0)
    return out
