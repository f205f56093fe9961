"""Variety of generated windows beside real ones."""

from __future__ import annotations

import numpy as np

from models.base.types import FloatArray, IntArray

_CLUSTERS = 20
_WINDOWS_PER_CLUSTER = 5
_ROUNDS = 20
_THIN = 0.25  # a cluster with less than this of its real share is not covered


def flattened(windows: FloatArray) -> FloatArray:
    """Return windows (W, S, A) as points (W, S A) on the asinh scale: crashes count, not rule."""
    return np.arcsinh(windows.reshape(len(windows), -1))


def path_summary(windows: FloatArray) -> FloatArray:
    """Return what kind of window each of (W, S, A) is, (W, 5 A).

    Its total move, size, worst and best return, and whether it grew louder. Clusters of whole
    paths would be clusters of noise: another sample of the very same market covers few of them.
    """
    half = (windows.shape[1] + 1) // 2
    size = [np.log(np.sqrt((x**2).mean(axis=1)) + 1e-3) for x in (windows, windows[:, half:])]
    start = np.log(np.sqrt((windows[:, :half] ** 2).mean(axis=1)) + 1e-3)
    parts = (windows.sum(axis=1), windows.min(axis=1), windows.max(axis=1))
    return np.column_stack((*(np.arcsinh(x) for x in parts), size[0], size[1] - start))


def cluster_coverage(real: FloatArray, generated: FloatArray, seed: int) -> float:
    """Return the share of k-means clusters of `real` (W, D) that `generated` (V, D) covers."""
    unit = real.std(axis=0) + 1e-9
    real, generated = real / unit, generated / unit
    count = max(2, min(_CLUSTERS, len(real) // _WINDOWS_PER_CLUSTER))
    rng = np.random.default_rng(seed)
    centres = real[rng.choice(len(real), size=count, replace=False)]
    for _ in range(_ROUNDS):
        member = _closest(real, centres)
        centres = np.stack(
            [real[member == c].mean(axis=0) if (member == c).any() else centres[c]
             for c in range(count)]
        )  # fmt: skip
    share = np.bincount(_closest(real, centres), minlength=count) / len(real)
    made = np.bincount(_closest(generated, centres), minlength=count) / len(generated)
    return float(np.mean(made[share > 0] >= _THIN * share[share > 0]))


def mean_distance(points: FloatArray) -> float:
    """Return the mean distance of two different points of (W, D)."""
    count = len(points)
    return float(_distances(points, points).sum() / (count * (count - 1)))


def nearest(points: FloatArray, others: FloatArray) -> FloatArray:
    """Return each point's distance (W,) to the nearest of `others`."""
    return np.asarray(_distances(points, others).min(axis=1))


def _closest(points: FloatArray, centres: FloatArray) -> IntArray:
    return np.asarray(_distances(points, centres).argmin(axis=1))


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
