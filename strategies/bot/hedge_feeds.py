"""The collected feeds as the hedge sees them: columns for its model, ages for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pandas import DataFrame

from models.base import columns
from models.base.errors import PackError
from models.base.files import Clock, wall_clock_ms
from models.data.feeds.catalog import CollectConfig, Freshness, freshness
from models.data.feeds.collected import Collected
from strategies.bot import frames

logger = logging.getLogger(__name__)

_SILENT_MS = 60_000  # the collector tells how it is every few seconds


class HedgeFeeds:
    """Reads what `breakwater collect` writes.

    Parameters
    ----------
    userdir
        The bot's, below which the records are unless the config says otherwise.
    """

    def __init__(self, config: CollectConfig, userdir: Path, clock: Clock = wall_clock_ms) -> None:
        self._config, self._root, self._clock = config, config.root(userdir), clock
        self._collected = Collected(self._root)
        self._broken = ""
        self._unsound: frozenset[str] = frozenset()  # as last told to a person

    def with_columns(self, frame: DataFrame, pair: str, candle_ms: int) -> DataFrame:
        """Return `frame` with the feeds of the pair's coin, as known at each candle's close.

        The model is told of all of them as missing while the files cannot be read.
        """
        coin = pair.split("/")[0]
        close_ms = frames.time_ms(frame) + candle_ms
        try:
            found = self._collected.features(coin, close_ms)
            self._broken = ""
        except (PackError, OSError) as error:
            if str(error) != self._broken:
                logger.warning("feeds are masked: %s", error)
            self._broken = str(error)
            nothing = Collected(self._root / "none").features(coin, close_ms)
            found = {name: np.full(len(frame), np.nan) for name in nothing}
        return frame.assign(**{f"{columns.FEED}{name}": v for name, v in found.items()})

    def changes(self) -> str:
        """Return what fell silent and what came back since the last call, or nothing."""
        try:
            seen = freshness(self._config, self._root, self._clock())
        except PackError as error:
            unsound = {"report": str(error)}
        else:
            unsound = {_named(f): _described(f) for f in seen.feeds if f.state != "fresh"}
            if seen.silent_ms is None:
                unsound = {"collector": "the collector, which never ran here"}
            elif seen.silent_ms > _SILENT_MS:
                unsound["collector"] = (
                    f"the collector, silent for {seen.silent_ms / 60_000:.0f} min"
                )
        gone = [text for name, text in unsound.items() if name not in self._unsound]
        back = sorted(self._unsound - set(unsound))
        self._unsound = frozenset(unsound)
        told = {"Without": gone, "Back": back}
        return ". ".join(f"{what}: {'; '.join(which)}" for what, which in told.items() if which)

    def figures(self) -> Mapping[str, float]:
        """Return the age of each feed that has one, and which are stale or missing.

        Nothing where no collector ever ran: nobody has asked for feeds.
        """
        seen = freshness(self._config, self._root, self._clock())
        if seen.silent_ms is None:
            return {}
        ages = {
            f"feed {_named(feed)}{' (STALE)' if feed.state == 'stale' else ''}, min old": round(
                feed.age_ms / 60_000, 1
            )
            for feed in seen.feeds
            if feed.age_ms is not None
        }
        missing = [_named(feed) for feed in seen.feeds if feed.state == "missing"]
        never = {f"feeds never told ({', '.join(missing)})": float(len(missing))} if missing else {}
        unsound = sum(feed.state != "fresh" for feed in seen.feeds)
        return {**ages, **never, "feeds stale or missing": float(unsound),
                "collector, s silent": round(seen.silent_ms / 1000)}  # fmt: skip


def _named(feed: Freshness) -> str:
    return f"{feed.name} {feed.coin}"


def _described(feed: Freshness) -> str:
    """Return a feed that is not fresh as a person reads it, with what went wrong last."""
    old = "never told" if feed.age_ms is None else f"stale, {feed.age_ms / 60_000:.0f} min old"
    return f"{_named(feed)} {old}" + (f" ({feed.error[:80]})" if feed.error else "")
