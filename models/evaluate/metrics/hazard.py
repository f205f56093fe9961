"""Cascade hazard against onsets. What counts is the number of events, not of candles."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.base.types import BoolArray, FloatArray
from models.evaluate.metrics.forecast import equal_mass
from models.evaluate.metrics.resampling import Estimate, block_length, with_interval

_DRAWS = 300  # each sorts all rows
_FEWEST_EVENTS = 5  # below this an interval pretends to knowledge
_BINS = 5


def average_precision(score: FloatArray, event: BoolArray) -> float:
    """Return the average precision (area under precision-recall steps); NaN without events.

    Rows of equal score enter together, so a constant score earns exactly the base rate.

    Examples
    --------
    >>> round(average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]) > 0), 4)
    0.8333
    """
    if not event.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(event[order])
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # end of each tie
    precision = hits[last] / (last + 1)
    gained = np.diff(np.concatenate(([0], hits[last]))) / hits[-1]
    return float((precision * gained).sum())


def hazard_metrics(
    probability: FloatArray,
    candles_to_onset: FloatArray,
    horizon_candles: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return how well P(onset within the horizon) finds onsets.

    Parameters
    ----------
    probability
        (N,) forecast in [0, 1]; NaN rows do not count.
    candles_to_onset
        (N,) 1..horizon, beyond it where none came, NaN where unknown.

    Returns
    -------
    dict
        ``onsets`` counts episodes, ``rows_before_onset`` the candles at most a horizon before
        one; ``average_precision`` (value/low/high over blocks of two horizons) compares with
        ``base_rate``; ``calibration`` lists equal-mass bins.
    """
    known = np.isfinite(probability) & np.isfinite(candles_to_onset)
    p, steps = probability[known], candles_to_onset[known]
    event = steps <= horizon_candles
    onsets = int((steps == 1).sum())
    return {
        "rows": len(p),
        "horizon_candles": horizon_candles,
        "onsets": onsets,
        "rows_before_onset": int(event.sum()),
        "base_rate": float(event.mean()) if len(p) else np.nan,
        "mean_probability": float(p.mean()) if len(p) else np.nan,
        "average_precision": _precision(p, event, onsets, horizon_candles, rng).as_dict(),
        "calibration": [
            {
                "rows": len(rows),
                "forecast": float(p[rows].mean()),
                "observed": float(event[rows].mean()),
            }
            for rows in equal_mass(p, _BINS)
            if len(rows)
        ],
    }


def _precision(
    p: FloatArray, event: BoolArray, onsets: int, horizon: int, rng: np.random.Generator
) -> Estimate:
    value = average_precision(p, event)
    if onsets < _FEWEST_EVENTS:
        return Estimate(value, np.nan, np.nan)
    block = min(max(block_length(len(p), 1), 2 * horizon), len(p))
    steps = np.arange(block)
    draws = []
    for _ in range(_DRAWS):
        start = rng.integers(0, len(p), size=-(-len(p) // block))
        rows = ((start[:, None] + steps).ravel() % len(p))[: len(p)]
        draws.append(average_precision(p[rows], event[rows]))
    return with_interval(value, np.asarray(draws))
