"""What the exchange's public archive has, and under which names.

Source: github.com/binance/binance-public-data and the archive's own files. Each file is a zip with
one CSV of the same stem; beside it lies `<zip>.CHECKSUM`, its SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from models.base.errors import ConfigError
from models.base.units import DAY_MS

ARCHIVE_URL: Final = "https://data.binance.vision"
SYMBOL: Final = re.compile(r"([A-Z0-9]{1,20})USDT")
_PUBLISHED_DAYS: Final = 8  # a month's file comes on the first Monday after it


@dataclass(frozen=True, kw_only=True)
class ArchiveKind:
    """One kind of the archive's files."""

    name: str
    columns: tuple[str, ...]  # the only header ever seen; older files have none
    since: date  # no file is older, of any symbol
    rows: int = 0  # of a whole day; 0 where it varies
    monthly: bool = False
    interval: str = ""  # of candles


ARCHIVE_KINDS: Final[Mapping[str, ArchiveKind]] = {
    kind.name: kind
    for kind in (
        ArchiveKind(
            name="metrics",
            columns=(
                "create_time", "symbol", "sum_open_interest", "sum_open_interest_value",
                "count_toptrader_long_short_ratio", "sum_toptrader_long_short_ratio",
                "count_long_short_ratio", "sum_taker_long_short_vol_ratio",
            ),
            since=date(2020, 9, 1), rows=288,
        ),
        ArchiveKind(
            name="bookDepth",
            columns=("timestamp", "percentage", "depth", "notional"),
            since=date(2023, 1, 1), rows=288,
        ),
        ArchiveKind(
            name="premiumIndexKlines",
            columns=(
                "open_time", "open", "high", "low", "close", "volume", "close_time",
                "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
            ),
            since=date(2020, 1, 1), rows=288, interval="5m",
        ),
        ArchiveKind(
            name="fundingRate",
            columns=("calc_time", "funding_interval_hours", "last_funding_rate"),
            since=date(2020, 1, 1), monthly=True,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class ArchiveFile:
    """One file of the archive: what it holds, and of which day or month."""

    kind: ArchiveKind
    symbol: str
    first: date

    @property
    def period(self) -> str:
        """The day, or the month, as the file's name has it."""
        return f"{self.first:%Y-%m}" if self.kind.monthly else f"{self.first:%Y-%m-%d}"

    @property
    def name(self) -> str:
        return f"{self.symbol}-{self.kind.interval or self.kind.name}-{self.period}.zip"

    @property
    def path(self) -> str:
        often = "monthly" if self.kind.monthly else "daily"
        folder = f"{self.kind.name}/{self.symbol}"
        folder += f"/{self.kind.interval}" if self.kind.interval else ""
        return f"/data/futures/um/{often}/{folder}/{self.name}"

    @property
    def after(self) -> date:
        """The first day that is no longer in it."""
        return _after(self.kind, self.first)

    @property
    def span_ms(self) -> tuple[int, int]:
        """First and last moment a row may be about, UTC; midnight belongs to both its days."""
        return _midnight_ms(self.first), _midnight_ms(self.after)


def coin_of_symbol(symbol: str) -> str:
    """Return the coin of a USDT-margined symbol; raises ConfigError where it is none."""
    match = SYMBOL.fullmatch(symbol)
    if match is None:
        raise ConfigError(
            f"expected a symbol as LTCUSDT, got {symbol!r}", cure="name it as the archive does"
        )
    return match[1]


def planned_files(
    kinds: Sequence[str], symbols: Sequence[str], start: date, stop: date, today: date
) -> list[ArchiveFile]:
    """Return the files of the days from `start` to `stop`, both inclusive, oldest first.

    Of months, those that overlap and should be published by `today`.
    """
    return [
        ArchiveFile(kind, symbol, first)
        for symbol in symbols
        for kind in map(ARCHIVE_KINDS.__getitem__, kinds)
        for first in _periods(kind, max(start, kind.since), stop, today)
    ]


def _periods(kind: ArchiveKind, start: date, stop: date, today: date) -> Iterator[date]:
    at = start.replace(day=1) if kind.monthly else start
    while at <= stop:
        after = _after(kind, at)
        if not kind.monthly or after + timedelta(days=_PUBLISHED_DAYS) <= today:
            yield at
        at = after


def _after(kind: ArchiveKind, first: date) -> date:
    if kind.monthly:
        return (first.replace(day=1) + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=1)


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def utc_date(time_ms: int) -> date:
    """Return the UTC day a time lies in."""
    return date(1970, 1, 1) + timedelta(days=time_ms // DAY_MS)
