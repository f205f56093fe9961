"""The same candles with another future, and the first row that knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.base.errors import InputError
from models.base.types import Candles, FloatArray


class Noticed(NamedTuple):
    """A value that changed although nothing known at its row has."""

    column: str
    row: int
    difference: float  # NaN where only one of the two is known


def altered_future(candles: Candles, first: int, rng: np.random.Generator) -> Candles:
    """Return the candles with those from `first` on in another order: another path, same shapes.

    Each candle keeps its shape relative to the close before it, and its volume; prices go on from
    the last candle that stays. The first altered candle always differs.

    Raises
    ------
    InputError
        If fewer than two candles would be altered, or none stays.
    """
    n = len(candles)
    if not 1 <= first <= n - 2:
        raise InputError(f"expected the first altered candle in 1 to {n - 2}, got {first}")
    before = candles.close[first - 1 : -1]
    shapes = {
        name: np.log(getattr(candles, name)[first:] / before)
        for name in ("open", "high", "low", "close")
    }
    order = rng.permutation(n - first)
    if order[0] == 0:
        order = np.roll(order, 1)
    ends = np.cumsum(shapes["close"][order])
    starts = np.log(candles.close[first - 1]) + np.concatenate(([0.0], ends[:-1]))
    changed: dict[str, FloatArray] = {
        name: np.concatenate((getattr(candles, name)[:first], np.exp(starts + shape[order])))
        for name, shape in shapes.items()
    }
    volume = np.concatenate((candles.volume[:first], candles.volume[first:][order]))
    return Candles(time_ms=candles.time_ms, volume=volume, **changed)


def first_noticed(
    before: Mapping[str, FloatArray], after: Mapping[str, FloatArray], rows: int
) -> Noticed | None:
    """Return the earliest of the first `rows` rows on which a column differs; None if none does.

    Parameters
    ----------
    before, after
        Column -> (N,), with one future and with another. Equal means bit for bit; NaN equals NaN.
    """
    found: list[Noticed] = []
    for name, values in before.items():
        ours, theirs = values[:rows], after[name][:rows]
        differs = ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
        if differs.any():
            row = int(np.flatnonzero(differs)[0])
            found.append(Noticed(name, row, float(abs(ours[row] - theirs[row]))))
    return min(found, key=lambda one: one.row, default=None)
