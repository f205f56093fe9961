"""One forecast with nothing wrong, and whatever a test wants wrong with it."""

from __future__ import annotations

import numpy as np

from models.base import columns
from models.base.types import FloatArray

COST = 0.001


def row(
    up: float = 0.6,
    down: float = 0.2,
    edge: float = 0.01,
    false_down: float = 5.0,
    false_up: float = 5.0,
    abstain: float = 0.0,
) -> dict[str, FloatArray]:
    """One row's forecast: it claims a return of `edge`, and all of it is believed."""
    values = dict.fromkeys(columns.FORECAST, 0.0) | {
        columns.P_UP: up,
        columns.P_DOWN: down,
        columns.P_FLAT: 1 - up - down,
        columns.FALSE_ALARMS_DOWN: false_down,
        columns.FALSE_ALARMS_UP: false_up,
        columns.ABSTAIN: abstain,
        **dict.fromkeys((*columns.RETURN_QUANTILES, columns.EDGE, columns.EDGE_LOW), edge),
    }
    return {name: np.array([value]) for name, value in values.items()}
