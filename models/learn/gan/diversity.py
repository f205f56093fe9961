"""Variety of generated windows beside real ones."""

from __future__ import annotations

import numpy as np

from models.base.types import FloatArray


def flattened(windows: FloatArray) -> FloatArray:
    """Return windows (W, S, A) as points (W, S A) on the asinh scale: crashes count, not rule."""
    return np.arcsinh(windows.reshape(len(windows), -1))


def of_one_size(windows: FloatArray) -> FloatArray:
    """Return windows (W, S, A) as points (W, S A) of length 1; one that does not move stays 0."""
    points = windows.reshape(len(windows), -1)
    length: FloatArray = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(length, 1e-12))


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


def mean_distance(points: FloatArray) -> float:
    """Return the mean distance of two different points of (W, D)."""
    count = len(points)
    return float(_distances(points, points).sum() / (count * (count - 1)))


def nearest(points: FloatArray, others: FloatArray, count: int) -> FloatArray:
    """Return each point's distances (W, count) to the nearest of `others`, ascending.

    As many as there are, where there are fewer others.
    """
    count = min(count, len(others))
    apart = np.partition(_distances(points, others), count - 1, axis=1)[:, :count]
    return np.asarray(np.sort(apart, axis=1))


def nearest_other(points: FloatArray) -> FloatArray:
    """Return each point's distance (W,) to the nearest other one of (W, D)."""
    apart = _distances(points, points)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def to_others(points: FloatArray, others: FloatArray) -> FloatArray:
    """Return each point's mean distance (W,) to all of `others`."""
    return np.asarray(_distances(points, others).mean(axis=1))


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
