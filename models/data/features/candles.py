"""Features of one market's candles, stationary and dimensionless.

Each row uses its own candle and earlier ones only, so it is known when that candle closes, and
reaches back at most `LOOKBACK` candles. Prices enter as log returns in units of volatility, never
as levels: a network fed with levels learns yesterday's price.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from models.base.types import Candles, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.data.features.rolling import lag, rolling_max, rolling_mean, rolling_min, rolling_rms

FAST: Final = 12  # candles
MID: Final = 48
SLOW: Final = 168
LOOKBACK: Final = SLOW + 1  # candles before the first complete row

_TINY: Final = 1e-12  # keeps logs and ratios finite on candles that did not trade


def sigma_per_candle(close: FloatArray) -> FloatArray:
    """Return the causal volatility of one candle's log return, (N,) -> (N,).

    Root of the average of a fast (24 candles) and a slow (168) mean square: quick to rise in a
    crash, slow to forget it. A day and a week of hours; two hours and fourteen of candles of five
    minutes, which have no time to see the hours of the day pass. NaN for the first `SLOW` rows.
    """
    r = np.log(close) - np.log(lag(close, 1))  # (N,)
    return np.sqrt(0.5 * (rolling_rms(r, 24) ** 2 + rolling_rms(r, SLOW) ** 2))


def cutler_rsi(close: FloatArray, window: int) -> FloatArray:
    """Return the relative strength index with plain averages, 0..100, 50 where nothing moved.

    # DIFF: Wilder (1978) smooths recursively, which never forgets the frame's start; Cutler's
    # variant uses the plain mean of the last `window` changes.
    """
    change = close - lag(close, 1)
    up = rolling_mean(np.maximum(change, 0.0), window)
    down = rolling_mean(np.maximum(-change, 0.0), window)
    total = up + down
    return np.where(total > 0, 100.0 * up / np.where(total > 0, total, 1.0), total * 0 + 50.0)


def candle_features(candles: Candles) -> dict[str, FloatArray]:
    """Return name -> (N,) feature, known at each candle's close, NaN for the first rows.

    Parameters
    ----------
    candles
        One market, contiguous, oldest first.

    Returns
    -------
    dict
        Returns over 1..168 candles in units of sigma, volatility ratios, candle shape, position
        in the range, distance from averages, RSI, draw-down and run-up, relative volume.
    """
    close, high, low = candles.close, candles.high, candles.low
    log_close = np.log(close)
    r = log_close - lag(log_close, 1)
    sigma = np.maximum(sigma_per_candle(close), _TINY)
    out: dict[str, FloatArray] = {}
    for n in (1, 2, 4, FAST, 24, MID, SLOW):
        out[f"return_{n}"] = (log_close - lag(log_close, n)) / (sigma * np.sqrt(n))
    fast = rolling_rms(r, FAST)
    out["vol_fast_mid"] = np.log((fast + _TINY) / (rolling_rms(r, MID) + _TINY))
    out["vol_mid_slow"] = np.log((rolling_rms(r, MID) + _TINY) / (rolling_rms(r, SLOW) + _TINY))
    log_range = np.log(high / low)
    out["range"] = log_range / sigma
    out["range_mid"] = rolling_mean(log_range, FAST) / sigma
    body = np.maximum(high - low, _TINY * close)
    out["close_in_candle"] = (2 * close - high - low) / body
    out["upper_wick"] = (high - np.maximum(candles.open, close)) / body
    out["lower_wick"] = (np.minimum(candles.open, close) - low) / body
    for n in (24, SLOW):
        top, bottom = rolling_max(high, n), rolling_min(low, n)
        out[f"position_{n}"] = 2 * (close - bottom) / np.maximum(top - bottom, _TINY) - 1
        out[f"distance_mean_{n}"] = (log_close - rolling_mean(log_close, n)) / (sigma * np.sqrt(n))
    out["drawdown"] = np.log(close / rolling_max(high, SLOW)) / (sigma * np.sqrt(SLOW))
    out["runup"] = np.log(close / rolling_min(low, SLOW)) / (sigma * np.sqrt(SLOW))
    out["rsi_14"] = cutler_rsi(close, 14) / 50 - 1
    day = np.maximum(rolling_mean(candles.volume, 24), _TINY)
    week = np.maximum(rolling_mean(candles.volume, SLOW), _TINY)
    # One percent of the mean is added: a candle without a trade is quiet, not infinitely so.
    out["volume_fast"] = np.log(candles.volume / day + 0.01)
    out["volume_slow"] = np.log(rolling_mean(candles.volume, FAST) / week + 0.01)
    flow = np.sign(r) * candles.volume
    out["signed_volume"] = rolling_mean(flow, FAST) / (rolling_mean(candles.volume, MID) + _TINY)
    return out


def calendar_features(time_ms: IntArray, candle_ms: int) -> dict[str, FloatArray]:
    """Return the clock as sines and cosines, taken at each candle's close.

    The hour of the day, the day of the week, and the 8-hour funding clock of Binance USD-M
    (payments at 00, 08 and 16 UTC). A clock that candles of this length always meet at the same
    hand says nothing and is left out: that of the day for candles of a day. Where they meet two
    hands, opposite ones, the sine stands still and only the cosine is left.

    Examples
    --------
    >>> list(calendar_features(np.array([0]), 4 * HOUR_MS))
    ['day_sin', 'day_cos', 'week_sin', 'week_cos', 'funding_cos']
    """
    close_h = (time_ms + candle_ms) / HOUR_MS
    out: dict[str, FloatArray] = {}
    for name, period_h in (("day", 24.0), ("week", 168.0), ("funding", 8.0)):
        phase = 2 * np.pi * np.mod(close_h, period_h) / period_h
        hands = _hands_met(round(period_h * HOUR_MS), candle_ms)
        if hands > 2:
            out[f"{name}_sin"] = np.sin(phase)
        if hands > 1:
            out[f"{name}_cos"] = np.cos(phase)
    return out


def _hands_met(period_ms: int, candle_ms: int) -> int:
    """Return how many different moments of a period candles close at, counted from 1970."""
    return period_ms // math.gcd(period_ms, candle_ms)
