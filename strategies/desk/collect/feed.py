"""One feed: read from the first of its sources that answers, written down, and reported on."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError, PackError
from models.base.files import Clock
from models.data.feeds.store import FeedRecord, Origin, Writer, newest_event
from strategies.desk.collect.source import FeedSource, Patience, Sleep

logger = logging.getLogger(__name__)

_UNWRITTEN: Final = 10_000  # newest events of a stream kept while the disk takes none


@dataclass
class _Kept:
    """A source with what is remembered of it."""

    source: FeedSource
    patience: Patience
    rests_until_s: float = float("-inf")
    writer: Writer | None = None
    unwritten: deque[FeedRecord] = field(default_factory=lambda: deque(maxlen=_UNWRITTEN))


class Feed:
    """A feed of one coin.

    The sources are in order of preference. One that fails is left alone for a while and the next
    is asked at once; when its while is over it is asked first again.

    Parameters
    ----------
    root
        Folder of all records.
    oldest_s
        Age beyond which what a source tells is no better than no answer.
    pause_s
        Shortest and longest pause of a source that failed.
    now_s
        Monotonic seconds; `clock` is the time of day.
    """

    def __init__(
        self,
        name: str,
        coin: str,
        sources: Sequence[FeedSource],
        root: Path,
        *,
        oldest_s: float,
        pause_s: tuple[float, float],
        clock: Clock,
        now_s: Callable[[], float],
        sleep: Sleep,
        random: random.Random,
    ) -> None:
        self.name, self.coin = name, coin
        self._root, self._clock, self._now_s, self._sleep = root, clock, now_s, sleep
        self._oldest_s = oldest_s
        self._kept = [_Kept(source, Patience(*pause_s, random)) for source in sources]
        self._source = ""  # that answered last
        self._received_ms: int | None = None
        self._error = ""
        self._error_ms: int | None = None
        self._written = 0
        self._event_ms = self._newest_kept()

    async def run(self) -> None:
        """Read for ever; ends when cancelled."""
        while True:
            await self._sleep(await self.round())

    async def round(self) -> float:
        """Read once, from the first source that answers; return the seconds until the next."""
        for kept in self._kept:
            if kept.rests_until_s > self._now_s():
                continue
            try:
                records = await asyncio.wait_for(kept.source.read(), kept.source.timeout_s)
            except Exception as error:  # noqa: BLE001 - whatever one source does, the others go on
                self._failed(kept, error)
                continue
            self._write(kept, records)
            if old := self._too_old(kept.source, records):
                self._failed(kept, InputError(old))
                continue
            kept.patience.succeeded()
            if self._source and self._source != kept.source.name:
                logger.info("%s: from %s now, not %s", self, kept.source.name, self._source)
            self._source = kept.source.name
            return kept.source.every_s
        return max(min(k.rests_until_s for k in self._kept) - self._now_s(), 0.0)

    def status(self) -> Mapping[str, Any]:
        """Return what is known of the feed, for the status file."""
        return {
            "feed": self.name,
            "coin": self.coin,
            "source": self._source,
            "sources": [kept.source.name for kept in self._kept],
            "event_ms": self._event_ms,
            "received_ms": self._received_ms,
            "records": self._written,
            "error": self._error,
            "error_ms": self._error_ms,
        }

    def close(self) -> None:
        """Close the files."""
        for kept in self._kept:
            if kept.writer is not None:
                kept.writer.close()

    def __str__(self) -> str:
        return f"{self.name} {self.coin}"

    def _too_old(self, source: FeedSource, records: Sequence[FeedRecord]) -> str:
        """Return why an answer is as good as none: a source may be up and stand still."""
        if not source.repeats_events:
            return ""
        if not records:
            return "it tells nothing"
        age_s = (self._clock() - max(record.event_ms for record in records)) / 1000
        return f"its newest value is {age_s:.0f} s old" if age_s > self._oldest_s else ""

    def _failed(self, kept: _Kept, error: BaseException) -> None:
        pause = kept.patience.failed(error)
        kept.rests_until_s = self._now_s() + pause
        what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        self._note(f"{kept.source.name}: {what}")
        # One line an outage, not one for each attempt of a week.
        level = logging.WARNING if kept.patience.failures == 1 else logging.DEBUG
        logger.log(level, "%s: %s fails, asked again in %.0f s: %s",
                   self, kept.source.name, pause, what)  # fmt: skip

    def _write(self, kept: _Kept, records: Sequence[FeedRecord]) -> None:
        """Write down what was told; a disk that takes nothing is an error, not an end."""
        if not kept.source.repeats_events:
            kept.unwritten.extend(records)
        try:
            if kept.writer is None:
                kept.writer = Writer(self._root, self._origin(kept))
            if kept.source.repeats_events:
                news = kept.writer.note(records)
            else:
                news = list(kept.unwritten)
                kept.writer.append(news)
                kept.unwritten.clear()
        except (PackError, OSError) as error:
            self._note(f"not written: {type(error).__name__}: {error}")
            logger.error("%s: not written: %s", self, error)
            return
        self._written += len(news)
        if records:
            self._event_ms = max(self._event_ms or 0, *(record.event_ms for record in records))
            self._received_ms = max(record.received_ms for record in records)

    def _note(self, what: str) -> None:
        self._error, self._error_ms = what, self._clock()

    def _newest_kept(self) -> int | None:
        """Return the newest event an earlier run has left: a restart makes nothing young."""
        found = []
        for kept in self._kept:
            try:
                found.append(newest_event(self._root, self._origin(kept)))
            except (PackError, OSError) as error:
                self._note(f"not read: {error}")
        return max((event for event in found if event is not None), default=None)

    def _origin(self, kept: _Kept) -> Origin:
        return Origin(self.name, self.coin, kept.source.name)
