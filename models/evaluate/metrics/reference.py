"""What forecasts gain beside a reference that was asked about the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.base.types import FloatArray
from models.evaluate.metrics.forecast import Forecasts
from models.evaluate.metrics.skill import split_gain


def reference_metrics(f: Forecasts, p: FloatArray, rng: np.random.Generator) -> dict[str, Any]:
    """Return the reference's gains in millibits and what the forecasts gain beyond them, paired.

    Parameters
    ----------
    p
        (N, 3) the reference's probabilities of down, flat, up; NaN where it has none. Rows without
        one, or without a forecast or a known class, do not count for either.

    Returns
    -------
    dict
        Estimates with 95 % block intervals, and the `rows` they are over; empty if there is none.
    """
    both = np.asarray(np.isfinite(np.column_stack((p, f.p, f.outcome_class))).all(axis=1))
    f, p = f.where(both), p[both]
    if not len(f):
        return {}
    prior = np.bincount((f.outcome_class + 1).astype(int), minlength=3) / len(f)
    reference, ours = (split_gain(q, f.outcome_class, prior) for q in (p, f.p))
    return {
        "rows": len(f),
        "gain_millibits": f.mean(reference.total, rng).as_dict(),
        "gain_volatility_millibits": f.mean(reference.volatility, rng).as_dict(),
        "gain_direction_millibits": f.mean(reference.direction, rng).as_dict(),
        "over_millibits": f.mean(ours.total - reference.total, rng).as_dict(),
        "over_volatility_millibits": f.mean(ours.volatility - reference.volatility, rng).as_dict(),
    }
