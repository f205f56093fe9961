"""The newest rows of a market's features, kept up candle by candle.

Features reach back `LOOKBACK` candles and no further, so a new row needs that many, not the whole
frame; the rows before it are already known.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from models.base.errors import InputError
from models.base.types import Candles, FloatArray, IntArray
from models.data.features.candles import LOOKBACK
from models.data.features.frame import pair_features


class NewestRows:
    """`pair_features` of the last `rows` candles of one market.

    Parameters
    ----------
    rows
        How many are kept.

    Notes
    -----
    Equal to the computation on the whole frame, up to the 1e-12 that TA-Lib's running sums depend
    on where a frame begins.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.names: tuple[str, ...] = ()
        self._candles: Candles | None = None
        self._values: FloatArray = np.empty((0, 0))

    def update(self, candles: Candles) -> tuple[IntArray, FloatArray]:
        """Return open times (rows,) and features (rows, F) up to the last of `candles`.

        Only what is new is computed. Candles that were revised since, a gap, or a first call have
        all rows computed.

        Parameters
        ----------
        candles
            Contiguous, oldest first, the newest closed one last.

        Raises
        ------
        InputError
            If there are fewer candles than the rows and their lookback need.
        """
        need = self.rows + LOOKBACK
        if len(candles) < need:
            raise InputError(f"expected at least {need} candles, got {len(candles)}")
        candles = last_of(candles, need)
        new = self._new(candles)
        if new:
            computed = pair_features(last_of(candles, LOOKBACK + new))
            fresh = np.column_stack(list(computed.values()))[-new:]  # (new, F)
            self.names = tuple(computed)
            kept = self._values[len(self._values) - (self.rows - new) :]
            self._values = np.concatenate((kept, fresh)) if new < self.rows else fresh
            self._candles = candles
        return candles.time_ms[-self.rows :], self._values

    def _new(self, candles: Candles) -> int:
        """Return how many rows have to be computed: all, unless the rest is what it was."""
        before = self._candles
        if before is None:
            return self.rows
        new = int(np.searchsorted(candles.time_ms, before.time_ms[-1], side="right"))
        new = len(candles) - new
        if new >= self.rows or not _same(before, candles, new):
            return self.rows
        return new


def last_of(candles: Candles, rows: int) -> Candles:
    """Return the last `rows` candles."""
    return candles.cut(slice(-rows, None))


def _same(before: Candles, now: Candles, new: int) -> bool:
    """Return whether `now` without its `new` last candles is how `before` ends."""
    length = len(now) - new
    return all(
        np.array_equal(getattr(before, f.name)[new:], getattr(now, f.name)[:length])
        for f in dataclasses.fields(Candles)
    )
