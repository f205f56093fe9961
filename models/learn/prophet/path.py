"""The price a training frame does not show: the log price path its labels imply."""

from __future__ import annotations

import numpy as np

from models.base.types import FloatArray


def log_price_path(scaled_return: FloatArray, sigma: FloatArray, horizon: int) -> FloatArray:
    """Return the log price of every row (N,) but for a constant; NaN before and after the labels.

    A frame has stationary features only, and their names differ from strategy to strategy. But a
    label is ``log(P[t + horizon] / P[t]) / (sigma[t] * sqrt(horizon))``, so every horizon-th price
    is a running sum of labels. The `horizon` interleaved sums lack one constant each. They are
    aligned on the moving average over `horizon` candles, which the labels give without a gap
    (it moves by ``label * scale / horizon`` per candle). What that may miss repeats every
    `horizon` candles, and no return over `horizon` candles contains it.

    Parameters
    ----------
    scaled_return
        (N,) forward log returns in units of sigma over the horizon; NaN where not known, which
        is bridged by the neighbours (their returns share all but one candle).
    sigma
        (N,) volatility of one candle.
    horizon
        In candles.

    Examples
    --------
    >>> log_price_path(np.array([1.0, 2.0, 3.0]), np.ones(3), 1)
    array([0., 1., 3.])
    """
    rows = len(scaled_return)
    step = scaled_return * sigma * np.sqrt(horizon)  # (N,) log return over the horizon
    known = np.flatnonzero(np.isfinite(step))
    out = np.full(rows, np.nan)
    if not len(known):
        return out
    first, count = known[0], known[-1] + 1 - known[0]
    step = np.interp(np.arange(first, first + count), known, step[known])  # (M,)
    padded = np.concatenate((step, np.zeros(-count % horizon)))
    sums = np.cumsum(padded.reshape(-1, horizon), axis=0)  # (M / horizon, horizon)
    path = np.concatenate((np.zeros((1, horizon)), sums)).ravel()[: count + horizon]
    average = np.concatenate(([0.0], np.cumsum(step) / horizon))  # of rows t .. t + horizon - 1
    row = np.arange(len(path))
    apart = np.interp(row, np.arange(count + 1) + (horizon - 1) / 2, average) - path
    path += np.array([apart[row % horizon == j].mean() for j in range(horizon)])[row % horizon]
    stop = min(first + len(path), rows)
    out[first:stop] = path[: stop - first]
    return out
