"""What weeks of collecting have left on the disk, for models that are trained on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from models.base.units import HOUR_MS, MINUTE_MS
from models.data.feeds.catalog import KINDS, MARKET, sources_of
from models.data.feeds.store import FeedRecord, Origin, Writer


class _Told(NamedTuple):
    """How old a feed's newest event is at an hour's end, and what it says, given a draw of N(0, 1).

    Around what the providers' doubles answer (`tests.feeds.answers`).
    """

    before_ms: int
    values: Callable[[float], Mapping[str, float]]


_TOLD: Final = {
    "order_book": _Told(20_000, lambda z: {
        "mid": 100.0, "spread_frac": 0.002, "bid_quote": 1989.0 * np.exp(0.3 * z),
        "ask_quote": 2011.0,
    }),
    "liquidations": _Told(20_000, lambda z: {
        "long_quote": 0.0 if z < 1 else 1e4 * z, "short_quote": 0.0, "covered_s": 3600.0,
    }),
    "open_interest": _Told(10 * MINUTE_MS, lambda z: {"base": 1250.0 * np.exp(0.1 * z)}),
    "long_short": _Told(10 * MINUTE_MS, lambda z: {"ratio": 2.0 * np.exp(0.1 * z)}),
    "mempool": _Told(5 * MINUTE_MS, lambda z: {"waiting": round(8160 * np.exp(0.1 * z))}),
    "whales": _Told(5 * MINUTE_MS, lambda z: {"transfers": 24.0, "moved_base": 4.8e5 + 1e4 * z}),
}  # fmt: skip


def write_history(root: Path, coin: str, stop_ms: int, days: int, seed: int = 0) -> None:
    """Write a record an hour of each feed of `coin`, each as told by its first source.

    The hours are whole ones, the last ends before `stop_ms`. Feeds not told above never were.
    """
    draw = np.random.default_rng(seed)
    last = stop_ms // HOUR_MS * HOUR_MS
    ends = last - HOUR_MS * np.arange(24 * days)[::-1]
    for feed, told in _TOLD.items():
        of = coin if KINDS[feed].per_coin else MARKET
        writer = Writer(root, Origin(feed, of, sources_of(feed, of)[0]))
        writer.append([
            FeedRecord(int(end - told.before_ms), int(end - told.before_ms + 5 * MINUTE_MS * (
                feed in ("open_interest", "long_short"))),
                {name: float(v) for name, v in told.values(z).items()})
            for end, z in zip(ends, draw.normal(size=len(ends)), strict=True)
        ])  # fmt: skip
        writer.close()
