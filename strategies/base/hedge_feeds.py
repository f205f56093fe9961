"""The collected feeds as the hedge sees them: columns for its model, ages for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pandas import DataFrame

from models import columns
from models.errors import PackError
from models.feeds.catalog import CollectConfig, freshness
from models.feeds.collected import Collected
from models.files import Clock, wall_clock_ms
from strategies.base import frames

logger = logging.getLogger(__name__)


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

    def figures(self) -> Mapping[str, float]:
        """Return the age of each feed that has one, and how many are stale or missing.

        Nothing where no collector ever ran: nobody has asked for feeds.
        """
        seen = freshness(self._config, self._root, self._clock())
        if seen.silent_ms is None:
            return {}
        ages = {
            f"feed {feed.name} {feed.coin}, min old": round(feed.age_ms / 60_000, 1)
            for feed in seen.feeds
            if feed.age_ms is not None
        }
        unsound = sum(feed.state != "fresh" for feed in seen.feeds)
        return {**ages, "feeds stale or missing": float(unsound),
                "collector, s silent": round(seen.silent_ms / 1000)}  # fmt: skip
