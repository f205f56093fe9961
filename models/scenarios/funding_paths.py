"""Funding on drawn paths: the rate that held in a drawn row, paid at the clock's settlement times.

Rows are drawn in any order, and only one in eight hours carries a payment. Drawn rows would pay at
random times; so a row lends its *rate* (the newest one paid by then), and the clock says when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory


@dataclass(frozen=True, kw_only=True)
class FundingPool:
    """Rates of a history's rows, and the times of day at which they are paid."""

    rate: FloatArray  # (R, A) newest rate paid up to and with the row; 0 before the first
    settles_ms: frozenset[int]  # opening times within the day of candles that pay
    candle_ms: int

    @staticmethod
    def of(history: CoinHistory) -> FundingPool:
        """Return what a history knows; a time of day settles if most of its candles paid."""
        paid = history.funding != 0
        row = np.arange(len(paid))[:, None]
        newest = np.maximum.accumulate(np.where(paid, row, -1), axis=0)  # (R, A)
        rate = np.where(
            newest >= 0, np.take_along_axis(history.funding, np.maximum(newest, 0), axis=0), 0.0
        )
        day = history.time_ms % DAY_MS
        known = (newest >= 0).any(axis=1)
        pays = paid.any(axis=1)
        times = np.unique(day[known])
        settles = frozenset(int(t) for t in times if pays[known & (day == t)].mean() > 0.5)
        return FundingPool(rate=rate, settles_ms=settles, candle_ms=history.candle_ms)

    def only(self, kept: BoolArray) -> FundingPool:
        """Return the pool of the rows of `kept`, (R,)."""
        return replace(self, rate=self.rate[kept])

    def due(self, steps: int, after: CoinHistory) -> BoolArray:
        """Return which of the `steps` candles after a history's last one pay, (T,)."""
        opens = after.time_ms[-1] + self.candle_ms * np.arange(1, steps + 1)
        return np.isin(opens % DAY_MS, list(self.settles_ms))

    def paid(self, rows: IntArray, due: BoolArray) -> FloatArray:
        """Return what is paid on paths of drawn rows (P, T) -> (P, T, A)."""
        out = np.zeros((*rows.shape, self.rate.shape[1]))
        out[:, due] = self.rate[rows[:, due]]
        return out
