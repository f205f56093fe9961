"""What the collector's files say, on the candles' clock: features that may be missing.

A value counts from when it was published and received, whichever is later, and as it was first
told: revisions are left alone. What is missing or stale is NaN with its age beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS, MINUTE_MS
from models.data.feeds.catalog import KINDS, MARKET, feed_kind, readable_sources, sources_of
from models.data.feeds.point_in_time import Joined, join, window_sum
from models.data.feeds.store import Origin, files, records

WRITTEN_MS: Final = 1000  # from receipt to the disk, at worst: nobody reads it before
_COVERED: Final = 0.9  # of an hour, for its liquidations to be known

Values = Mapping[str, FloatArray]  # name -> (M,)
Feature = Callable[[Values], FloatArray]

# Feed -> the features it gives, by name. Open interest and liquidations see below.
_FEATURES: Final[Mapping[str, Mapping[str, Feature]]] = {
    "order_book": {
        "depth_imbalance": lambda v: np.log(v["bid_quote"]) - np.log(v["ask_quote"]),
        "spread": lambda v: v["spread_frac"],
    },
    **{name: {name: lambda v: v["rate"]} for name in KINDS if name.startswith("funding_")},
    "long_short": {"long_short": lambda v: np.log(v["ratio"])},
    "mempool": {"waiting": lambda v: np.log1p(v["waiting"])},
    "whales": {"whales": lambda v: np.log1p(v["moved_base"])},
    "votes": {"votes": lambda v: v["up_frac"]},
    "fear_greed": {"fear_greed": lambda v: v["index"] / 100},
}


def _alive(values: Values) -> FloatArray:
    """A stream's signs of life; what happened is none, it may have been the last."""
    return np.where(values["covered_s"] > 0, 1.0, np.nan)


class _Named(dict[str, FloatArray]):
    """Values by name; what nobody has told is NaN throughout."""

    def __init__(self, values: Values, rows: int) -> None:
        super().__init__(values)
        self._rows = rows

    def __missing__(self, name: str) -> FloatArray:
        return np.full(self._rows, np.nan)


class _Readings(NamedTuple):
    """What one source told, in the order of receipt, each event as first told."""

    event_ms: IntArray  # (M,)
    readable_ms: IntArray  # (M,) when it could be read on the disk
    values: Values


class Collected:
    """Reads the collector's files; one that has not grown is read once.

    Parameters
    ----------
    root
        Folder of the records; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._days: dict[Path, tuple[int, _Readings]] = {}  # file -> its size, and what is in it

    def features(self, coin: str, close_ms: IntArray) -> dict[str, FloatArray]:
        """Return name -> (N,) feature known at each close, and its log age in hours beside it.

        The names are the same whatever was collected. The first source with a fresh value at a
        close tells it. Closes are on whole minutes.

        Raises
        ------
        InputError
            If a file holds something else than the collector's records.
        """
        found: dict[str, Joined] = {}
        for feed, wanted in _FEATURES.items():
            of = coin if KINDS[feed].per_coin else MARKET
            for name, feature in wanted.items():
                found[name] = self.known(feed, of, feature, close_ms)
        found["interest_1d"] = self._interest(coin, close_ms)
        found |= self._liquidated(coin, close_ms)
        out: dict[str, FloatArray] = {}
        for name, joined in found.items():
            out |= {name: joined.value, f"{name}_age": np.log1p(joined.age_ms / HOUR_MS)}
        return out

    def known(self, feed: str, coin: str, feature: Feature, close_ms: IntArray) -> Joined:
        """Return (N,) what `feature` makes of a feed's values, as known at each close."""
        readings = [
            self._readings(Origin(feed, coin, source), close_ms)
            for source in readable_sources(feed, coin)
        ]
        return _first([_joined(feed, one, feature, close_ms) for one in readings])

    def _interest(self, coin: str, close_ms: IntArray) -> Joined:
        """Log change of open interest in a day, each within one source: their levels differ."""
        changes = []
        for source in readable_sources("open_interest", coin):
            readings = self._readings(Origin("open_interest", coin, source), close_ms, DAY_MS)
            now, then = (
                _joined("open_interest", readings, lambda v: np.log(v["base"]), close_ms - back)
                for back in (0, DAY_MS)
            )
            changes.append(Joined(now.value - then.value, now.age_ms))
        return _first(changes)

    def _liquidated(self, coin: str, close_ms: IntArray) -> dict[str, Joined]:
        """Longs and shorts liquidated in the hour before each close, where the stream was up."""
        wanted = {"longs_liquidated": "long_quote", "shorts_liquidated": "short_quote"}
        found: dict[str, list[Joined]] = {name: [] for name in wanted}
        for source in sources_of("liquidations", coin):
            readings = self._readings(Origin("liquidations", coin, source), close_ms, HOUR_MS)
            covered = _of(readings, "covered_s")
            alive = _joined("liquidations", readings, _alive, close_ms)
            covered_s = window_sum(close_ms, readings.readable_ms, covered, HOUR_MS)
            known = np.isfinite(alive.value) & (1000 * covered_s >= _COVERED * HOUR_MS)
            for name, side in wanted.items():
                total = window_sum(close_ms, readings.readable_ms, _of(readings, side), HOUR_MS)
                value = np.where(known, np.log1p(total), np.nan)
                found[name].append(Joined(value, alive.age_ms))
        return {name: _first(joined) for name, joined in found.items()}

    def _readings(self, origin: Origin, close_ms: IntArray, before_ms: int = 0) -> _Readings:
        """Return what a source told that may matter at the closes, or up to `before_ms` before."""
        if not len(close_ms):
            return _joint([])
        reach = before_ms + int(1000 * feed_kind(origin.feed).stale_s) + DAY_MS
        paths = files(self._root, origin, int(close_ms[0]) - reach, int(close_ms[-1]))
        return _joint([self._of_day(origin.feed, path) for path in paths])

    def _of_day(self, feed: str, path: Path) -> _Readings:
        size = path.stat().st_size
        if path not in self._days or self._days[path][0] != size:
            first = [r for r in records(path) if r.revision == 0]
            names = sorted({name for r in first for name in r.values})
            readings = _Readings(
                np.array([r.event_ms for r in first], dtype=np.int64),
                np.array([r.received_ms for r in first], dtype=np.int64) + WRITTEN_MS,
                {n: np.array([r.values.get(n, np.nan) for r in first], float) for n in names},
            )
            kept = readings if feed == "liquidations" else _thinned(feed, readings)
            self._days[path] = (size, kept)
        return self._days[path][1]


