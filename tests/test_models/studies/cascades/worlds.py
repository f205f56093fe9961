"""Coins with crashes and squeezes that volatility tells of."""

from __future__ import annotations

import dataclasses

import numpy as np

from models.base.types import Candles
from models.base.units import HOUR_MS
from models.data.labels.cascade import CascadeConfig, hazard_bins
from models.studies.cascades.panel import Coin, build
from tests.test_models.markets import random_walk

EDGES = hazard_bins(24, 6)
RULE = CascadeConfig(floor_frac=0.04, history_ms=100 * HOUR_MS)
ROWS = 6000


def crashing(seed: int) -> Candles:
    """A market whose volatility rises for hours before each crash or squeeze."""
    rng = np.random.default_rng(seed)
    calm = random_walk(ROWS, seed=seed, sigma=0.004)
    jump, wild = np.zeros(ROWS), np.ones(ROWS)
    for i, row in enumerate(range(400, ROWS - 60, 240)):
        at = row + int(rng.integers(0, 30))
        jump[at] = -0.08 if i % 2 else 0.08
        wild[at - 15 : at] = 4.0
    r = np.diff(np.log(calm.close), prepend=np.log(100.0)) * wild + jump
    close = 100 * np.exp(np.cumsum(r))
    volume = np.where(jump != 0, 90.0, calm.volume)
    opened = np.concatenate(([100.0], close[:-1]))
    return dataclasses.replace(
        calm, open=opened, close=close, volume=volume,
        high=np.maximum(opened, close) * 1.001, low=np.minimum(opened, close) / 1.001,
    )  # fmt: skip


def coin(name: str, seed: int, market: Candles | None = None) -> Coin:
    candles = market or crashing(seed)
    feeds = {"funding": np.where(np.arange(len(candles)) % 7, 1e-4, np.nan)}
    return build(name, candles, HOUR_MS, RULE, 24, candles, feeds)
