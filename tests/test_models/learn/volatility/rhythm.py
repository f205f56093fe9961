"""A market whose volatility has a rhythm, and trainings on it."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np

from models.base.types import Candles, TrainingJob
from models.base.units import HOUR_MS
from models.data.features.candles import LOOKBACK
from models.data.features.frame import market_features
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from models.learn.jobs.job import MarketRows, feature_matrix
from tests.test_models import markets

ROWS = 2_400
SETTINGS: dict[str, Any] = {
    "labels": {"horizon_candles": 4},
    "training": {"validation_frac": 0.25, "calibration_frac": 0.25, "cross_fit": 4},
    "network": {},
}


@cache
def market() -> Candles:
    """Hours of a random walk whose volatility has a daily rhythm and lasting weeks."""
    calm = markets.random_walk(LOOKBACK + ROWS)
    hour = np.arange(len(calm))
    log_v = 0.8 * np.sin(2 * np.pi * hour / 24) + 0.6 * np.sin(2 * np.pi * hour / 900)
    moves = np.diff(np.log(calm.close), prepend=np.log(100.0)) * np.exp(log_v) / 2
    close = 100.0 * np.exp(np.cumsum(moves))
    opened = np.concatenate(([100.0], close[:-1]))
    reach = np.exp(0.003 * np.exp(log_v))
    return dataclasses.replace(
        calm, open=opened, close=close,
        high=np.maximum(opened, close) * reach, low=np.minimum(opened, close) / reach,
    )  # fmt: skip


def market_job(candles: Candles, network: str = "volatility", **settings: Any) -> TrainingJob:
    """The job of one network on these hours."""
    features = market_features(candles, HOUR_MS)
    rows = MarketRows(
        features=feature_matrix(list(features.values())),
        feature_names=tuple(features),
        labels=label_columns(candles, HOUR_MS, LabelSettings()),
        time_ms=candles.time_ms,
        candle_ms=HOUR_MS,
    ).cut(slice(LOOKBACK, None))
    return rows.job(network, settings=SETTINGS | settings, seed=0, title="planted market")
