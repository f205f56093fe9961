"""Alarms: what warning at a hazard's level catches, and how often it is wrong.

An alarm is an episode, not a row: raised at the first row at or above the level, it stands for
`window` candles, the horizon of the hazard, in which no other is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import DAY_MS

# Less would not be expected to show one false alarm at the rate of one a month.
MIN_WEEKS: Final = 4.0
# Of hazards above all that were asked: once in twenty years. FreqAI takes 0 for no forecast.
SELDOM: Final = 1e-3
_LEVELS: Final = 80
_WEEK_MS: Final = 7 * DAY_MS


@dataclass(frozen=True)
class Watch:
    """One coin and side to be watched; rows are candles in time order.

    Attributes
    ----------
    score
        (N,) higher is more alarming.
    asked
        (N,) rows at which an alarm may be raised.
    onsets
        (E,) rows of the onsets to be caught.
    """

    score: FloatArray
    asked: BoolArray
    onsets: IntArray


@dataclass(frozen=True)
class Alarms:
    """What one threshold raises on one watch."""

    caught: BoolArray  # (E,)
    lead: FloatArray  # (E,) candles from the first alarm of its window to the onset, NaN if missed
    raised: IntArray  # (A,) rows
    right: BoolArray  # (A,)

    @property
    def false(self) -> int:
        return int((~self.right).sum())


def raise_alarms(watch: Watch, threshold: float, window: int) -> Alarms:
    """Return what comes of warning at every score >= `threshold`.

    An alarm stands for `window` candles, during which no other is raised; it is right if an onset
    comes in them, the next candle being the first. Known at the close of the candle it is raised
    on, so the shortest lead is one candle.
    """
    rows = np.flatnonzero(watch.asked & (watch.score >= threshold))
    raised: list[int] = []
    at = 0
    while at < len(rows):
        raised.append(int(rows[at]))
        at = int(np.searchsorted(rows, raised[-1] + window))
    alarms = np.array(raised, dtype=np.int64)
    caught = np.zeros(len(watch.onsets), bool)
    lead = np.full(len(watch.onsets), np.nan)
    right = np.zeros(len(alarms), bool)
    for i, onset in enumerate(watch.onsets):
        low, high = np.searchsorted(alarms, (onset - window, onset))
        if high > low:
            caught[i], lead[i] = True, onset - alarms[low]
            right[low:high] = True
    return Alarms(caught, lead, alarms, right)


def false_alarm_levels(
    watches: list[Watch],
    window: int,
    candle_ms: int,
    served: list[FloatArray] | None = None,
) -> dict[str, Any]:
    """Return how many alarms a week and coin are false at each level of the hazard; JSON-able.

    Parameters
    ----------
    watches
        Scores are hazards in [0, 1] of rows the model was not trained on, one side, all coins.
    window
        Candles an alarm stands: the horizon of the hazard.
    served
        Hazards (N,) of each coin's rows by the model to be served, where others answered in the
        watches because it was trained on them. The levels are its own then: those it reaches in as
        many rows. A committee's mean is more even than its members, trees of more rows less.

    Returns
    -------
    dict
        ``hazard`` levels, rising from 0, and ``per_week``, never rising with them: warning at a
        level or above was wrong so often, on ``weeks`` of asked rows with ``onsets``, of which
        ``caught`` were caught. Without an onset, or on fewer than `MIN_WEEKS`, nobody can say what
        a level is worth: the lists are empty, and ``unfitted`` says why.

    Notes
    -----
    Counts fall with the level but for merging, which makes one alarm of many: each rate is the
    highest of its level and those above. The last level is just above all hazards: `SELDOM` there.
    """
    asked = np.concatenate([w.score[w.asked] for w in watches]) if watches else np.empty(0)
    weeks = len(asked) * candle_ms / _WEEK_MS
    onsets = sum(len(w.onsets) for w in watches)
    told: dict[str, Any] = {"weeks": weeks, "onsets": onsets, "unfitted": None}
    if weeks < MIN_WEEKS or not onsets:
        why = (
            f"{onsets} onsets in {weeks:.1f} weeks of rows it was not trained on: expected 1 onset "
            f"and {MIN_WEEKS:g} weeks at least"
        )
        return {**told, "hazard": [], "per_week": [], "caught": [], "unfitted": why}
    levels = _levels(asked)
    raised = [[raise_alarms(w, level, window) for w in watches] for level in levels]
    false = np.array([sum(alarms.false for alarms in found) for found in raised], np.float64)
    per_week = np.maximum(np.maximum.accumulate(false[::-1])[::-1] / weeks, SELDOM)
    caught = [sum(int(alarms.caught.sum()) for alarms in found) for found in raised]
    if served is not None:
        own = np.concatenate([p[w.asked] for p, w in zip(served, watches, strict=True)])
        levels = _reached_as_often(levels, asked, own)
    # Where several levels became one, the lowest of them counts: the most rows, the highest rate.
    levels, first = np.unique(levels, return_index=True)
    return {
        **told,
        "hazard": levels.tolist(),
        "per_week": per_week[first].tolist(),
        "caught": [caught[i] for i in first],
    }


def _levels(asked: FloatArray) -> FloatArray:
    """Return rising levels: 0, ever rarer shares of the hazards (R,), and just above them all."""
    shares = np.geomspace(1.0 / len(asked), 1.0, _LEVELS)
    above = np.nextafter(asked.max(), np.inf)
    return np.unique(np.concatenate(([0.0], np.quantile(asked, 1.0 - shares), [above])))


def _reached_as_often(levels: FloatArray, asked: FloatArray, own: FloatArray) -> FloatArray:
    """Return the levels that no more of `own` (R,) reach than of `asked` (R,) reach `levels`."""
    rows = len(asked)
    reach = rows - np.searchsorted(np.sort(asked), levels)  # rows at or above each level
    falling = np.sort(own)[::-1]
    above = np.nextafter(falling[0], np.inf)
    out = np.array([falling[n - 1] if n else above for n in reach])
    # Of equal hazards all reach a level or none: up to the next one, if that is too many.
    many = np.array([(own >= level).sum() for level in out]) > reach
    out[many] = np.nextafter(out[many], np.inf)
    out[0] = 0.0
    return out
