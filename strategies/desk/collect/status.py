"""How old each feed is, which source tells it, and what went wrong last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.base.units import HOUR_MS
from models.data.feeds.catalog import ARCHIVE, CollectConfig, freshness
from models.data.feeds.store import imported_newest


def report(
    config: CollectConfig, root: Path, now_ms: int, names: Sequence[str] = ()
) -> tuple[list[str], bool]:
    """Return the report's lines, and whether every feed is fresh and the collector alive.

    What was imported is told beside; it has no present that could be stale.
    """
    known = freshness(config, root, now_ms)
    feeds = [feed for feed in known.feeds if not names or feed.name in names]
    rows = [("feed", "coin", "state", "age", "source", "last error")]
    rows += [
        (feed.name, feed.coin, feed.state, duration(feed.age_ms), feed.source or "-", feed.error)
        for feed in feeds
    ]
    rows += [
        (name, coin, "imported", duration(now_ms - event_ms), ARCHIVE, "")
        for (name, coin), event_ms in imported_newest(root).items()
        if not names or name in names
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]])
        for row in rows
    ]
    lines.append(f"collector: last sign of life {duration(known.silent_ms)} ago"
                 if known.silent_ms is not None else "collector: never ran here")  # fmt: skip
    return [line.rstrip() for line in lines], all(feed.state == "fresh" for feed in feeds)


def duration(ms: float | None) -> str:
    """Return a time span as a person reads it.

    Examples
    --------
    >>> duration(None), duration(900), duration(125_000), duration(2 * 86_400_000)
    ('never', '1 s', '2 min', '48.0 h')
    """
    if ms is None:
        return "never"
    if ms < 60_000:
        return f"{ms / 1000:.0f} s"
    return f"{ms / 60_000:.0f} min" if ms < 7_200_000 else f"{ms / HOUR_MS:.1f} h"
