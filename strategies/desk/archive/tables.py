"""CSV of the archive to records: pure, and wary of what its files are known to have wrong.

A row labelled T counts as readable from T + 10 minutes. Up to 2026-06-24 a row of `metrics` tells
the moment of its label, from the day after the one five minutes later (both days have a row of the
midnight between): the rule is safe for both. A blank or a zero of what cannot be zero is no value.
A file with anything else than what is documented is refused whole.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from models.base.errors import InputError
from models.base.units import MINUTE_MS
from models.data.feeds.collected import WRITTEN_MS
from models.data.feeds.store import FeedRecord
from strategies.desk.archive.layout import ArchiveFile

READABLE_MS: Final = 10 * MINUTE_MS  # from a row's label to when it counts as read
_BAR_MS: Final = 5 * MINUTE_MS
_MICROSECONDS: Final = 10**14  # as milliseconds, the year 5138
_FROZEN: Final = 12  # equal snapshots of a band, five minutes apart, no living book shows
_SHORT: Final = 6  # rows: half an hour, after which a value no longer stands
_BANDS: Final = (-5.0, -4.0, -3.0, -2.0, -1.0, -0.2, 0.2, 1.0, 2.0, 3.0, 4.0, 5.0)  # %
_SIGNED: Final = ("percentage", "last_funding_rate", "open", "high", "low", "close")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_RATIOS: Final = {
    "ratio": "count_long_short_ratio",
    "top_accounts": "count_toptrader_long_short_ratio",
    "top_positions": "sum_toptrader_long_short_ratio",
    "taker": "sum_taker_long_short_vol_ratio",
}

_Row = Mapping[str, str]


@dataclass
class ArchiveRecords:
    """What a file says: records by feed, and what is odd about it and was left aside."""

    by_feed: dict[str, list[FeedRecord]] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)

    def add(self, feed: str, label_ms: int, values: Mapping[str, float], end_ms: int = 0) -> None:
        """Add what a row labelled `label_ms` says of a feed; nothing, where it has no value.

        Parameters
        ----------
        end_ms
            Of what the values are about; 0 for the label.
        """
        if values:
            # The reader counts a second from receipt to the disk: together, it is T + 10 minutes.
            received = label_ms + READABLE_MS - WRITTEN_MS
            record = FeedRecord(end_ms or label_ms, received, values)
            self.by_feed.setdefault(feed, []).append(record)


def archive_records(text: bytes, file: ArchiveFile) -> ArchiveRecords:
    """Return what the CSV of `file` says.

    Raises
    ------
    InputError
        If it is not as documented; names the row.
    """
    rows = _rows(text, file.kind.columns)
    found = ArchiveRecords()
    column, span_ms = file.kind.columns[0], file.span_ms
    known: dict[str, int] = {}  # a snapshot's rows share their label
    for number, row in enumerate(rows, 1):
        try:
            if row[column] not in known:
                known[row[column]] = _label_ms(row[column], span_ms)
            if row.get("symbol", file.symbol) != file.symbol:
                raise InputError(f"expected {file.symbol}, got rows of {row['symbol'][:40]!r}")
        except InputError as error:
            raise InputError(f"row {number}: {error.problem}") from error
    labels = [known[row[column]] for row in rows]
    labelled = sorted(zip(labels, rows, strict=True), key=lambda r: r[0])
    _READERS[file.kind.name](labelled, found)
    _note_short(labels, file, found)
    return found


_Labelled = Sequence[tuple[int, _Row]]


def _metrics(rows: _Labelled, found: ArchiveRecords) -> None:
    """Open interest, in coins and dollars, and the ratios of longs to shorts."""
    zeros = 0
    for label, row in rows:
        base, quote = (_number(row, f"sum_open_interest{part}", label) for part in ("", "_value"))
        zeros += base == 0.0 or quote == 0.0
        if base and quote:
            found.add("open_interest", label, {"base": base, "quote": quote})
        told = {name: _number(row, column, label) for name, column in _RATIOS.items()}
        found.add("long_short", label, {name: value for name, value in told.items() if value})
    if zeros:
        found.odd.append(f"open interest of 0 in {zeros} rows")


def _depth(rows: _Labelled, found: ArchiveRecords) -> None:
    """What rests within each distance of the middle, in dollars: the last snapshot of a bar."""
    snapshots: list[tuple[int, dict[float, tuple[float, float]]]] = []
    for label, of_label in groupby(rows, lambda r: r[0]):
        bands: dict[float, tuple[float, float]] = {}
        for _, row in of_label:
            band = _required(row, "percentage", label)
            if band not in _BANDS:
                raise InputError(f"expected a band of {_BANDS}, got {band:g} at {_said(label)}")
            told = _required(row, "depth", label), _required(row, "notional", label)
            bands.setdefault(band, told)
        if snapshots and snapshots[-1][0] // _BAR_MS == label // _BAR_MS:
            snapshots.pop()
        snapshots.append((label, bands))
    frozen = {band: _frozen([bands.get(band) for _, bands in snapshots]) for band in _BANDS}
    for number, (label, bands) in enumerate(snapshots):
        alive = {b: told for b, told in bands.items() if number not in frozen[b] and told[1] > 0}
        found.add("depth", label, {_band_name(b): told[1] for b, told in sorted(alive.items())})
    if stuck := [_band_name(band) for band, which in frozen.items() if which]:
        found.odd.append(f"frozen for an hour or more, left out meanwhile: {', '.join(stuck)}")


def _frozen(told: Sequence[tuple[float, float] | None]) -> set[int]:
    """Return which snapshots of a band stand in a run of equal ones that no living book shows.

    The whole run goes, which is known only after it: what is taken away is a fault of the files,
    not of the market, and says nothing of its future.
    """
    found: set[int] = set()
    begin = 0
    for end in range(1, len(told) + 1):
        if end == len(told) or told[end] != told[begin]:
            if end - begin >= _FROZEN and told[begin] is not None:
                found |= set(range(begin, end))
            begin = end
    return found


def _band_name(band: float) -> str:
    return f"{'bid' if band < 0 else 'ask'}_{abs(band):g}_quote"


def _premium(rows: _Labelled, found: ArchiveRecords) -> None:
    """The premium of the contract over its index, as fractions: candles, by their end."""
    for label, row in rows:
        values = {name: _required(row, name, label) for name in ("open", "high", "low", "close")}
        if not values["low"] <= min(values["open"], values["close"]) <= values["high"]:
            raise InputError(f"expected low <= open, close <= high at {_said(label)}")
        found.add("premium", label, values, end_ms=label + _BAR_MS)


def _funding(rows: _Labelled, found: ArchiveRecords) -> None:
    """What longs have paid shorts, as a fraction a payment."""
    for label, row in rows:
        hours = _required(row, "funding_interval_hours", label)
        if not 1 <= hours <= 24:
            raise InputError(f"expected an interval of 1 to 24 hours, got {hours:g}")
        rate = _required(row, "last_funding_rate", label)
        found.add("funding_binance", label, {"rate": rate, "hours": hours})


_READERS: Final[Mapping[str, Callable[[_Labelled, ArchiveRecords], None]]] = {
    "metrics": _metrics,
    "bookDepth": _depth,
    "premiumIndexKlines": _premium,
    "fundingRate": _funding,
}


def _rows(text: bytes, columns: tuple[str, ...]) -> list[_Row]:
    """Return the rows by column; the header may be missing, but not be another one."""
    try:
        lines = [
            line for line in csv.reader(text.decode("utf-8-sig").splitlines(), strict=True) if line
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"expected CSV, got {text[:40]!r}: {error}") from error
    if not lines:
        raise InputError("expected rows, got none")
    if not lines[0][0][:1].isdigit():
        header = tuple(cell.strip() for cell in lines.pop(0))
        if header != columns:
            raise InputError(
                f"expected the header {','.join(columns)}, got {','.join(header)[:200]}"
            )
    for number, line in enumerate(lines, 1):
        if len(line) != len(columns):
            raise InputError(f"row {number}: expected {len(columns)} cells, got {len(line)}")
    return [dict(zip(columns, map(str.strip, line), strict=True)) for line in lines]


def _label_ms(cell: str, span_ms: tuple[int, int]) -> int:
    """Return a row's label: UTC text, or an epoch whose size tells its unit."""
    try:
        if cell.isdecimal():
            number = int(cell)
            label = number // 1000 if number > _MICROSECONDS else number
        else:
            if not _TIME.fullmatch(cell):
                raise ValueError
            told = datetime.fromisoformat(cell).replace(tzinfo=UTC)
            label = int(told.timestamp()) * 1000
    except ValueError as error:
        raise InputError(f"expected a time, got {cell[:40]!r}") from error
    first, last = span_ms
    if not first <= label < last + _BAR_MS:  # a snapshot may come seconds late
        raise InputError(f"expected a time of {_said(first)[:10]} on, got {cell[:40]!r}")
    return label


def _number(row: _Row, column: str, label: int) -> float | None:
    """Return a cell's number, None where it is blank; raises InputError."""
    cell = row[column]
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (value < 0 and column not in _SIGNED):
        raise InputError(f"expected a number in {column} at {_said(label)}, got {cell[:40]!r}")
    return value


def _required(row: _Row, column: str, label: int) -> float:
    value = _number(row, column, label)
    if value is None:
        raise InputError(f"expected a number in {column} at {_said(label)}, got nothing")
    return value


def _said(label_ms: int) -> str:
    return f"{datetime.fromtimestamp(label_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _note_short(labels: Sequence[int], file: ArchiveFile, found: ArchiveRecords) -> None:
    """Note a day with so many rows missing that a value would be too old in between."""
    bars = sorted({label // _BAR_MS for label in labels})
    if file.kind.rows and len(bars) <= file.kind.rows - _SHORT:
        found.odd.append(f"{len(bars)} of {file.kind.rows} five-minute rows")
