"""Small made-up markets for unit tests."""

from __future__ import annotations

import dataclasses

import numpy as np

from models.base.types import Candles
from models.base.units import HOUR_MS

START_MS = 1_640_995_200_000  # 2022-01-01, a Saturday


def random_walk(rows: int, seed: int = 0, sigma: float = 0.01) -> Candles:
    """Hourly candles of a random walk with random volume."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(sigma * rng.normal(size=rows)))
    opened = np.concatenate(([100.0], close[:-1]))
    reach = 1.0 + 0.3 * sigma * rng.random((2, rows))
    return Candles(
        time_ms=START_MS + HOUR_MS * np.arange(rows, dtype=np.int64),
        open=opened,
        high=np.maximum(opened, close) * reach[0],
        low=np.minimum(opened, close) / reach[1],
        close=close,
        volume=rng.lognormal(size=rows),
    )


def rows_of(candles: Candles, rows: slice) -> Candles:
    """Return a part of the market, as a frame that starts or ends elsewhere would have it."""
    parts = {f.name: getattr(candles, f.name)[rows].copy() for f in dataclasses.fields(Candles)}
    return Candles(**parts)


def in_other_units(candles: Candles, factor: float) -> Candles:
    """Return the same market quoted in another unit of price."""
    return dataclasses.replace(
        candles,
        **{name: factor * getattr(candles, name) for name in ("open", "high", "low", "close")},
    )
