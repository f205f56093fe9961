"""Contiguous runs of candles, and how they are cut into sequences with burn-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from models.base.errors import AlignmentError
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import HOUR_MS

# Candles a running bot hands to a forecast, so the longest context any network may be served with.
MAX_CONTEXT_CANDLES: Final = 256
# What is tried, shortest first: the smallest that reproduces the whole pass is served.
CONTEXTS: Final = (64, 128, MAX_CONTEXT_CANDLES)
DAY_HOURS: Final = 24
WEEK_HOURS: Final = 168


@dataclass(frozen=True)
class Span:
    """Rows [start, stop) of a frame."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def contiguous_runs(time_ms: IntArray, candle_ms: int, valid: BoolArray) -> list[Span]:
    """Return the maximal spans without a missing candle or an invalid row.

    Parameters
    ----------
    time_ms
        (N,) strictly increasing candle open times.
    candle_ms
        Candle length.
    valid
        (N,) False where a row's features are not usable; such rows belong to no run.

    Raises
    ------
    AlignmentError
        If times are not strictly increasing (a shuffled frame cannot be read as a sequence).

    Examples
    --------
    >>> contiguous_runs(np.array([0, 1, 2, 5, 6]), 1, np.ones(5, bool))
    [Span(start=0, stop=3), Span(start=3, stop=5)]
    """
    breaks = np.flatnonzero(time_steps(time_ms) != candle_ms) + 1
    runs = []
    for start, stop in zip((0, *breaks), (*breaks, len(time_ms)), strict=True):
        good = np.concatenate(([False], valid[start:stop], [False])).astype(np.int8)
        edges = np.flatnonzero(np.diff(good))
        ends = zip(edges[::2], edges[1::2], strict=True)
        runs += [Span(int(start + a), int(start + b)) for a, b in ends]
    return runs


def time_steps(time_ms: IntArray) -> IntArray:
    """Return the time from each candle to the next, (N - 1,).

    Raises
    ------
    AlignmentError
        If times are not strictly increasing.
    """
    step: IntArray = time_ms[1:] - time_ms[:-1]
    if (step <= 0).any():
        row = int(np.flatnonzero(step <= 0)[0]) + 1
        raise AlignmentError(
            f"expected increasing candle times, got {time_ms[row]} after {time_ms[row - 1]}",
            where=f"row {row}",
            cure="sort the candles and drop duplicates before building features",
        )
    return step


def sequences(run: Span, burn_in: int, steps: int, phase: int = 0) -> Iterator[tuple[Span, int]]:
    """Tile `run` into sequences of `burn_in + steps` rows whose last `steps` rows tile the run.

    Yields (rows, first): `rows` are fed to the network, its outputs count from row `first` on.
    The first `burn_in` rows of a run have no full context and are never counted. `phase`
    (0..steps-1) shifts the tiling, so that the cuts differ from epoch to epoch; the rows before
    the first cut then form a shorter sequence, and the last sequence may be shorter as well.

    Examples
    --------
    >>> [(s.start, s.stop, first) for s, first in sequences(Span(0, 10), burn_in=2, steps=4)]
    [(0, 6, 2), (4, 10, 6)]
    """
    begin = run.start + burn_in
    cuts = [begin, *range(begin + (phase or steps), run.stop, steps), run.stop]
    for first, stop in pairwise(cuts):
        if stop > first:
            yield Span(first - burn_in, stop), first


def clock_flags() -> FloatArray:
    """Return which hour of the day and which weekday each hour of the week is, (168, 24 + 7).

    Examples
    --------
    >>> np.flatnonzero(clock_flags()[25]).tolist()
    [1, 25]
    """
    hour = np.arange(WEEK_HOURS)
    return np.hstack((np.eye(DAY_HOURS)[hour % DAY_HOURS], np.eye(7)[hour // DAY_HOURS]))


def hour_of_week(time_ms: IntArray, candle_ms: int) -> IntArray:
    """Return the hour of the week at each candle's close, 0..167, 0 at midnight before Thursday.

    Examples
    --------
    >>> hour_of_week(np.array([0, 23 * HOUR_MS]), HOUR_MS)
    array([ 1, 24])
    """
    out: IntArray = (time_ms + candle_ms) // HOUR_MS % WEEK_HOURS
    return out
