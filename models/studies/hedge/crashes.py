"""The crashes every hedge is judged by, and the worst weeks where none of them is in the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS

_WEEK: Final = 7 * 24


@dataclass(frozen=True)
class NamedCrash:
    """A named span, [start, stop) in UTC milliseconds."""

    name: str
    start_ms: int
    stop_ms: int


def _crash(name: str, start: str, stop: str) -> NamedCrash:
    def ms(day: str) -> int:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)

    return NamedCrash(name, ms(start), ms(stop))


NAMED: Final[Sequence[NamedCrash]] = (
    _crash("China ban, May 2021", "2021-05-18", "2021-05-21"),
    _crash("Leverage flush, December 2021", "2021-12-03", "2021-12-06"),
    _crash("Terra, May 2022", "2022-05-07", "2022-05-14"),
    _crash("Celsius and 3AC, June 2022", "2022-06-10", "2022-06-19"),
    _crash("FTX, November 2022", "2022-11-06", "2022-11-12"),
    _crash("Futures flush, August 2023", "2023-08-16", "2023-08-19"),
    _crash("Yen carry, August 2024", "2024-08-02", "2024-08-06"),
    _crash("Tariffs, April 2025", "2025-04-06", "2025-04-09"),
    _crash("Liquidation day, October 2025", "2025-10-10", "2025-10-12"),
)


def worst_weeks(time_ms: IntArray, returns: FloatArray, count: int = 5) -> list[NamedCrash]:
    """Return the `count` worst weeks that do not overlap, worst first; hindsight, said so by name.

    Parameters
    ----------
    time_ms, returns
        (N,) hourly.
    """
    path = np.concatenate(([0.0], np.cumsum(returns)))
    if len(path) <= _WEEK:
        return []
    result = path[_WEEK:] - path[:-_WEEK]
    out: list[NamedCrash] = []
    free = np.ones(len(result), dtype=np.bool_)
    while len(out) < count and free.any():
        first = int(np.argmin(np.where(free, result, np.inf)))
        out.append(NamedCrash(f"worst week {len(out) + 1}", int(time_ms[first]),
                         int(time_ms[first + _WEEK - 1]) + HOUR_MS))  # fmt: skip
        free[max(0, first - _WEEK + 1) : first + _WEEK] = False
    return out