def _thinned(feed: str, readings: _Readings) -> _Readings:
    """Keep the newest event of those that become known in one minute: no close lies between."""
    known = np.maximum(readings.event_ms + int(1000 * feed_kind(feed).lag_s), readings.readable_ms)
    minute = -(-known // MINUTE_MS)
    order = np.lexsort((readings.event_ms, minute))
    last = np.append(np.diff(minute[order]) != 0, True)[: len(order)]
    kept = np.sort(order[last])
    return _Readings(readings.event_ms[kept], readings.readable_ms[kept],
                 {name: values[kept] for name, values in readings.values.items()})  # fmt: skip


def _joint(days: Sequence[_Readings]) -> _Readings:
    names = {name for day in days for name in day.values}
    none = np.array([], dtype=np.int64)
    return _Readings(
        np.concatenate([none, *(day.event_ms for day in days)]),
        np.concatenate([none, *(day.readable_ms for day in days)]),
        {name: np.concatenate([_of(day, name) for day in days]) for name in names},
    )


def _of(readings: _Readings, name: str) -> FloatArray:
    return readings.values.get(name, np.full(len(readings.event_ms), np.nan))


def _joined(feed: str, readings: _Readings, feature: Feature, close_ms: IntArray) -> Joined:
    kind = feed_kind(feed)
    values = np.array([], dtype=np.float64)
    if len(readings.event_ms):
        with np.errstate(divide="ignore", invalid="ignore"):
            values = feature(_Named(readings.values, len(readings.event_ms)))
    return join(
        close_ms,
        readings.event_ms,
        values,
        lag_ms=int(1000 * kind.lag_s),
        longest_ms=int(1000 * kind.stale_s),
        received_ms=readings.readable_ms,
    )


def _first(sources: Sequence[Joined]) -> Joined:
    """Return the first source's value where it has one, else the next one's; the age likewise.

    Where none has a fresh value the age is the youngest there is.
    """
    value, age = sources[0].value.copy(), sources[0].age_ms.copy()
    for one in sources[1:]:
        missing = np.isnan(value)
        filled = missing & np.isfinite(one.value)
        younger = missing & ~filled & np.isfinite(one.age_ms) & ~(age <= one.age_ms)
        value[filled] = one.value[filled]
        age[filled | younger] = one.age_ms[filled | younger]
    return Joined(value, age)
