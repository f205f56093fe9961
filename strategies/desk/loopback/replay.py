"""The market behind the exchange: replayed from Freqtrade data files, or scripted by a test."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from models.base.errors import InputError
from models.base.files import iso_ms
from models.base.types import Candles, FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS
from strategies.desk.loopback.path import PricePath, candle_path, surrounded
from strategies.desk.loopback.symbols import Symbol

logger = logging.getLogger(__name__)

FUNDING_INTERVAL_MS: Final = 8 * HOUR_MS  # 00:00, 08:00 and 16:00 UTC
# Of candles that can be replayed, finest first.
INTERVALS: Final = {
    "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS,
}  # fmt: skip


@dataclass(kw_only=True)
class PriceFeed:
    """One symbol's contract price, mark price and funding rates."""

    contract: PricePath
    mark: PricePath
    funding_ms: IntArray = field(default_factory=lambda: np.array([], dtype=np.int64))
    funding_rate: FloatArray = field(default_factory=lambda: np.array([]))  # longs pay if > 0
    frozen: list[tuple[int, int]] = field(default_factory=list)  # mark stands still in [a, b)

    def mark_at(self, now_ms: int) -> float:
        """Return the mark price, quote units; while frozen, that of the moment it froze."""
        for start_ms, stop_ms in self.frozen:
            if start_ms <= now_ms < stop_ms:
                return self.mark.at(start_ms)
        return self.mark.at(now_ms)

    def rate_at(self, funding_ms: int) -> float:
        """Return the rate of the payment at `funding_ms`; without one, the last known, or 0."""
        i = int(np.searchsorted(self.funding_ms, funding_ms, side="right")) - 1
        return float(self.funding_rate[i]) if i >= 0 else 0.0

    def shifted(self, ms: int) -> PriceFeed:
        """Return the same feed `ms` later."""
        return replace(
            self,
            contract=self.contract.shifted(ms),
            mark=self.mark.shifted(ms),
            funding_ms=self.funding_ms + ms,
            frozen=[(a + ms, b + ms) for a, b in self.frozen],
        )

    def move(self, now_ms: int, price: float, over_ms: int) -> None:
        """Let contract and mark leave the script for `price`, reached `over_ms` from now."""
        self.contract = self.contract.moved(now_ms, price, over_ms)
        self.mark = self.mark.moved(now_ms, price, over_ms)


@dataclass(kw_only=True)
class ReplayedMarket:
    """Feeds by the exchange's symbol, for example ``BTCUSDT``."""

    feeds: dict[str, PriceFeed]

    def price(self, symbol: str, now_ms: int) -> float:
        """Return the contract's price."""
        return self.feeds[symbol].contract.at(now_ms)

    def mark(self, symbol: str, now_ms: int) -> float:
        """Return the mark price."""
        return self.feeds[symbol].mark_at(now_ms)

    def next_knot_ms(self, symbols: Iterable[str], after_ms: int) -> int | None:
        """Return when the first of the paths of `symbols` bends after `after_ms`."""
        knots = [
            knot
            for s in symbols
            for path in (self.feeds[s].contract, self.feeds[s].mark)
            if (knot := path.next_knot_ms(after_ms)) is not None
        ]
        return min(knots, default=None)

    def shifted(self, ms: int) -> ReplayedMarket:
        """Return the same market `ms` later; whole days keep the hours of funding."""
        return ReplayedMarket(feeds={name: feed.shifted(ms) for name, feed in self.feeds.items()})

    def span_ms(self) -> tuple[int, int]:
        """Return from when to when every symbol has a script."""
        paths = [feed.contract for feed in self.feeds.values()]
        return max(p.start_ms for p in paths), min(p.stop_ms for p in paths)

    def longest_ms(self) -> tuple[int, int]:
        """Return from when to when the symbol with the longest script has one."""
        spans = [(f.contract.start_ms, f.contract.stop_ms) for f in self.feeds.values()]
        return max(spans, key=lambda span: span[1] - span[0])

    def without_script_at(self, start_ms: int) -> list[str]:
        """Return the symbols that have no price of their own at `start_ms`."""
        paths = {name: feed.contract for name, feed in self.feeds.items()}
        return [n for n, path in paths.items() if not path.start_ms <= start_ms < path.stop_ms]

    def freeze_mark(self, symbol: str, start_ms: int, stop_ms: int) -> None:
        """Let the mark price stand still in [`start_ms`, `stop_ms`)."""
        self.feeds[symbol].frozen.append((start_ms, stop_ms))


