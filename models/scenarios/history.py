"""Several coins' candles as one history: one grid, log differences, gaps left out and said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import Candles, FloatArray, IntArray
from models.base.windows import contiguous_runs
from models.data.feeds.aggregation import aggregate
from models.data.feeds.candles import check_candles, check_funding, iso
from models.scenarios.paths import CoinHistory

LEAST_ROWS: Final = 1_000  # of a history; engines may need more
LEAST_SHARE: Final = 0.5  # of the longest coin's rows; a shorter coin would cut off the others'


@dataclass(frozen=True, kw_only=True)
class FundingRows:
    """One coin's funding: (N,) payment times and rates, as fractions longs pay."""

    time_ms: IntArray
    rate: FloatArray


@dataclass(frozen=True, kw_only=True)
class GatheredHistory:
    """A history, and what is not in it."""

    history: CoinHistory
    left_out: Mapping[str, str]  # pair -> why it is not among the coins
    notes: tuple[str, ...]  # what a reader of results has to know of the data


def gather_history(
    candles: Mapping[str, Candles],
    candle_ms: int,
    *,
    funding: Mapping[str, FundingRows] | None = None,
    asked: Collection[str] | None = None,
    least_rows: int = LEAST_ROWS,
) -> GatheredHistory:
    """Put several coins' candles on one grid.

    A row is a candle that every coin has, right after one that every coin has: a log difference
    over a gap would be of several candles. Lows and highs are held against the close before, too,
    where the candle began. A coin without funding has none, which `notes` tells.

    Parameters
    ----------
    candles
        By pair, each sorted; gaps are allowed.
    funding
        By pair; rates count in the candle within which they are paid.
    asked
        Pairs that must be in it; all by default. Others are left out where they do not fit.
    least_rows
        Of each coin, and of all together.

    Raises
    ------
    InputError
        If a coin that was asked for is unsound or too short, or too few rows are common to all.

    Examples
    --------
    >>> t, p = np.arange(3, dtype=np.int64) * 3_600_000, np.array([100.0, 110.0, 99.0])
    >>> coin = Candles(time_ms=t, open=p, high=p, low=p, close=p, volume=p)
    >>> got = gather_history({"BTC/USDT:USDT": coin}, 3_600_000, least_rows=1)
    >>> np.exp(got.history.close).round(2).tolist(), got.history.high.round(2).tolist()
    ([[1.1], [0.9]], [[0.1], [0.0]])
    """
    funding = funding or {}
    asked = candles if asked is None else asked
    unknown = sorted(set(asked) - set(candles))
    if unknown or not candles:
        raise InputError(
            f"expected candles of {', '.join(unknown) or 'at least one coin'}, got none",
            where="history",
            cure="download them (freqtrade download-data), or do not ask for them",
        )
    longest = max(map(len, candles.values()))
    least = max(least_rows + 1, int(LEAST_SHARE * longest))
    left_out: dict[str, str] = {}
    for pair, rows in candles.items():
        try:
            _check(pair, rows, candle_ms, funding.get(pair), least)
        except InputError as error:
            if pair in asked:
                raise
            left_out[pair] = error.problem
    kept = {pair: rows for pair, rows in candles.items() if pair not in left_out}
    time_ms = _common(kept, candle_ms, least_rows)
    paid = {pair: _paid(funding.get(pair), time_ms, candle_ms) for pair in kept}
    return GatheredHistory(
        history=_differences(kept, candle_ms, time_ms, paid),
        left_out=left_out,
        notes=(*_gap_notes(time_ms, candle_ms), *_funding_notes(kept, funding, time_ms)),
    )


def coarser(candles: Candles, candle_ms: int, longer_ms: int) -> Candles:
    """Return longer candles, made of whole runs of shorter ones; what a gap cuts is left out.

    Raises
    ------
    InputError
        If `longer_ms` is no multiple of `candle_ms`, or no longer candle is whole.
    AlignmentError
        If times do not increase.
    """
    if longer_ms % candle_ms:
        raise InputError(f"expected a multiple of {candle_ms} ms, got {longer_ms}")
    runs = contiguous_runs(candles.time_ms, candle_ms, np.ones(len(candles), dtype=np.bool_))
    names = ("time_ms", "open", "high", "low", "close", "volume")
    joined = [
        aggregate(
            candles.cut(slice(run.start, run.stop)),
            candle_ms,
            longer_ms,
        )
        for run in runs
        if _whole(int(candles.time_ms[run.start]), len(run), candle_ms, longer_ms)
    ]
    if not joined:
        raise InputError(
            f"expected {longer_ms // candle_ms} candles in a row, got {len(candles)} with gaps"
        )
    return Candles(**{n: np.concatenate([getattr(c, n) for c in joined]) for n in names})


