"""Rows for the echo model, whose answer is a feature."""

from __future__ import annotations

import numpy as np

from models.base import columns
from models.base.types import TrainingJob
from tests.test_contract import echo, planted

ROWS = 2000


def job() -> TrainingJob:
    """Rows whose direction is the sign of the echoed feature; onsets a year apart."""
    x = echo.echo_rows(ROWS)
    never = np.full(ROWS, 3.0)
    return TrainingJob(
        network="echo", features=x, feature_names=echo.NAMES, time_ms=planted.times(ROWS),
        candle_ms=echo.CANDLE_MS,
        labels={
            columns.LABEL_RETURN: x[:, 0].astype(float),
            columns.LABEL_DIRECTION: np.sign(x[:, 0]).astype(float),
            columns.LABEL_CASCADE_DOWN: never,
            columns.LABEL_CASCADE_UP: never,
        },
    )  # fmt: skip
