"""What is judged of a path: how far against a long and against a short it went, and by when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios.paths import PathBlock

LOSS_SIDES: Final = ("long", "short")


class PathLoss(NamedTuple):
    """A move that is forecast: over so many candles, to their last close or to the worst price."""

    title: str
    candles: int
    worst: bool = False  # the lowest low and the highest high on the way

    @property
    def key(self) -> str:
        """Return its name in files."""
        return self.title.replace(" ", "_")


def path_losses_of(candle_ms: int) -> tuple[PathLoss, ...]:
    """Return what is judged: one candle, a day, a week, and the worst price within the day.

    Raises
    ------
    InputError
        If a day is no whole number of candles.

    Examples
    --------
    >>> [(loss.title, loss.candles) for loss in path_losses_of(HOUR_MS)]
    [('1 h', 1), ('24 h', 24), ('168 h', 168), ('24 h, worst price', 24)]
    """
    if DAY_MS % candle_ms:
        raise InputError(f"expected candles that a day is a multiple of, got {candle_ms} ms")
    day = DAY_MS // candle_ms
    first = [PathLoss(f"{candle_ms / HOUR_MS:g} h", 1)] if day > 1 else []
    return (
        *first,
        PathLoss("24 h", day),
        PathLoss("168 h", 7 * day),
        PathLoss("24 h, worst price", day, worst=True),
    )


def losses_on(block: PathBlock, asked: Sequence[PathLoss]) -> FloatArray:
    """Return the losses of a long and a short on each path, (P, O, A, 2), as log returns.

    The worst price loses at least 0. Shape letter: O the losses asked about, in their order.
    """
    end = np.cumsum(block.close, axis=1)  # (P, T, A) log price at each close
    before = end - block.close
    out = np.empty((len(end), len(asked), end.shape[2], 2))
    for i, loss in enumerate(asked):
        if loss.worst:
            out[:, i, :, 0] = -(before + block.low)[:, : loss.candles].min(axis=1)
            out[:, i, :, 1] = (before + block.high)[:, : loss.candles].max(axis=1)
        else:
            out[:, i, :, 0] = -end[:, loss.candles - 1]
            out[:, i, :, 1] = end[:, loss.candles - 1]
    return out
