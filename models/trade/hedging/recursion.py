"""Linear recursions over rows, by SciPy's filter, which is loaded with the first one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base.types import FloatArray


def recursed(
    coefficients: Sequence[float] | FloatArray,
    drive: FloatArray,
    before: FloatArray | float | None = None,
) -> FloatArray:
    """Return y, (N, ...), with ``sum_k coefficients[k] y_(t-k) = drive_t``.

    Parameters
    ----------
    before
        What a recursion of one step adds to the first row, (...); zero where nothing is said.

    Examples
    --------
    >>> recursed([1.0, -0.5], np.array([1.0, 0.0, 0.0]))
    array([1.  , 0.5 , 0.25])
    """
    from scipy.signal import lfilter  # 13 MB, which a bot that hedges nothing does not hold

    start = None if before is None else np.asarray(before)[None]
    out = lfilter([1.0], coefficients, drive, axis=0, zi=start)
    return np.asarray(out if start is None else out[0])
