"""A cascade from onset to peak to end, from candles (data tier L0), on both sides.

A leg opens at a candle that meets the rule of `models.data.labels.cascade`; its peak is the extreme
price; it ends when the close has taken back 38.2 % of the move, or after a day. Whether a leg is
open is known at each close. Where its peak was is known only at its end: that is the label.
Legs less than `merge_ms` apart are one episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from models.base.types import BoolArray, Candles, FloatArray, IntArray
from models.data.labels.cascade import CascadeConfig, cascade_hits


class State(IntEnum):
    """Where a row stands; a label, for BEFORE and AFTER the end are only seen later."""

    CALM = 0
    BEFORE = 1
    DURING = 2
    AFTER = 3


@dataclass(frozen=True)
class Leg:
    """Rows of one leg: first candle, extreme, and the candle at whose close it is over."""

    onset: int
    peak: int
    end: int


@dataclass(frozen=True)
class Episode(Leg):
    """One cascade: its legs together. `side` is -1 for falls, +1 for squeezes."""

    side: int


def cascade_legs(
    candles: Candles, candle_ms: int, side: int, config: CascadeConfig
) -> tuple[list[Leg], int | None]:
    """Return the finished legs of one side, oldest first, and the onset of the open one if any.

    What is returned for the first n candles does not change when more come, but that the open leg
    is finished.
    """
    hit, _ = cascade_hits(candles, candle_ms, side, config)
    span = max(1, config.move_ms // candle_ms)
    longest = max(1, config.longest_ms // candle_ms)
    reach = candles.low if side < 0 else candles.high
    legs: list[Leg] = []
    for onset in np.flatnonzero(hit):
        if legs and onset <= legs[-1].end:
            continue
        leg = _follow(candles.close, reach, int(onset), span, side, longest, config.retrace_frac)
        if leg is None:
            return legs, int(onset)
        legs.append(leg)
    return legs, None


def _follow(
    close: FloatArray,
    reach: FloatArray,
    onset: int,
    span: int,
    side: int,
    longest: int,
    retrace_frac: float,
) -> Leg | None:
    """Return the leg that opened at `onset`, or None where the frame ends before it does."""
    start, extreme, peak = close[onset - span], reach[onset], onset
    for t in range(onset, min(onset + longest, len(close) - 1) + 1):
        if side * (reach[t] - extreme) > 0:
            extreme, peak = reach[t], t
        taken_back = side * (extreme - close[t])
        if taken_back >= retrace_frac * side * (extreme - start) or t - onset >= longest:
            return Leg(onset, peak, t)
    return None


def episodes(
    candles: Candles, candle_ms: int, config: CascadeConfig | None = None
) -> list[Episode]:
    """Return the finished cascades of both sides, oldest onset first.

    An episode's peak is its legs' most extreme price, its end the last leg's. Needs
    `merge_ms + longest_ms` of candles after an onset to be final.
    """
    found = _grouped(candles, candle_ms, config or CascadeConfig())
    return sorted((e for e, _ in found), key=lambda e: (e.onset, e.side))


def closed_episodes(
    candles: Candles, candle_ms: int, settle_candles: int, config: CascadeConfig | None = None
) -> list[tuple[Episode, int]]:
    """Return the episodes that are over for good, and the row at whose close each one was.

    Over is: no leg is open, no later hit can join, and the labels of all rows up to its end, which
    look `settle_candles` ahead, are known. More candles change nothing that is returned, they add.
    """
    config = config or CascadeConfig()
    merge = max(1, config.merge_ms // candle_ms)
    out = []
    for episode, last_hit in _grouped(candles, candle_ms, config):
        if last_hit is None:
            continue
        row = max(episode.end + settle_candles, last_hit + merge)
        if row < len(candles):
            out.append((episode, row))
    return sorted(out, key=lambda found: found[1])


def _grouped(
    candles: Candles, candle_ms: int, config: CascadeConfig
) -> Iterator[tuple[Episode, int | None]]:
    """Yield each episode with a finished leg, and its last hit: None while a leg is open."""
    merge = max(1, config.merge_ms // candle_ms)
    for side in (-1, 1):
        hit, _ = cascade_hits(candles, candle_ms, side, config)
        reach = candles.low if side < 0 else candles.high
        hits = np.flatnonzero(hit)
        legs, opened = cascade_legs(candles, candle_ms, side, config)
        groups = np.split(hits, np.flatnonzero(np.diff(hits) > merge) + 1) if len(hits) else []
        for group in groups:
            own = [leg for leg in legs if group[0] <= leg.onset <= group[-1]]
            if own:
                deepest = int(np.argmax([side * reach[leg.peak] for leg in own]))
                ongoing = opened is not None and opened <= group[-1]
                yield (
                    Episode(int(group[0]), own[deepest].peak, own[-1].end, side),
                    None if ongoing else int(group[-1]),
                )


def inside(candles: Candles, candle_ms: int, side: int, config: CascadeConfig) -> BoolArray:
    """Return whether a leg of `side` is open at each close, (N,); known at that close."""
    legs, opened = cascade_legs(candles, candle_ms, side, config)
    out = np.zeros(len(candles), dtype=np.bool_)
    for leg in legs:
        out[leg.onset : leg.end] = True
    if opened is not None:
        out[opened:] = True
    return out


def candles_to_peak(
    candles: Candles, candle_ms: int, side: int, config: CascadeConfig
) -> FloatArray:
    """Return, for rows inside a leg, 1 + the candles until its peak; NaN elsewhere, (N,).

    1 means that the peak is now or behind: nobody inside can see that, which is what makes it a
    label. NaN too inside a leg the frame does not see the end of. Looks at most `longest_ms` ahead.
    """
    legs, _ = cascade_legs(candles, candle_ms, side, config)
    out = np.full(len(candles), np.nan)
    for leg in legs:
        rows = np.arange(leg.onset, leg.end)
        out[rows] = 1 + np.maximum(leg.peak - rows, 0)
    return out


def states(found: list[Episode], rows: int, before_candles: int, after_candles: int) -> IntArray:
    """Return each row's `State`, (rows,): DURING wins over BEFORE, BEFORE over AFTER.

    A label: rows up to `before_candles` before an onset know of it.

    Examples
    --------
    >>> states([Episode(3, 4, 5, -1)], 8, 2, 1).tolist()
    [0, 1, 1, 2, 2, 3, 0, 0]
    """
    out = np.full(rows, State.CALM, dtype=np.int64)
    for e in found:
        out[e.end : e.end + after_candles] = State.AFTER
    for e in found:
        out[max(e.onset - before_candles, 0) : e.onset] = State.BEFORE
    for e in found:
        out[e.onset : max(e.end, e.onset + 1)] = State.DURING
    return out


def unsettled(candles: Candles, candle_ms: int, config: CascadeConfig) -> bool:
    """Whether a cascade of either side is not over at the last close: known there.

    A leg is open, or one more hit would still be counted to the last.
    """
    merge = max(1, config.merge_ms // candle_ms)
    for side in (-1, 1):
        hit, _ = cascade_hits(candles, candle_ms, side, config)
        if hit[-merge:].any() or cascade_legs(candles, candle_ms, side, config)[1] is not None:
            return True
    return False
