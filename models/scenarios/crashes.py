"""Named crashes: the worst windows of the history again, up to half as large again.

The worst joint windows are found by a rule, not copied from a list: those in which the coins fall
deepest on average, no two overlapping, named by the day they begin. A path meets one at a rate per
year: the upper bound of theirs. The candles of the window take the place of the path's, all coins'
at once, their logs scaled by a factor drawn between `least` and `most`.

The rows of the windows are this overlay's (`taken`): a base that drew them as well would count
them twice.

Assumes that what happened can happen again, somewhat worse. Breaks where the next crash takes
another course.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.data.feeds.candles import iso
from models.scenarios.chunked import check_rows
from models.scenarios.overlays import YEAR_MS, deepest, rate_bound, years
from models.scenarios.paths import CoinHistory, PathBlock


@dataclass(frozen=True, kw_only=True)
class CrashWindow:
    """One crash of the history, (W, A) each."""

    name: str
    close: FloatArray
    low: FloatArray
    high: FloatArray
    row: int  # of the history, its first
    depth: FloatArray  # (A,) log of the lowest low over the close before


@dataclass(frozen=True, kw_only=True)
class NamedCrashes:
    """How many windows, how long, and by how much they may be worse."""

    windows: int = 8
    hours: float = 24.0
    least: float = 1.0  # factor of the logs
    most: float = 1.5
    confidence: float = 0.95  # one-sided, of the rate

    def __post_init__(self) -> None:
        if self.windows < 1 or self.hours <= 0 or not 0 < self.least <= self.most:
            raise ConfigError(
                "expected windows >= 1, hours > 0 and 0 < least <= most, got "
                f"{self.windows}, {self.hours}, {self.least} and {self.most}"
            )

    def fit(self, history: CoinHistory) -> FittedCrashes:
        """Find the worst windows.

        Raises
        ------
        InputError
            If the history has no room for them.
        """
        candles = max(1, round(self.hours * HOUR_MS / history.candle_ms))
        check_rows("crashes", history, 2 * candles * self.windows)
        found = worst_windows(history, candles, self.windows)
        yearly = rate_bound(len(found), years(history), self.confidence)
        names = ", ".join(f"{c.name} ({np.expm1(c.depth.mean()):.0%})" for c in found)
        return FittedCrashes(
            crashes=found, least=self.least, most=self.most,
            per_candle=yearly * history.candle_ms / YEAR_MS,
            notes=(f"crashes, {yearly:.2g} a year: {names}",),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FittedCrashes:
    """Windows to be pasted, and how often one begins."""

    crashes: tuple[CrashWindow, ...]
    per_candle: float
    least: float
    most: float
    notes: tuple[str, ...] = ()

    @property
    def taken(self) -> tuple[int, ...]:
        """Return the rows of the history that the windows cover."""
        return tuple(c.row + k for c in self.crashes for k in range(len(c.close)))

    def laid_over(self, block: PathBlock, rng: np.random.Generator) -> PathBlock:
        """Put at most one crash into each path."""
        paths, steps = len(block), block.close.shape[1]
        hit = rng.random(paths) < -np.expm1(-self.per_candle * steps)
        begin = rng.integers(0, steps, size=paths)
        which = rng.integers(0, len(self.crashes), size=paths)
        factor = rng.uniform(self.least, self.most, size=paths)
        close, low, high = block.close.copy(), block.low.copy(), block.high.copy()
        for p in np.flatnonzero(hit):
            crash, at = self.crashes[which[p]], begin[p]
            n = min(len(crash.close), steps - at)
            close[p, at : at + n] = factor[p] * crash.close[:n]
            low[p, at : at + n] = factor[p] * crash.low[:n]
            high[p, at : at + n] = factor[p] * crash.high[:n]
        return replace(block, close=close, low=low, high=high)


def worst_windows(history: CoinHistory, candles: int, count: int) -> tuple[CrashWindow, ...]:
    """Return the deepest joint windows that do not overlap, deepest first; fewer if none fits."""
    depth = deepest(history, candles)
    joint = np.where(np.isnan(depth).any(axis=1), np.inf, depth.mean(axis=1))
    found = []
    for _ in range(count):
        row = int(np.argmin(joint))
        if not joint[row] < 0:
            break
        rows = slice(row, row + candles)
        part = CrashWindow(
            name=iso(int(history.time_ms[row]))[:10], close=history.close[rows],
            low=history.low[rows], high=history.high[rows], row=row, depth=depth[row],
        )  # fmt: skip
        found.append(part)
        joint[max(0, row - candles + 1) : row + candles] = np.inf
    return tuple(found)
