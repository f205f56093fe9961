"""The stationary bootstrap: rows of a dependent series drawn in blocks of geometric length.

Politis & Romano, "The stationary bootstrap", JASA 89, 1994. The `arch` package draws from the same
distribution, but starts before block ends and one resample at a time: with its stream the same
seed would give other intervals than those already published.
"""

from __future__ import annotations

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray


def stationary_indices(
    rows: int, mean_block: float, draws: int, rng: np.random.Generator, length: int | None = None
) -> IntArray:
    """Return (draws, length) row indices of the stationary bootstrap, wrapped at the last row.

    Parameters
    ----------
    rows
        Of the series that is drawn from.
    mean_block
        Mean of the geometric block length, in rows; 1 is the ordinary bootstrap.
    length
        Of each draw; as long as the series by default.

    Raises
    ------
    InputError
        If `rows`, `mean_block` or `length` is below 1.

    Examples
    --------
    >>> (i,) = stationary_indices(100, 10.0, 1, np.random.default_rng(0), length=1000)
    >>> bool(0.85 < np.mean(np.diff(i) % 100 == 1) < 0.95)
    True
    """
    length = rows if length is None else length
    if rows < 1 or mean_block < 1 or length < 1:
        raise InputError(
            f"expected rows, mean_block and length >= 1, got {rows}, {mean_block} and {length}"
        )
    fresh = rng.random((draws, length)) < 1.0 / mean_block
    fresh[:, 0] = True
    start = rng.integers(0, rows, size=(draws, length))
    at = np.arange(length)
    last_fresh = np.maximum.accumulate(np.where(fresh, at, 0), axis=1)  # (draws, length)
    out: IntArray = (np.take_along_axis(start, last_fresh, axis=1) + at - last_fresh) % rows
    return out


def block_sums(x: FloatArray, block: int) -> FloatArray:
    """Return the sum of the `block` values from each row on, wrapping around, (T,) -> (T,).

    What a circular block bootstrap (Politis & Romano 1992) of a sum draws from.

    Examples
    --------
    >>> block_sums(np.array([1.0, 2.0, 4.0]), 2)
    array([3., 6., 5.])
    """
    wrapped = np.concatenate(([0.0], np.cumsum(np.concatenate((x, x[: block - 1])))))
    out: FloatArray = wrapped[block:] - wrapped[:-block]
    return out
