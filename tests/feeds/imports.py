"""`breakwater feeds import` as tests type it, the days they import, and what they find then."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.data.feeds.catalog import ARCHIVE
from models.data.feeds.store import FeedRecord, Origin, read
from tests.feeds.archive import Cells, PublicArchive, archive_file, metrics

MINUTE: Final = 60_000
DAYS: Final = ("2022-01-05", "2022-01-06", "2022-01-07")


def three_days() -> PublicArchive:
    """Return an archive with the days' metrics of one symbol."""
    state = PublicArchive()
    for number, day in enumerate(DAYS):
        state.put(archive_file("metrics", day), metrics(day, of_day(number)))
    return state


def of_day(number: int) -> Cells:
    """Cells that differ from those of any other day."""
    return lambda n: (1000 * (number + 1) + n, 1e5, 1.5, 1.25, 2.0 + number + n / 1000, 0.75)


def command(url: str, userdir: Path, *more: str, start: str = DAYS[0], stop: str = DAYS[-1],
            kinds: str = "metrics") -> list[str]:  # fmt: skip
    return [
        "feeds", "import", "--symbols", "LTCUSDT", "--from", start, "--to", stop,
        "--kinds", *kinds.split(), "--archive", url, "--userdir", str(userdir), *more,
    ]  # fmt: skip


def told(userdir: Path, feed: str = "open_interest", coin: str = "LTC") -> list[FeedRecord]:
    return list(read(userdir / "feeds", Origin(feed, coin, ARCHIVE), 0, 2**45))


def tree(userdir: Path) -> dict[str, bytes]:
    root = userdir / "feeds"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()
            and p.name != "import.lock"}  # fmt: skip
