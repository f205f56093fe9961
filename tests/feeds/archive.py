"""The exchange's public archive on 127.0.0.1: its names, zips and checksums, with faults.

The rows are made up, their form is that of real files, as documented and as seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from aiohttp import web

from strategies.desk.archive.layout import ARCHIVE_KINDS, ArchiveFile
from tests.feeds.server import running_app

BAR_MS: Final = 300_000
Cells = Callable[[int], Sequence[object]]  # number of the row -> what follows its label


def archive_file(kind: str, day: str, symbol: str = "LTCUSDT") -> ArchiveFile:
    return ArchiveFile(ARCHIVE_KINDS[kind], symbol, date.fromisoformat(day))


def epoch_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def table(kind: str, lines: Sequence[str], *, header: bool = True) -> bytes:
    """Return a CSV, with the header of its kind or without."""
    first = [",".join(ARCHIVE_KINDS[kind].columns)] if header else []
    return "\n".join([*first, *lines, ""]).encode()


def interest(number: int) -> Sequence[object]:
    """Cells of a row of `metrics` after its symbol: open interest, its value, four ratios."""
    return (1000 + number, 100_000 + 100 * number, 1.5, 1.25, 2.5, 0.75)


def metrics_lines(
    day: str, cells: Cells = interest, *, first: str = "00:00:00", symbol: str = "LTCUSDT"
) -> list[str]:
    """Return the 288 rows of a day, five minutes apart, the first labelled `first`."""
    begin = datetime.fromisoformat(f"{day} {first}")
    return [
        ",".join(map(str, (begin + timedelta(minutes=5 * n), symbol, *cells(n))))
        for n in range(288)
    ]


def metrics(day: str, cells: Cells = interest, *, first: str = "00:00:00", header: bool = True,
            symbol: str = "LTCUSDT") -> bytes:  # fmt: skip
    return table("metrics", metrics_lines(day, cells, first=first, symbol=symbol), header=header)


def depth(day: str, notional: Callable[[int, float], float], *, every_s: int = 30,
          bands: Sequence[float] = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)) -> bytes:  # fmt: skip
    """Return a day's snapshots; `notional` of the second of the day and the band."""
    begin = datetime.fromisoformat(day)
    return table("bookDepth", [
        f"{begin + timedelta(seconds=s)},{band:g},{notional(s, band) / 100:.8f},"
        f"{notional(s, band):.8f}"
        for s in range(0, 86_400, every_s) for band in bands
    ])  # fmt: skip


def premium(
    day: str, close: Callable[[int], float], *, unit: int = 1, header: bool = True
) -> bytes:
    """Return a day's candles of five minutes; `unit` 1000 makes their times microseconds."""
    begin = epoch_ms(day)
    lines = []
    for n in range(288):
        opened, value = begin + n * BAR_MS, close(n)
        ended = (opened + BAR_MS) * unit - 1
        lines.append(f"{opened * unit},{value},{value + 1e-4},{value - 1e-4},{value},0,{ended},"
                     "0,12,0,0,0")  # fmt: skip
    return table("premiumIndexKlines", lines, header=header)


def funding(month: str, rate: float = 1e-4) -> bytes:
    """Return a month's payments, every eight hours and a few milliseconds late."""
    file = archive_file("fundingRate", f"{month}-01")
    first, last = file.span_ms
    return table("fundingRate", [f"{t + 3},8,{rate:.8f}" for t in range(first, last, 96 * BAR_MS)])


def zipped(name: str, text: bytes) -> bytes:
    """Return a zip with one file, the same bytes each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def checksum_of(data: bytes, name: str) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()


@dataclass
class PublicArchive:
    """What is served, by path, and what a test may change and look at."""

    files: dict[str, bytes] = field(default_factory=dict)
    refusing: dict[str, list[int]] = field(default_factory=dict)  # path -> statuses, then the file
    dead: bool = False  # cuts every connection
    stalled: set[str] = field(default_factory=set)  # paths that are never answered
    requests: list[str] = field(default_factory=list)

    def put(self, file: ArchiveFile, text: bytes) -> None:
        """Publish a file, in place of what was there."""
        data = zipped(file.name.replace(".zip", ".csv"), text)
        self.put_zip(file, data)

    def put_zip(self, file: ArchiveFile, data: bytes) -> None:
        self.files[file.path] = data
        self.files[f"{file.path}.CHECKSUM"] = checksum_of(data, file.name)


_SERVED: Final = web.AppKey("served", PublicArchive)


async def _file(request: web.Request) -> web.StreamResponse:
    served, path = request.app[_SERVED], request.path
    served.requests.append(path)
    if served.dead:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if path in served.stalled:
        await asyncio.sleep(3600)
    if served.refusing.get(path):
        return web.Response(status=served.refusing[path].pop(0), text="not now")
    if path not in served.files:
        return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
    return web.Response(body=served.files[path], content_type="application/zip")


@contextmanager
def running_archive(served: PublicArchive) -> Iterator[str]:
    """Serve an archive from a background thread; yield its address."""
    app = web.Application()
    app[_SERVED] = served
    app.router.add_get("/{path:.*}", _file)
    with running_app(app) as (url, _):
        yield url
