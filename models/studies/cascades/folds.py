"""Which rows are fitted on and which are asked, so that no label of one reaches the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, IntArray
from models.base.units import HOUR_MS

WALK_FORWARD = "walk-forward"
COIN_OUT = "leave one coin out"
EPISODE_OUT = "leave one episode out"
SCHEMES = (WALK_FORWARD, COIN_OUT, EPISODE_OUT)


@dataclass(frozen=True)
class CascadeFold:
    """Row masks by coin; a coin that is not fitted on has no row in `train`."""

    name: str
    train: dict[str, BoolArray]
    test: dict[str, BoolArray]


def walk_forward(
    times: dict[str, IntArray], start_ms: int, count: int, reach_ms: int
) -> list[CascadeFold]:
    """Return `count` consecutive test spans from `start_ms` to the end, fitted on what was before.

    Parameters
    ----------
    times
        Coin to (N,) candle open times.
    reach_ms
        The furthest a label looks ahead: rows that close to a test span are not fitted on.
    """
    out = []
    stop_ms = max(int(t[-1]) for t in times.values()) + 1
    if start_ms >= stop_ms:
        raise InputError("expected candles after the start of the test span, got none")
    for begin, end in pairwise(np.linspace(start_ms, stop_ms, count + 1).astype(np.int64)):
        out.append(
            CascadeFold(
                f"from {np.datetime64(int(begin), 'ms').astype('datetime64[D]')}",
                {name: t < begin - reach_ms for name, t in times.items()},
                {name: (t >= begin) & (t < end) for name, t in times.items()},
            )
        )
    return out


def coins_out(folds: list[CascadeFold], asked: tuple[str, ...]) -> list[CascadeFold]:
    """Return each fold once per coin of `asked`, fitted on the others and asked about it alone.

    The others are cut at the same moment: crashes are shared, and a fold that knew another coin's
    would know this one's.
    """
    return [
        CascadeFold(
            f"{name} {fold.name}",
            {k: v & (k != name) for k, v in fold.train.items()},
            {name: fold.test[name]},
        )
        for fold in folds
        for name in asked
    ]


def episodes_out(
    times: dict[str, IntArray],
    onset_ms: IntArray,
    start_ms: int,
    block_ms: int,
    groups: int,
    reach_ms: int,
) -> list[CascadeFold]:
    """Return folds that each leave out every `groups`-th block of time, with all coins' rows of it.

    Parameters
    ----------
    onset_ms
        Onsets of all coins and sides; a block's edge is moved back until none is within `reach_ms`
        of it, so that no episode is cut.
    reach_ms
        Horizon + lookback: rows this close to a block on either side are not fitted on.
    """
    stop_ms = max(int(t[-1]) for t in times.values()) + 1
    first = min(int(t[0]) for t in times.values())
    edges = [first]
    while edges[-1] + block_ms < stop_ms:
        edges.append(_quiet(edges[-1] + block_ms, np.sort(onset_ms), reach_ms, edges[-1]))
    blocks = list(pairwise([*edges, stop_ms]))
    out = []
    for group in range(groups):
        train, test = {}, {}
        for name, t in times.items():
            keep, ask = np.ones(len(t), bool), np.zeros(len(t), bool)
            for begin, end in blocks[group::groups]:
                keep &= (t < begin - reach_ms) | (t >= end + reach_ms)
                ask |= (t >= begin) & (t < end)
            train[name], test[name] = keep, ask & (t >= start_ms)
        out.append(CascadeFold(f"blocks {group + 1} of {groups}", train, test))
    return out


def _quiet(edge: int, onset_ms: IntArray, reach_ms: int, after: int) -> int:
    """Return the last moment up to `edge` that is no onset's, or `edge` where there is none."""
    hour = HOUR_MS
    for moved in range(edge, after + reach_ms, -hour):
        low, high = np.searchsorted(onset_ms, (moved - reach_ms, moved + reach_ms))
        if low == high:
            return moved
    return edge
