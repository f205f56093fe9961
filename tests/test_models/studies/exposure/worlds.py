"""Days of made-up returns and ways to be in them."""

from __future__ import annotations

import numpy as np

from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.studies.exposure.walk import ExposureMarket, HeldExposure


def market(moves: FloatArray, funding: FloatArray | None = None) -> ExposureMarket:
    """Return daily candles with these simple returns."""
    price = 100 * np.concatenate(([1.0], np.cumprod(1 + moves)))
    return ExposureMarket(
        time_ms=DAY_MS * np.arange(len(moves), dtype=np.int64),
        open=price[:-1], close=price[1:],
        funding=np.zeros(len(moves)) if funding is None else funding,
    )  # fmt: skip


def way(name: str, exposure: FloatArray) -> HeldExposure:
    """Return a way that holds this exposure and traded what it changed by."""
    traded = np.abs(np.diff(np.concatenate(([0.0], exposure))))
    return HeldExposure(name=name, title=f"{name} way", exposure=exposure, traded=traded)


def random_days(rows: int = 800, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return simple returns of calm and wild days, and whether each is wild."""
    rng = np.random.default_rng(seed)
    wild = np.repeat(rng.random(rows // 20) < 0.2, 20).astype(np.float64)
    out: FloatArray = np.clip((0.01 + 0.05 * wild) * rng.normal(size=rows), -0.4, 0.4)
    return out, wild
