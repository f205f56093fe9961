"""Prophet's fitted function written out: broken line + waves + one value per calendar day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS

PARTS = ("trend", "seasonality", "holidays")


@dataclass(frozen=True, kw_only=True)
class ClosedForm:
    """Log price as a function of days since `origin_ms`; J changepoints, K waves, D calendar days.

    ``a sin(x) + b cos(x)`` is kept as one wave ``amplitude * sin(x + phase)``: half the sines.
    """

    origin_ms: int
    intercept: float  # log price at the origin
    slope: float  # per day
    knots: FloatArray  # (J,) days
    bends: FloatArray  # (J,) change of the slope at each knot
    frequency: FloatArray  # (K,) radians per day
    amplitude: FloatArray  # (K,)
    phase: FloatArray  # (K,) at the origin
    holidays: FloatArray  # (D,) effect of each UTC day, the first one the day before the origin's;
    # both ends are 0 and stand for all days beyond

    @property
    def day_shift(self) -> float:
        """Days to add to a time before rounding down to its place in `holidays`."""
        # A microday keeps a midnight that rounding put before itself on its own day.
        return self.origin_ms % DAY_MS / DAY_MS + 1 + 1e-6

    def day_index(self, days: FloatArray) -> IntArray:
        """Return the place of each time in `holidays`, (N,)."""
        day = np.floor(days + self.day_shift)
        return np.clip(day, 0, len(self.holidays) - 1).astype(np.int64)

    def parts(self, days: FloatArray) -> FloatArray:
        """Return the three `PARTS` (N, 3) at times (N,)."""
        trend = self.intercept + self.slope * days
        trend = trend + np.maximum(days[:, None] - self.knots, 0.0) @ self.bends
        waves = np.sin(days[:, None] * self.frequency + self.phase) @ self.amplitude
        return np.column_stack((trend, waves, self.holidays[self.day_index(days)]))

    def implied(self, days: FloatArray, ahead_days: float) -> FloatArray:
        """Return what each part adds to the log price from each time to `ahead_days` later, (N, 3).

        The level of the price plays no part: a forecast of a return to the fitted level would be a
        bet on mean reversion, which Prophet's own model does not make.
        """
        return self.parts(days + ahead_days) - self.parts(days)
