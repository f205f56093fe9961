"""Whether probabilities come true: overall, by kind of market, by volatility and by hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS
from models.evaluate.metrics.calibration import calibration_floor, smooth_calibration_error
from models.evaluate.metrics.forecast import (
    BLOCK_HOURS,
    Forecasts,
    calibration_error,
    equal_mass,
    reliability,
)
from models.evaluate.metrics.resampling import UNKNOWN
from models.studies.compare.records import Truth
from models.studies.validate.regimes import MARKET_KINDS

_LEAST: Final = 240  # rows of a part that is told of


def kept_odds(
    forecast: Mapping[str, FloatArray], truth: Truth, regime: IntArray, rng: np.random.Generator
) -> dict[str, Any]:
    """Return how one seed's probabilities of up and down came true; empty without any.

    Returns
    -------
    dict
        ``overall`` and ``parts``: rows, equal-mass ``error`` (the larger of up and down), the
        ``floor`` that perfect ones stay below 19 times of 20, ``smooth`` and ``brier_skill`` over
        the class frequencies of the part; and ``down`` and ``up``, bins with their intervals.
    """
    p = np.column_stack([forecast[n] for n in (columns.P_DOWN, columns.P_FLAT, columns.P_UP)])
    known = np.isfinite(np.column_stack((p, truth.outcome_class))).all(axis=1)
    if not known.any():
        return {}
    rows = np.flatnonzero(known)
    f = _forecasts(p[rows], forecast[columns.SIGMA][rows], truth, rows)
    return {
        "overall": _part("overall", f, rng),
        "parts": [
            {"group": group, **_part(name, f.where(inside), rng)}
            for group, name, inside in _parts(f, regime[rows])
            if inside.sum() >= _LEAST
        ],
        "down": reliability(f, -1, rng),
        "up": reliability(f, 1, rng),
    }


def _forecasts(p: FloatArray, sigma: FloatArray, truth: Truth, rows: IntArray) -> Forecasts:
    nothing = np.full(len(rows), np.nan)
    return Forecasts(
        time_ms=truth.time_ms[rows], p=p, outcome_class=truth.outcome_class[rows],
        quantiles=np.full((len(rows), len(columns.QUANTILES)), np.nan), low=nothing, high=nothing,
        sigma=sigma, outcome_return=truth.outcome_return[rows],
        horizon_candles=truth.horizon_candles,
    )  # fmt: skip


def _parts(f: Forecasts, regime: IntArray) -> Iterator[tuple[str, str, Any]]:
    """Yield group, name and rows (N,) of every part."""
    for number, name in enumerate(MARKET_KINDS):
        yield "regime", name, regime == number
    for number, tenth in enumerate(equal_mass(f.sigma, 10), start=1):
        inside = np.zeros(len(f), dtype=np.bool_)
        inside[tenth] = True
        yield "sigma", f"tenth {number} of sigma", inside
    hour = f.time_ms // HOUR_MS % 24 // BLOCK_HOURS
    for number in np.unique(hour).tolist():
        first = int(BLOCK_HOURS * number)
        yield "hour", f"{first:02d} to {first + BLOCK_HOURS:02d} UTC", hour == number


def _part(name: str, f: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    up, down = (f.outcome_class == side for side in (1.0, -1.0))
    of_up, of_down = (calibration_error(f.p[:, k], came.astype(np.float64))
                      for k, came in ((2, up), (0, down)))  # fmt: skip
    k, came = (2, up) if of_up >= of_down else (0, down)
    classes = np.eye(3)[(f.outcome_class + 1).astype(int)]
    prior = classes.mean(axis=0)
    base = ((prior - classes) ** 2).sum(axis=1)
    ours = ((f.p - classes) ** 2).sum(axis=1)
    return {
        "name": name,
        "rows": len(f),
        "error": max(of_up, of_down),
        "floor": calibration_floor(f.p[:, k], f.horizon_candles, rng),
        "smooth": smooth_calibration_error(f.p[:, k], came.astype(np.float64)),
        "brier_skill": (f.mean(base - ours, rng, weights=base) if len(f) else UNKNOWN).as_dict(),
    }