def next_funding_ms(after_ms: int) -> int:
    """Return the first funding time after `after_ms`.

    Examples
    --------
    >>> next_funding_ms(0), next_funding_ms(FUNDING_INTERVAL_MS - 1) == FUNDING_INTERVAL_MS
    (28800000, True)
    """
    return (after_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS


def scripted_feed(
    price: float,
    now_ms: int,
    *,
    history_ms: int = 30 * DAY_MS,
    volume_per_ms: float = 0.001,
    funding_rate: float = 0.0,
) -> PriceFeed:
    """Return a market that has stood at `price` for `history_ms` and stays until moved."""
    start = now_ms - history_ms
    path = PricePath(
        time_ms=np.array([start], dtype=np.int64),
        price=np.array([price]),
        volume=np.array([0.0]),
        tail_volume_per_ms=volume_per_ms,
    )
    times = np.arange(next_funding_ms(start), now_ms + DAY_MS, FUNDING_INTERVAL_MS, dtype=np.int64)
    rates = np.full(len(times), funding_rate)
    return PriceFeed(contract=path, mark=path, funding_ms=times, funding_rate=rates)


def candle_feed(
    candles: Candles,
    interval_ms: int,
    *,
    coarser: Sequence[tuple[Candles, int]] = (),
    mark: Candles | None = None,
    mark_interval_ms: int = HOUR_MS,
    funding: Mapping[int, float] | None = None,
) -> PriceFeed:
    """Return the replay of `candles`; without `mark`, the mark price is the contract's.

    Mark candles coarser than the contract's only give the basis: their path inside the candle
    would not be the contract's, and would liquidate accounts that lived.

    Parameters
    ----------
    coarser
        Candles and their length, finest first: replayed before and after the finer ones, so that
        a few days of minutes do not take the years of hours away.
    """
    contract = candle_path(candles, interval_ms)
    for others, length_ms in coarser:
        contract = surrounded(contract, candle_path(others, length_ms), length_ms)
    marked = contract
    if mark is not None:
        marked = candle_path(mark, mark_interval_ms)
        if mark_interval_ms > interval_ms:
            marked = _with_basis(contract, marked, mark.time_ms)
    funding = dict(sorted((funding or {}).items()))
    return PriceFeed(
        contract=contract,
        mark=marked,
        funding_ms=np.array(list(funding), dtype=np.int64),
        funding_rate=np.array(list(funding.values())),
    )


def _with_basis(contract: PricePath, mark: PricePath, anchors_ms: IntArray) -> PricePath:
    """Return `contract` times the ratio of mark to contract at the anchors."""
    ratio = np.interp(anchors_ms, mark.time_ms, mark.price) / np.interp(
        anchors_ms, contract.time_ms, contract.price
    )
    return replace(contract, price=contract.price * np.interp(contract.time_ms, anchors_ms, ratio))


def read_market(
    datadir: Path,
    symbols: Iterable[Symbol],
    *,
    interval: str | None = None,
    start_ms: int | None = None,
    stop_ms: int | None = None,
) -> ReplayedMarket:
    """Read the symbols found in a Freqtrade data directory.

    Parameters
    ----------
    datadir
        Holds ``futures/BTC_USDT_USDT-1h-futures.feather`` and, where there are any, the ``1h-mark``
        and ``1h-funding_rate`` files.
    interval
        Of the candles to replay; None takes for each symbol the finest there are at each time.
    start_ms, stop_ms
        Part of the files to read, by their own time.

    Raises
    ------
    InputError
        If no listed symbol has candles there.
    """
    span = (start_ms, stop_ms)
    feeds = {}
    for symbol in symbols:
        stem = datadir / "futures" / f"{symbol.base}_USDT_USDT"
        names = [interval] if interval else list(INTERVALS)
        found = [name for name in names if Path(f"{stem}-{name}-futures.feather").is_file()]
        if found:  # a day or four hours are never cut into hours that nobody recorded
            found = [name for name in found if INTERVALS[name] <= HOUR_MS] or found[:1]
            feeds[symbol.name] = _read_feed(stem, found, span)
    if not feeds:
        raise InputError(
            f"expected futures candles of {', '.join(symbol.name for symbol in symbols)}",
            where=str(datadir / "futures"),
            cure="give a Freqtrade data directory: the folder that holds futures/",
        )
    return ReplayedMarket(feeds=feeds)


_Span = tuple[int | None, int | None]


def _read_feed(stem: Path, intervals: Sequence[str], span: _Span) -> PriceFeed:
    mark_file = Path(f"{stem}-1h-mark.feather")
    funding_file = Path(f"{stem}-1h-funding_rate.feather")
    funding = {}
    if funding_file.is_file():
        frame, times = _rows(funding_file, span)
        column = "funding_rate" if "funding_rate" in frame else "open"  # older files
        # Payments are stamped some milliseconds late in recorded history.
        rounded = times // HOUR_MS * HOUR_MS
        funding = dict(zip(rounded.tolist(), frame[column].tolist(), strict=True))
    read = [(_candles(Path(f"{stem}-{name}-futures.feather"), span), INTERVALS[name])
            for name in intervals]  # fmt: skip
    finest, *coarser = [pair for pair in read if len(pair[0].time_ms)] or read[:1]
    if coarser and (finest[0].time_ms[0] > coarser[-1][0].time_ms[0] + coarser[-1][1]):
        logger.warning(
            "%s: candles of %s from %s on; before, they are cut from longer ones",
            stem.name, intervals[0], iso_ms(int(finest[0].time_ms[0]))[:10],
        )  # fmt: skip
    return candle_feed(
        *finest,
        coarser=coarser,
        mark=_candles(mark_file, span) if mark_file.is_file() else None,
        funding=funding,
    )


def _rows(path: Path, span: _Span) -> tuple[pd.DataFrame, IntArray]:
    """Return the rows of `path` inside the span and their times."""
    start_ms, stop_ms = span
    frame = pd.read_feather(path)
    times = frame["date"].to_numpy("datetime64[ms]").astype(np.int64)
    keep = np.ones(len(times), dtype=bool)
    if start_ms is not None:
        keep &= times >= start_ms
    if stop_ms is not None:
        keep &= times < stop_ms
    return frame[keep], times[keep]


def _candles(path: Path, span: _Span) -> Candles:
    frame, times = _rows(path, span)
    columns = {c: frame[c].to_numpy(np.float64) for c in ("open", "high", "low", "close", "volume")}
    return Candles(time_ms=times, **columns)


def starting_now(market: ReplayedMarket, start_ms: int, now_ms: int) -> ReplayedMarket:
    """Return `market` moved by whole days so that `now_ms` falls into the day after `start_ms`.

    Clocks, candles and funding then agree with the machine's time, and a client that signs with it
    is understood.

    Raises
    ------
    InputError
        If the market has no script at `start_ms`.
    """
    first, last = market.span_ms()
    if not first <= start_ms < last:
        began, ends, asked = (iso_ms(ms)[:10] for ms in (first, last, start_ms))
        raise InputError(
            f"expected a start in the data, {began} to {ends}, got {asked}",
            cure="name a day of it",
        )
    return market.shifted((now_ms - start_ms) // DAY_MS * DAY_MS)
