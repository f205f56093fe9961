"""What a generator is fed beside the market: noise, and the shape of time. NumPy only."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.types import Float32Array, FloatArray
from models.base.units import DAY_MS

DILATIONS: Final = (1, 2, 4, 8)  # of the noise TCN, width 2
REACH: Final = 1 + sum(DILATIONS)  # steps of noise that move the volatility of the next
_LATENT: Final = 2  # noise channels that are no asset's shock
_DECAYS: Final = (1.0, 4.0, 16.0)  # candles in which an influence fades


def profile(steps: int, candle_ms: int) -> FloatArray:
    """Return the (S, Q) terms that drift and log volatility are made of, step by step.

    A level, what fades over the next candles, and the waves of the day and half day where candles
    are short enough to show them.

    Examples
    --------
    >>> profile(24, 3_600_000).shape, profile(5, 86_400_000).shape
    ((24, 8), (5, 4))
    """
    k = np.arange(1, steps + 1, dtype=np.float64)
    terms = [np.ones(steps), *(np.exp((1 - k) / fade) for fade in _DECAYS)]
    for period_ms in (DAY_MS, DAY_MS // 2):
        if period_ms >= 4 * candle_ms:
            phase = 2 * np.pi * k * candle_ms / period_ms
            terms += [np.cos(phase), np.sin(phase)]
    return np.column_stack(terms)


def noise_channels(assets: int) -> int:
    """Return Z."""
    return assets + _LATENT


def standard_noise(paths: int, steps: int, assets: int, seed: int) -> Float32Array:
    """Return (N, REACH + S, Z) standard normal draws, the same on every machine."""
    rng = np.random.default_rng(seed)
    shape = (paths, REACH + steps, noise_channels(assets))
    return rng.standard_normal(shape, dtype=np.float32)
