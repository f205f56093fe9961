"""Where the time goes between a candle's close and its order: stages, budgets, percentiles.

Numbers only; whoever watches a bot hands in what it saw. All times are milliseconds of a monotonic
clock whose zero is the candle's close.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.base.errors import ConfigError
from models.operate.journal.records import JournalRecord

# In the order they happen. Between decision and guards a bot looks at its other pairs and trades.
STAGES: Final = (
    "request",  # close -> candles asked for
    "data",  # -> candles there
    "features",  # pair's analysis begins -> features computed
    "inference",  # -> forecast there
    "decision",  # -> entry and exit signals there
    "guards",  # sizing begins -> entry confirmed
    "sent",  # -> order leaves
    "acknowledged",  # -> answer of the exchange
)
TO_DECISION: Final = "close_to_decision"
TO_ORDER: Final = "close_to_order"

# Own time of each stage at the 99th percentile; what the whole way may take is `SLOW_MS`.
BUDGET_MS: Final[Mapping[str, float]] = {
    "request": 20, "data": 60, "features": 10, "inference": 5, "decision": 10, "guards": 10,
    "sent": 40, "acknowledged": 50, TO_DECISION: 100, TO_ORDER: 150,
}  # fmt: skip
SLOW_MS: Final = 200.0
_ENOUGH: Final = 20  # candles before a 99th percentile may condemn


@dataclass(frozen=True, kw_only=True)
class CandleLatency(JournalRecord):
    """One pair's way through one candle; stages that did not happen are missing."""

    pair: str
    candle_ms: int  # when the candle opened, UTC
    took_ms: Mapping[str, float] = field(default_factory=dict)  # stage -> its own time
    at_ms: Mapping[str, float] = field(default_factory=dict)  # stage -> its end, since the close


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """What a number of measurements says, in their unit."""

    count: int
    p50: float
    p95: float
    p99: float
    budget: float | None = None

    @property
    def over_budget(self) -> bool:
        """Whether the 99th percentile is beyond the budget."""
        return self.budget is not None and self.p99 > self.budget


def percentiles(values: Iterable[float], budget: float | None = None) -> Percentiles:
    """Return the 50th, 95th and 99th percentile: each a value that was measured, never between two.

    The p-th is the smallest with at least p % of all at or below it (nearest rank); so few values
    make their largest the 99th, not something smaller. NaN without any.

    Examples
    --------
    >>> p = percentiles([30.0, 10.0, 20.0])
    >>> p.count, p.p50, p.p99
    (3, 20.0, 30.0)
    """
    given = np.sort(np.fromiter(values, dtype=np.float64))
    if not len(given):
        return Percentiles(count=0, p50=np.nan, p95=np.nan, p99=np.nan, budget=budget)
    ranks = (int(np.ceil(p / 100 * len(given))) - 1 for p in (50, 95, 99))
    p50, p95, p99 = (float(given[rank]) for rank in ranks)
    return Percentiles(count=len(given), p50=p50, p95=p95, p99=p99, budget=budget)


class LatencySummary:
    """The newest measurements of each stage, and whether the way has become too long.

    What happened before the oldest decision kept is forgotten, orders too: a bot that sends none
    for having once been slow is judged by what it has done since.

    Parameters
    ----------
    window
        Measurements kept of each stage; older ones are forgotten.
    """

    def __init__(self, window: int = 1000) -> None:
        if window < _ENOUGH:
            raise ConfigError(f"expected a window of at least {_ENOUGH}, got {window}")
        # (when the candle opened, milliseconds), oldest first
        self._kept: dict[str, deque[tuple[int, float]]] = {
            name: deque(maxlen=window) for name in (*STAGES, TO_DECISION, TO_ORDER)
        }

    def add(self, candle: CandleLatency) -> None:
        """Count one pair's candle."""
        for stage, took in candle.took_ms.items():
            self._kept[stage].append((candle.candle_ms, took))
        for stage, total in (("decision", TO_DECISION), ("sent", TO_ORDER)):
            if stage in candle.at_ms:
                self._kept[total].append((candle.candle_ms, candle.at_ms[stage]))
        if decided := self._kept[TO_DECISION]:
            for kept in self._kept.values():
                while kept and kept[0][0] < decided[0][0]:
                    kept.popleft()

    def table(self) -> dict[str, Percentiles]:
        """Return stage -> percentiles, milliseconds, for the stages seen so far."""
        return {
            name: self._percentiles(name, BUDGET_MS[name])
            for name, kept in self._kept.items()
            if kept
        }

    @property
    def whole(self) -> Percentiles | None:
        """The whole way, close -> order, as one verdict; None before there is enough to judge.

        Before there have been enough orders, close -> decision stands for it.
        """
        for total in (TO_ORDER, TO_DECISION):
            if len(self._kept[total]) >= _ENOUGH:
                return self._percentiles(total, SLOW_MS)
        return None

    def _percentiles(self, stage: str, budget: float) -> Percentiles:
        return percentiles((value for _, value in self._kept[stage]), budget)

    @property
    def slow(self) -> bool:
        """Whether the 99th percentile of the whole way is over `SLOW_MS`, as far as is known."""
        return self.whole is not None and self.whole.over_budget
