"""Trailing-window statistics whose value depends on exactly the last `window` rows.

Running sums (pandas, TA-Lib) carry rounding from the first row they ever saw, and recursive
averages (Wilder, EMA) carry it for ever; a live frame that starts later would then differ from a
backtest. These do not: the same window gives the same bits wherever the frame starts.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.base.errors import InputError
from models.base.types import FloatArray


def _windows(values: FloatArray, window: int) -> FloatArray:
    if window < 1:
        raise InputError(f"expected a window of at least 1 row, got {window}")
    # (N,) -> (N - window + 1, window)
    return sliding_window_view(values, window)


def _pad(reduced: FloatArray, rows: int) -> FloatArray:
    out = np.full(rows, np.nan)
    if len(reduced):
        out[rows - len(reduced) :] = reduced
    return out


def rolling_mean(values: FloatArray, window: int) -> FloatArray:
    """Return the mean of the last `window` rows, (N,) -> (N,); NaN for the first window - 1.

    Examples
    --------
    >>> rolling_mean(np.array([1.0, 2.0, 4.0]), 2)
    array([nan, 1.5, 3. ])
    """
    if len(values) < window:
        return np.full(len(values), np.nan)
    return _pad(_windows(values, window).mean(axis=1), len(values))


def rolling_rms(values: FloatArray, window: int) -> FloatArray:
    """Return the root mean square of the last `window` rows (volatility around zero)."""
    return np.sqrt(rolling_mean(values * values, window))


def rolling_max(values: FloatArray, window: int) -> FloatArray:
    """Return the largest of the last `window` rows; NaN for the first window - 1."""
    if len(values) < window:
        return np.full(len(values), np.nan)
    return _pad(_windows(values, window).max(axis=1), len(values))


def rolling_min(values: FloatArray, window: int) -> FloatArray:
    """Return the smallest of the last `window` rows; NaN for the first window - 1."""
    return -rolling_max(-values, window)


def rolling_median(values: FloatArray, window: int) -> FloatArray:
    """Return the median of the last `window` rows; NaN for the first window - 1.

    The window is kept sorted, which carries values and no rounding. A month of candles of five
    minutes is 8640 rows: NumPy's median would copy every window, two gigabytes for a quarter.
    """
    if window < 1:
        raise InputError(f"expected a window of at least 1 row, got {window}")
    rows = len(values)
    out = np.full(rows, np.nan)
    unknown = np.isnan(values)
    holes = np.concatenate(([0], np.cumsum(unknown)))  # (N + 1,)
    x = np.where(unknown, np.inf, values).tolist()
    held = sorted(x[: window - 1])
    low, high = (window - 1) // 2, window // 2
    for t in range(window - 1, rows):
        insort(held, x[t])
        if holes[t + 1] == holes[t + 1 - window]:
            out[t] = (held[low] + held[high]) / 2
        del held[bisect_left(held, x[t + 1 - window])]
    return out


def lag(values: FloatArray, rows: int) -> FloatArray:
    """Return the value `rows` ago, NaN for the first `rows`.

    Examples
    --------
    >>> lag(np.array([1.0, 2.0, 3.0]), 1)
    array([nan,  1.,  2.])
    """
    out = np.full(len(values), np.nan)
    if rows < len(values):
        out[rows:] = values[: len(values) - rows]
    return out
