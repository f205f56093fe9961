"""Classic indicators: MACD, Bollinger bands, true range, ADX, money flow, volume profile.

Known at each candle's close, without units, and each from the last `candles.LOOKBACK` candles
only: where the textbook smooths for ever (Wilder's averages, exponential ones), the plain average
of the same length stands in, as TA-Lib itself offers it for MACD (`MACDEXT`, type SMA).

TA-Lib computes what it can. Its moving averages keep running sums, whose rounding depends on where
the frame began by some 1e-12 of their value; the tests hold the features to 1e-6.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import talib
from numpy.lib.stride_tricks import sliding_window_view

from models.base.types import Candles, FloatArray
from models.data.features.candles import MID, SLOW, sigma_per_candle
from models.data.features.rolling import lag, rolling_mean

BANDS: Final = 20  # candles
MOTION: Final = 14  # candles of ADX and money flow
SHELVES: Final = 24  # price levels of the volume profile

_PLAIN: Final = talib.MA_Type.SMA  # type: ignore[attr-defined] # its stubs do not list it
_TINY: Final = 1e-12
_FLAT: Final = 1e-9  # a band narrower than this, as a log return, is a market that stood still
_ROWS: Final = 4096  # of the profile at a time; bounds the memory of its windows


def indicator_features(candles: Candles) -> dict[str, FloatArray]:
    """Return name -> (N,) indicator, known at each candle's close, NaN for the first rows.

    Parameters
    ----------
    candles
        One market, contiguous, oldest first.

    Returns
    -------
    dict
        In units of sigma where a distance, else a ratio or a share; complete after
        `candles.LOOKBACK` rows.
    """
    log_close = np.log(candles.close)
    sigma = np.maximum(sigma_per_candle(candles.close), _TINY)
    out = {
        **macd(log_close, sigma),
        **bollinger(log_close, sigma),
        "atr_fast_slow": atr_ratio(candles),
        **directional_movement(candles),
        "mfi_14": money_flow(candles, MOTION) / 50 - 1,
    }
    below, distance = volume_profile(candles, SLOW)
    out["volume_below"] = 2 * below - 1
    out["poc_distance"] = distance / (sigma * np.sqrt(SLOW))
    return out


def macd(log_close: FloatArray, sigma: FloatArray) -> dict[str, FloatArray]:
    """Return MACD(12, 26, 9) of the log price, line and histogram, in units of sigma.

    # DIFF: plain averages for exponential ones (Appel 1979); an exponential average of 26 needs
    some 180 candles to forget the frame's start.
    """
    line, _, histogram = talib.MACDEXT(
        log_close, fastperiod=12, slowperiod=26, signalperiod=9,
        fastmatype=_PLAIN, slowmatype=_PLAIN, signalmatype=_PLAIN,
    )  # fmt: skip
    # The distance of two averages of a random walk grows like the root of their length.
    return {
        "macd": line / (sigma * np.sqrt(26)),
        "macd_histogram": histogram / (sigma * np.sqrt(9)),
    }


def bollinger(log_close: FloatArray, sigma: FloatArray) -> dict[str, FloatArray]:
    """Return %b (-1 at the lower band, 1 at the upper) and the width in units of sigma.

    Bands of the log price: 20 candles, two standard deviations (Bollinger 2001). A market that
    stood still is in the middle.
    """
    upper, middle, lower = talib.BBANDS(log_close, timeperiod=BANDS, nbdevup=2.0, nbdevdn=2.0)
    half = (upper - lower) / 2
    position = (log_close - middle) / np.maximum(half, _FLAT)
    return {
        "bollinger_position": np.where(half > _FLAT, position, 0.0 * half),
        "bollinger_width": np.log((half + _FLAT) / (2 * sigma * np.sqrt(BANDS) + _FLAT)),
    }


def atr_ratio(candles: Candles) -> FloatArray:
    """Return the log of the average true range of 14 candles over that of 48."""
    log_high, log_low, log_close = (
        np.log(values) for values in (candles.high, candles.low, candles.close)
    )
    true_range = talib.TRANGE(log_high, log_low, log_close)  # NaN in the first row
    fast, slow = (rolling_mean(true_range, n) for n in (MOTION, MID))
    return np.log((fast + _TINY) / (slow + _TINY))


def directional_movement(candles: Candles) -> dict[str, FloatArray]:
    """Return the directional index over 14 candles, signed and smoothed (ADX), each -1..1 or 0..1.

    # DIFF: plain averages for Wilder's (1978), as in `models.data.features.candles.cutler_rsi`.
    """
    high, low = np.log(candles.high), np.log(candles.low)
    up, down = high - lag(high, 1), lag(low, 1) - low
    plus = rolling_mean(np.where((up > down) & (up > 0), up, 0.0 * up), MOTION)
    minus = rolling_mean(np.where((down > up) & (down > 0), down, 0.0 * down), MOTION)
    index = (plus - minus) / np.maximum(plus + minus, _TINY)
    return {"dmi_14": index, "adx_14": rolling_mean(np.abs(index), MOTION)}


def money_flow(candles: Candles, window: int) -> FloatArray:
    """Return the money flow index over `window` candles, 0..100, 50 where nothing flowed.

    Quong & Soudack 1989. Not TA-Lib's: that answers 0 while less than one unit of quote currency
    was traded, and so depends on the unit.
    """
    price = talib.TYPPRICE(candles.high, candles.low, candles.close)
    change, flow = price - lag(price, 1), price * candles.volume
    up = rolling_mean(np.where(change > 0, flow, 0.0 * change), window)
    down = rolling_mean(np.where(change < 0, flow, 0.0 * change), window)
    total = up + down
    return np.where(total > 0, 100 * up / np.where(total > 0, total, 1.0), 0.0 * total + 50.0)


def volume_profile(candles: Candles, window: int) -> tuple[FloatArray, FloatArray]:
    """Return where the close stands in the volume profile of the last `window` candles.

    A candle's volume counts at its typical price. The span of these prices is cut into `SHELVES`
    equal shelves; the point of control is the volume-weighted mean price of the heaviest one.

    Returns
    -------
    below, distance
        (N,) share of the volume that traded below the close, half of what traded at it included;
        and the log distance of the close from the point of control. 0.5 and 0 without any volume.
    """
    price = np.log(talib.TYPPRICE(candles.high, candles.low, candles.close))
    log_close = np.log(candles.close)
    below, distance = np.full(len(price), np.nan), np.full(len(price), np.nan)
    for start in range(window - 1, len(price), _ROWS):
        rows = slice(start, min(start + _ROWS, len(price)))
        past = slice(start - window + 1, rows.stop)
        p = sliding_window_view(price[past], window)  # (R, window)
        v = sliding_window_view(candles.volume[past], window)
        below[rows], distance[rows] = _profile(p, v, log_close[rows])
    return below, distance


def _profile(
    price: FloatArray, volume: FloatArray, close: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return (below, distance) of windows of log price and volume (R, window), and close (R,)."""
    apart = close[:, None] - price
    total = volume.sum(axis=1)  # (R,)
    some = np.where(total > 0, total, 1.0)
    below = ((apart > 0) * volume).sum(axis=1) + 0.5 * ((apart == 0) * volume).sum(axis=1)
    low = price.min(axis=1, keepdims=True)
    span = np.maximum(price.max(axis=1, keepdims=True) - low, _TINY)
    shelf = np.minimum(((price - low) / span * SHELVES).astype(np.int64), SHELVES - 1)
    flat = (shelf + SHELVES * np.arange(len(price))[:, None]).ravel()
    size = SHELVES * len(price)
    weight = np.bincount(flat, volume.ravel(), size).reshape(-1, SHELVES)  # (R, shelves)
    moment = np.bincount(flat, (volume * apart).ravel(), size).reshape(-1, SHELVES)
    heaviest = weight.argmax(axis=1)
    rows = np.arange(len(price))
    mass = weight[rows, heaviest]
    distance = moment[rows, heaviest] / np.where(mass > 0, mass, 1.0)
    return np.where(total > 0, below / some, 0.5), distance