def _whole(first_ms: int, rows: int, candle_ms: int, longer_ms: int) -> bool:
    """Whether a run holds one whole longer candle."""
    return rows * candle_ms >= -first_ms % longer_ms + longer_ms


def _check(
    pair: str, candles: Candles, candle_ms: int, funding: FundingRows | None, least: int
) -> None:
    if len(candles) < least:
        span = f", from {iso(int(candles.time_ms[0]))}" if len(candles) else ""
        raise InputError(
            f"expected at least {least} candles of {pair}, got {len(candles)}{span}",
            where=pair,
            cure="download a longer span, or leave the coin out: it would shorten all the others",
        )
    check_candles(candles, candle_ms, pair, gaps=True)
    if funding is not None:
        check_funding(funding.time_ms, funding.rate, f"{pair} funding")


def _common(candles: Mapping[str, Candles], candle_ms: int, least_rows: int) -> IntArray:
    """Return the times of candles that all coins have, with the one before."""
    if not candles:
        raise InputError("expected at least one sound coin, got none", where="history")
    have: IntArray = reduce(np.intersect1d, [c.time_ms for c in candles.values()])
    time_ms: IntArray = have[np.isin(have - candle_ms, have)]
    if len(time_ms) < least_rows:
        spans = ", ".join(
            f"{pair} {iso(int(c.time_ms[0]))} to {iso(int(c.time_ms[-1]))}"
            for pair, c in candles.items()
        )
        raise InputError(
            f"expected at least {least_rows} rows common to all coins, got {len(time_ms)}",
            where=spans,
            cure="download the same span for all of them, or leave a coin out",
        )
    return time_ms


def _differences(
    candles: Mapping[str, Candles],
    candle_ms: int,
    time_ms: IntArray,
    paid: Mapping[str, FloatArray],
) -> CoinHistory:
    close, low, high = [], [], []
    for c in candles.values():
        row = np.searchsorted(c.time_ms, time_ms)
        before = c.close[row - 1]
        close.append(np.log(c.close[row] / before))
        # The bounds of a sound candle, and rounding; the first price is the close before.
        low.append(np.minimum(np.log(c.low[row] / before), np.minimum(close[-1], 0.0)))
        high.append(np.maximum(np.log(c.high[row] / before), np.maximum(close[-1], 0.0)))
    return CoinHistory(
        coins=tuple(candles),
        candle_ms=candle_ms,
        time_ms=time_ms,
        close=np.column_stack(close),
        low=np.column_stack(low),
        high=np.column_stack(high),
        funding=np.column_stack([paid[pair] for pair in candles]),
    )


def _paid(funding: FundingRows | None, time_ms: IntArray, candle_ms: int) -> FloatArray:
    """Return what is paid within each candle, (R,); a payment at its open is within it."""
    out = np.zeros(len(time_ms))
    if funding is None:
        return out
    row = np.searchsorted(time_ms, funding.time_ms, side="right") - 1
    inside = (row >= 0) & (funding.time_ms < time_ms[row] + candle_ms)
    np.add.at(out, row[inside], funding.rate[inside])
    return out


def _gap_notes(time_ms: IntArray, candle_ms: int) -> tuple[str, ...]:
    step = np.diff(time_ms)
    gaps = int((step > candle_ms).sum())
    missing = int((step // candle_ms - 1).sum())
    return (f"{gaps} gaps, {missing} candles left out",) if gaps else ()


def _funding_notes(
    kept: Collection[str], funding: Mapping[str, FundingRows], time_ms: IntArray
) -> list[str]:
    notes = []
    for pair in kept:
        if pair not in funding:
            notes.append(f"{pair}: no funding known, taken as none paid")
        elif (first := int(funding[pair].time_ms[0])) > time_ms[0]:
            early = int((time_ms < first).sum())
            notes.append(f"{pair}: no funding known before {iso(first)}, {early} rows without")
    return notes
