"""`breakwater feeds import`: the exchange's public archive, put among the collected feeds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from models.base.errors import ConfigError, InputError
from models.base.files import Clock, wall_clock_ms
from models.operate.control.lease import take_lease
from strategies.account.config_files import config_of_files
from strategies.bot.config import pack_config
from strategies.desk.archive.fetch import ArchiveSilentError, ArchiveSite
from strategies.desk.archive.keep import ImportedFeeds, Written
from strategies.desk.archive.layout import (
    ARCHIVE_KINDS,
    ARCHIVE_URL,
    ArchiveFile,
    coin_of_symbol,
    planned_files,
    utc_date,
)
from strategies.desk.archive.outcome import ImportOutcome
from strategies.desk.archive.tables import archive_records
from strategies.desk.archive.unpack import LARGEST_ZIP, told_digest, unpacked
from strategies.desk.collect.source import Sleep
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.waiting import PatientWait

PROVIDER: Final = "binance_archive"  # its name in `breakwater.collect.addresses`
_AHEAD: Final = 8  # files asked for while one is read
_SILENCES: Final = 3  # files in a row without an answer: the archive is not there
_LARGEST_CHECKSUM: Final = 4096


@dataclass(frozen=True)
class Fetched:
    """A file of the archive as it came, both parts; `data` is None where it is in already."""

    checksum: bytes
    data: bytes | None


@dataclass(kw_only=True)
class ArchiveImport:
    """Reads files of the archive, one after the other, into the records below `root`."""

    root: Path
    url: str
    timeout_s: float
    clock: Clock = wall_clock_ms
    sleep: Sleep = asyncio.sleep

    def __post_init__(self) -> None:
        self._kept = ImportedFeeds(self.root)

    async def run(self, files: Sequence[ArchiveFile], waiting: PatientWait) -> ImportOutcome:
        """Import what can be; whatever cannot is left out whole and named in the outcome."""
        outcome, silences = ImportOutcome(), 0
        async with (
            ArchiveSite(self.url, self.timeout_s, self.sleep) as site,
            aclosing(_ahead(files, site, self._kept)) as fetched,
        ):
            async for number, file, fetching in fetched:
                waiting.done(number / len(files))
                try:
                    self._take(file, await fetching, outcome)
                except InputError as error:
                    outcome.left_out(
                        file, error.problem + (f" ({error.where})" * bool(error.where))
                    )
                    silences = silences + 1 if isinstance(error, ArchiveSilentError) else 0
                    if silences == _SILENCES:
                        outcome.gave_up(files[number + 1 :], "the archive gives no answer")
                        break
                except OSError as error:
                    outcome.left_out(file, f"not written: {error}")
                    outcome.gave_up(files[number + 1 :], "the disk takes nothing")
                    break
                else:
                    silences = 0
        return outcome

    def _take(self, file: ArchiveFile, fetched: Fetched, outcome: ImportOutcome) -> None:
        if fetched.data is None:
            outcome.taken(file, None)
            return
        text = unpacked(fetched.data, told_digest(fetched.checksum, file.name), file.name)
        found = archive_records(text, file)
        written: Written = self._kept.keep(
            file, fetched.checksum, coin_of_symbol(file.symbol), found.by_feed, self.clock()
        )
        outcome.taken(file, written)
        for what in found.odd:
            outcome.odd(file, what)


async def _ahead(
    files: Sequence[ArchiveFile], site: ArchiveSite, kept: ImportedFeeds
) -> AsyncGenerator[tuple[int, ArchiveFile, asyncio.Task[Fetched]], None]:
    """Yield each file in order with its download, while the next ones are on their way."""
    running: deque[asyncio.Task[Fetched]] = deque()
    try:
        for number, file in enumerate(files):
            for next_file in files[number + len(running) : number + _AHEAD]:
                running.append(asyncio.ensure_future(_fetch(next_file, site, kept)))
            yield number, file, running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _fetch(file: ArchiveFile, site: ArchiveSite, kept: ImportedFeeds) -> Fetched:
    """Return a file of the archive; of one that is in and has not changed, the checksum only."""
    checksum = await site.get(f"{file.path}.CHECKSUM", _LARGEST_CHECKSUM)
    if checksum is None:
        raise InputError("not in the archive")
    if checksum == kept.checksum(file):
        return Fetched(checksum, None)
    data = await site.get(file.path, LARGEST_ZIP)
    if data is None:
        raise InputError("its checksum is in the archive, the file is not")
    return Fetched(checksum, data)


def run_feeds_import(
    *, configs: Sequence[Path], userdir: Path | None, symbols: Sequence[str],
    kinds: Sequence[str], start: date, stop: date | None, archive: str,
    clock: Clock = wall_clock_ms,
) -> int:  # fmt: skip
    """Import feeds with a past; return 0 where all asked for is in, 1 where something is not."""
    config: dict[str, Any] = config_of_files(configs) if configs else {}
    settings = pack_config(config).collect
    root = settings.root(Path(userdir or config.get("user_data_dir") or USER_DATA))
    url = _address(archive, settings.addresses)
    files, span = _asked(symbols or [f"{c}USDT" for c in settings.coins], kinds, start, stop, clock)
    root.mkdir(parents=True, exist_ok=True)
    take_lease(
        root / "import.lock", "breakwater feeds import", what=f"the imported feeds in {root}",
        cure="wait for the other import, or end it; then type this again",
    )  # fmt: skip
    with PatientWait(f"importing {len(files)} files of feeds") as waiting:
        importing = ArchiveImport(root=root, url=url, timeout_s=settings.timeout_s, clock=clock)
        outcome = asyncio.run(importing.run(files, waiting))
    print("\n".join([f"feeds in {root}, from {url}, {span}:", *outcome.lines()]))
    return 1 if outcome.missing else 0


def _asked(
    symbols: Sequence[str], kinds: Sequence[str], start: date, stop: date | None, clock: Clock
) -> tuple[list[ArchiveFile], str]:
    """Return the files that are asked for, and their span in words.

    Today's is not there yet, and yesterday's may not be: it is asked for where somebody names it.
    """
    today = utc_date(clock())
    last = today - timedelta(days=2) if stop is None else min(stop, today - timedelta(days=1))
    if last < start:
        raise ConfigError(f"expected --from by {last}, the last day there is, got {start}")
    unique = list(dict.fromkeys(symbols))
    for symbol in unique:
        coin_of_symbol(symbol)
    files = planned_files(kinds or list(ARCHIVE_KINDS), unique, start, last, today)
    if not files:
        raise ConfigError(f"expected files from {start} to {last}, the archive has none yet")
    return files, f"{start} to {last}"


def _address(archive: str, addresses: Mapping[str, str]) -> str:
    url = archive or addresses.get(PROVIDER, ARCHIVE_URL)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"expected the archive's address as https://host, got {url!r}")
    return url
