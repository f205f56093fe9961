"""All labels of one market, in the columns the heads are trained on."""

from __future__ import annotations

import numpy as np

from models.base import columns
from models.base.types import Candles, FloatArray
from models.data.features.candles import sigma_per_candle
from models.data.labels.action import best_action
from models.data.labels.ahead import ahead_prices
from models.data.labels.cascade import CascadeConfig, candles_to_onset, cascade_onsets
from models.data.labels.episodes import candles_to_peak
from models.data.labels.returns import cost_aware_class, forward_log_return
from models.data.labels.settings import LabelSettings


def cascade_rule(settings: LabelSettings, candle_ms: int) -> CascadeConfig:
    """Return what counts as a cascade in the labels."""
    longest = settings.cascade_horizon_candles * candle_ms
    return CascadeConfig(floor_frac=settings.cascade_floor_frac, longest_ms=longest)


def label_columns(
    candles: Candles, candle_ms: int, settings: LabelSettings
) -> dict[str, FloatArray]:
    """Return label column -> (N,) float64; NaN where the frame does not reach far enough ahead.

    Row t looks at most `settings.purge_candles` candles ahead and is known at the close of that
    candle, never earlier.
    """
    r = forward_log_return(candles.close, settings.horizon_candles)
    scale = sigma_per_candle(candles.close) * np.sqrt(settings.horizon_candles)
    out = {
        columns.LABEL_RETURN: r / scale,
        columns.LABEL_DIRECTION: cost_aware_class(r, settings.cost_frac),
    }
    rule = cascade_rule(settings, candle_ms)
    for name, side in ((columns.LABEL_CASCADE_DOWN, -1), (columns.LABEL_CASCADE_UP, 1)):
        onset, known = cascade_onsets(candles, candle_ms, side, rule)
        out[name] = candles_to_onset(onset, known, settings.cascade_horizon_candles)
    peak = {side: candles_to_peak(candles, candle_ms, side, rule) for side in (-1, 1)}
    # Where both sides are inside one, the fall is what a long position is hedged against.
    out[columns.LABEL_PEAK] = np.where(np.isfinite(peak[-1]), peak[-1], peak[1])
    out[columns.LABEL_ACTION] = best_action(
        candles.close, settings.cascade_horizon_candles, settings.cost_frac
    )
    return out | ahead_prices(candles)
