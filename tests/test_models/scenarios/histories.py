"""Made-up histories for engines: several coins with heavy tails, changing volatility and wicks."""

from __future__ import annotations

import numpy as np

from models.base.types import Candles, FloatArray
from models.base.units import HOUR_MS
from models.scenarios.paths import CoinHistory

COINS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT")
START_MS = 1_600_000_000_000 // (8 * HOUR_MS) * 8 * HOUR_MS


def garch_history(rows: int = 6_000, seed: int = 0, coins: tuple[str, ...] = COINS) -> CoinHistory:
    """Return rows of a GARCH(1,1) with t(5) innovations, correlated 0.7, and half-normal wicks."""
    rng = np.random.default_rng(seed)
    n = len(coins)
    mix = np.linalg.cholesky(0.7 * np.ones((n, n)) + 0.3 * np.eye(n))
    normal = rng.standard_normal((rows, n)) @ mix.T
    z = normal / np.sqrt(rng.chisquare(5, (rows, 1)) / 5) * np.sqrt(3 / 5)
    sigma2 = np.full(n, 1e-4)
    close = np.empty((rows, n))
    for t in range(rows):
        close[t] = np.sqrt(sigma2) * z[t]
        sigma2 = 2e-6 + 0.08 * close[t] ** 2 + 0.9 * sigma2
    wick = 0.004 * np.abs(rng.standard_normal((2, rows, n)))
    funding = np.zeros((rows, n))
    funding[::8] = 1e-4 * (1 + rng.standard_normal((len(funding[::8]), n)))
    return CoinHistory(
        coins=coins, candle_ms=HOUR_MS, time_ms=START_MS + HOUR_MS * np.arange(rows), close=close,
        low=np.minimum(close, 0) - wick[0], high=np.maximum(close, 0) + wick[1], funding=funding,
    )  # fmt: skip


def candles_of(close: FloatArray, first_ms: int = START_MS) -> Candles:
    """Return hourly candles whose prices are all the close."""
    p = np.asarray(close, dtype=np.float64)
    t = first_ms + HOUR_MS * np.arange(len(p), dtype=np.int64)
    return Candles(time_ms=t, open=p, high=p, low=p, close=p, volume=p)
