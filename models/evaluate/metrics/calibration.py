"""How far probabilities are from what comes, beside how far perfect ones would seem to be.

The smooth calibration error needs no bins: Blasiok & Nakkiran, "Smooth ECE: Principled Reliability
Diagrams via Kernel Smoothing", ICLR 2024; computed as their package `relplot` 1.0.3 does.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.types import FloatArray
from models.evaluate.metrics.forecast import calibration_error

_MESH: Final = 200  # points the smoothed error is summed over, at least
_FINE: Final = 2_000  # points of the grid that errors are rounded to, at least
_EPS: Final = 1e-3
_REFINE: Final = 10  # halvings in the search for the bandwidth
_FLOOR_DRAWS: Final = 200
_HIGH: Final = 0.95  # of these draws


def smooth_calibration_error(p: FloatArray, truth: FloatArray) -> float:
    """Return the smooth expected calibration error (smECE) of probabilities (N,); NaN without rows.

    Errors are smoothed by a Gaussian whose width is as large as the error it leaves, so that
    nothing is chosen.

    Examples
    --------
    >>> round(smooth_calibration_error(np.full(1000, 0.8), np.tile([1.0, 0.0], 500)), 2)
    0.3
    """
    if not len(p):
        return float("nan")
    low, high = 0.0, 1.0
    if _smoothed(p, truth, high) > high:
        return _smoothed(p, truth, high)
    for _ in range(_REFINE):
        middle = 0.5 * (low + high)
        if middle < _EPS or middle < _smoothed(p, truth, middle):
            low = middle
        else:
            high = middle
    return _smoothed(p, truth, high)


def _smoothed(p: FloatArray, truth: FloatArray, width: float) -> float:
    """Return the mean absolute error after a Gaussian of this width, by where forecasts are."""
    points = np.linspace(0.0, 1.0, max(round(10 / width), _MESH))
    density = _on_points(p, np.ones(len(p)), width, points) + 1e-4
    error = _on_points(p, p - truth, width, points) / density
    return float((np.abs(error) * density).sum() / density.sum())


def _on_points(p: FloatArray, values: FloatArray, width: float, points: FloatArray) -> FloatArray:
    """Return values at p, smoothed by a Gaussian that the ends of [0, 1] reflect, at `points`."""
    size = max(_FINE, round(20 / width)) // 2 + 1
    slot = np.clip((p * (size - 1)).astype(np.int64), 0, size - 2)
    part = p * (size - 1) - slot
    grid = np.bincount(slot, (1 - part) * values, size) + np.bincount(slot + 1, part * values, size)
    place = np.linspace(0.0, 1.0, size) - 0.5
    kernel = np.exp(-0.5 * (place / width) ** 2) / (np.sqrt(2 * np.pi) * width)
    mirrored = np.concatenate((grid[::-1][:-1], grid, grid[::-1][1:]))
    smooth = np.convolve(mirrored, kernel, "valid")[size // 2 : size // 2 + size]
    return np.asarray(np.interp(points, np.linspace(0.0, 1.0, size), smooth))


def calibration_floor(p: FloatArray, together: int, rng: np.random.Generator) -> float:
    """Return the equal-mass error that perfect probabilities (N,) stay below 95 times of 100.

    Outcomes are drawn from the probabilities themselves; those of `together` rows in a row, whose
    horizons overlap, share their luck.
    """
    if not len(p):
        return float("nan")
    found = []
    for _ in range(_FLOOR_DRAWS):
        luck = np.repeat(rng.random(-(-len(p) // together)), together)[: len(p)]
        found.append(calibration_error(p, (luck < p).astype(np.float64)))
    return float(np.quantile(found, _HIGH))
