"""Longer candles from shorter ones."""

from __future__ import annotations

from models.base.types import Candles, FloatArray


def aggregate(candles: Candles, candle_ms: int, longer_ms: int) -> Candles:
    """Join candles into longer ones; incomplete ones at either end are left out.

    Parameters
    ----------
    candles
        Contiguous candles of ``candle_ms``.
    longer_ms
        Length of the result, a multiple of ``candle_ms``.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(4, dtype=np.int64) * 3_600_000
    >>> p = np.array([1.0, 2.0, 3.0, 4.0])
    >>> four = Candles(time_ms=t, open=p, high=p, low=p, close=p, volume=p)
    >>> joined = aggregate(four, 3_600_000, 7_200_000)
    >>> joined.open.tolist(), joined.high.tolist(), joined.volume.tolist()
    ([1.0, 3.0], [2.0, 4.0], [3.0, 7.0])
    """
    if longer_ms % candle_ms:
        raise ValueError(f"expected a multiple of {candle_ms} ms, got {longer_ms}")
    n = longer_ms // candle_ms
    first = int(-candles.time_ms[0] % longer_ms) // candle_ms
    count = (len(candles) - first) // n

    def blocks(values: FloatArray) -> FloatArray:  # (N,) -> (N / n, n)
        return values[first : first + count * n].reshape(count, n)

    return Candles(
        time_ms=candles.time_ms[first : first + count * n : n].copy(),
        open=blocks(candles.open)[:, 0].copy(),
        high=blocks(candles.high).max(axis=1),
        low=blocks(candles.low).min(axis=1),
        close=blocks(candles.close)[:, -1].copy(),
        volume=blocks(candles.volume).sum(axis=1),
    )
