"""The whole feature frame of one market, as the strategy builds it through FreqAI."""

from __future__ import annotations

from models.base.columns import FEATURE_SIGMA
from models.base.types import Candles, FloatArray
from models.data.features.candles import calendar_features, candle_features, sigma_per_candle
from models.data.features.indicators import indicator_features


def pair_features(candles: Candles) -> dict[str, FloatArray]:
    """Return name -> (N,) feature computed for every pair and timeframe."""
    return candle_features(candles) | indicator_features(candles)


def market_features(candles: Candles, candle_ms: int) -> dict[str, FloatArray]:
    """Return one market's whole feature frame without FreqAI, column name -> (N,).

    The strategy's columns for a single pair and timeframe, without the suffix FreqAI appends.
    """
    computed = pair_features(candles) | calendar_features(candles.time_ms, candle_ms)
    return {f"%-{name}": values for name, values in computed.items()} | {
        FEATURE_SIGMA: sigma_per_candle(candles.close)
    }
