"""Rows for a path's blocks to start from: those that came at a volatility like the path's.

Surprises in units of sigma are not the same at any sigma: where it is low, wide candles and rises
among them come oftener. So a block starts from the rows nearest in log sigma, coins averaged: the
local bootstrap (Paparoditis & Politis, "The local bootstrap for Markov processes", Journal of
Statistical Planning and Inference 108, 2002; with as many neighbours everywhere as Lall & Sharma,
Water Resources Research 32, 1996). A block goes on row by row, as any of `filtered.py`.

Breaks where surprises depend on more than the level of volatility, and at levels rarely seen, whose
neighbours are of others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class NeighbourRows:
    """The rows of a history in the order of their volatility."""

    level: FloatArray  # (R,) mean log sigma of all coins, increasing
    row: IntArray  # (R,) whose it is
    count: int  # a block starts from one of so many
    mean_block: float  # candles, of the geometric block length

    @staticmethod
    def of(sigma: FloatArray, share: float, mean_block: float) -> NeighbourRows:
        """Return what sigma of each row (R, A) says; `share` of the rows are neighbours."""
        level = np.log(sigma).mean(axis=1)
        row = np.argsort(level, kind="stable")
        count = max(1, int(share * len(row)))
        return NeighbourRows(level=level[row], row=row, count=count, mean_block=mean_block)

    def drawn(
        self, sigma: FloatArray, before: IntArray | None, rng: np.random.Generator
    ) -> IntArray:
        """Return the next row of each path at its sigma (P, A), after the rows `before`, (P,).

        The newest row of the history has none behind it: a block ends there.

        Examples
        --------
        >>> rows = NeighbourRows.of(np.array([[3.0], [1.0], [2.0]]), share=0.4, mean_block=9.0)
        >>> rows.drawn(np.array([[0.5], [2.9]]), None, np.random.default_rng(0)).tolist()
        [1, 0]
        """
        rows = len(self.row)
        at = np.searchsorted(self.level, np.log(sigma).mean(axis=1)) - self.count // 2
        nearest = np.clip(at, 0, rows - self.count)
        fresh: IntArray = self.row[nearest + rng.integers(0, self.count, len(sigma))]
        if before is None:
            return fresh
        goes_on = (rng.random(len(sigma)) >= 1.0 / self.mean_block) & (before + 1 < rows)
        return np.where(goes_on, before + 1, fresh)
