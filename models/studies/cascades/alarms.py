"""What an alarm is worth: how many onsets it catches at a bearable number of false ones."""

from __future__ import annotations

import numpy as np

from models.base.types import FloatArray, IntArray
from models.learn.hazard.alarms import Alarms, Watch, raise_alarms

WEEK_H = 168.0
_LEVELS = 80


def at_rate(watches: list[Watch], per_week: float, window: int, candle_h: float) -> list[Alarms]:
    """Return the alarms of all watches at the lowest common threshold with few enough false ones.

    The threshold is chosen on the asked rows themselves, the same way for every score: it makes
    scores comparable, it is not a promise that a threshold chosen beforehand would do as well.
    """
    asked = np.concatenate([w.score[w.asked] for w in watches])
    budget = per_week * len(asked) * candle_h / WEEK_H
    highest = np.nextafter(asked.max(), np.inf)
    best = [raise_alarms(w, highest, window) for w in watches]
    shares = np.geomspace(1.0 / len(asked), 0.5, _LEVELS)
    for threshold in np.quantile(asked, 1.0 - shares):
        found = [raise_alarms(w, float(threshold), window) for w in watches]
        if sum(a.false for a in found) <= budget and _hits(found) >= _hits(best):
            best = found
    return best


def _hits(found: list[Alarms]) -> int:
    return sum(int(a.caught.sum()) for a in found)


def clusters(time_ms: IntArray, apart_ms: int) -> IntArray:
    """Return the number of the episode each onset belongs to, (E,): chains closer than `apart_ms`.

    Examples
    --------
    >>> clusters(np.array([0, 50, 5, 52, 300]), 10).tolist()
    [0, 1, 0, 1, 2]
    """
    order = np.argsort(time_ms, kind="stable")
    out = np.empty(len(time_ms), dtype=np.int64)
    out[order] = np.cumsum(np.concatenate(([0], np.diff(time_ms[order]) >= apart_ms)))[
        : len(time_ms)
    ]
    return out


def event_bootstrap(
    values: FloatArray, cluster: IntArray, rng: np.random.Generator, draws: int = 2000
) -> FloatArray:
    """Return (draws, ...) means of `values` (E, ...) over events, whole clusters resampled."""
    count = int(cluster.max()) + 1 if len(cluster) else 0
    sums = np.zeros((count, *values.shape[1:]))
    np.add.at(sums, cluster, values)
    sizes = np.bincount(cluster, minlength=count).astype(np.float64)
    index = rng.integers(0, count, size=(draws, count))
    total = sizes[index].sum(axis=1)
    return np.asarray(sums[index].sum(axis=1) / total.reshape(-1, *[1] * (values.ndim - 1)))
