"""Is a model still what it was on the rows its training left out? One-sided CUSUMs, day by day.

Each score of `models.serve.scores` is averaged over the candles of a day, in units of how its days
were spread on the left-out rows, and added up: ``S = max(0, S + z - 1/2)``; an alarm is S beyond a
threshold. The reference is frozen in the artifact: a model that worsens slowly is held against what
it was, never against last week.
Source: Page, "Continuous inspection schemes", Biometrika 41 (1954).

DIFF: the textbook's thresholds are for independent days. Bad days come together, so the threshold
is the one that years of the left-out days, drawn in stretches of ten (stationary bootstrap), pass
with probability `YEARLY_FALSE_ALARM`. It says nothing of years unlike all of those days, and the
left-out rows have also fitted the calibration: in truth alarms are somewhat more frequent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.serve.scores import SCORES

YEARLY_FALSE_ALARM: Final = 0.1  # chance of an alarm within a year in which nothing has changed
LEAST_DAYS: Final = 20  # of left-out rows; of fewer nobody knows what is usual
_ALLOWED: Final = 0.5  # of a day's deviation, before it adds up
_DAYS: Final = 365
_DRAWS: Final = 500
_STRETCH: Final = 10.0  # days drawn together, on average
_MOST: Final = 4.0  # deviations one day may count for: one crash is no drift


@dataclass(frozen=True)
class CusumCount:
    """How far a monitor has come: its sum, and the candles of a day that is not full yet."""

    cusum: float = 0.0
    total: float = 0.0  # of the scores of the day so far
    rows: int = 0  # of them
    days: int = 0


class Monitor:
    """One score's CUSUM against its frozen reference.

    Parameters
    ----------
    fitted
        The score's part of what `fit_reference` returned.
    rows_per_day
        Candles that are averaged.
    """

    def __init__(self, fitted: Mapping[str, Any], rows_per_day: int) -> None:
        self._mean, self._std = float(fitted["mean"]), float(fitted["std"])
        self.threshold, self._rows = float(fitted["threshold"]), rows_per_day

    def advance(self, count: CusumCount, scores: FloatArray) -> CusumCount:
        """Return the count after more rows (N,), oldest first; NaN rows are passed over.

        In how many portions rows come changes nothing.
        """
        for score in scores[np.isfinite(scores)]:
            count = CusumCount(count.cusum, count.total + float(score), count.rows + 1, count.days)
            if count.rows == self._rows:
                z = (count.total / count.rows - self._mean) / self._std
                count = CusumCount(_added(count.cusum, z), 0.0, 0, count.days + 1)
        return count

    def alarms(self, count: CusumCount) -> bool:
        """Return whether the sum is beyond the threshold."""
        return count.cusum > self.threshold


def monitors(manifest: Mapping[str, Any]) -> dict[str, Monitor]:
    """Return the monitors of an artifact by score; none where it has no reference."""
    reference = manifest.get("reference") or {"scores": {}, "rows_per_day": 1}
    return {
        name: Monitor(fitted, int(reference["rows_per_day"]))
        for name, fitted in reference["scores"].items()
        if "unfitted" not in fitted
    }


def fit_reference(scores: Mapping[str, FloatArray], candle_ms: int, seed: int) -> dict[str, Any]:
    """Return what is usual of each score, for the manifest: plain values.

    Parameters
    ----------
    scores
        By name, (N,) each, oldest first, of rows the model was not trained on; NaN elsewhere.
    seed
        Of the bootstrap; the same scores and seed give the same numbers.
    """
    rows_per_day = max(1, DAY_MS // candle_ms)
    draws = np.random.default_rng(seed)
    return {
        "rows_per_day": rows_per_day,
        "yearly_false_alarm": YEARLY_FALSE_ALARM,
        "scores": {name: _fitted(scores[name], rows_per_day, draws) for name in SCORES},
    }


def _fitted(scores: FloatArray, rows_per_day: int, rng: np.random.Generator) -> dict[str, Any]:
    known = scores[np.isfinite(scores)]
    whole = len(known) // rows_per_day
    if whole < LEAST_DAYS:
        return {"unfitted": f"{whole} days of left-out rows, expected at least {LEAST_DAYS}"}
    days = known[: whole * rows_per_day].reshape(whole, rows_per_day).mean(axis=1)
    mean, std = float(days.mean()), float(days.std(ddof=1))
    if not std > 1e-12 * max(1.0, abs(mean)):
        return {"unfitted": f"it was {mean:.6g} on every day, as of a model without it"}
    z = (days - mean) / std
    drawn = z[stationary_indices(whole, _STRETCH, _DRAWS, rng, length=_DAYS)]  # (draws, days)
    cusum, highest = np.zeros(_DRAWS), np.zeros(_DRAWS)
    for day in drawn.T:
        cusum = np.maximum(0.0, cusum + np.clip(day, -_MOST, _MOST) - _ALLOWED)
        np.maximum(highest, cusum, out=highest)
    threshold = float(np.quantile(highest, 1 - YEARLY_FALSE_ALARM))
    return {"mean": mean, "std": std, "threshold": threshold, "days": whole}


def _added(cusum: float, z: float) -> float:
    return max(0.0, cusum + min(max(z, -_MOST), _MOST) - _ALLOWED)
