"""Market data of a run: whether all the files it reads are sound.

A run reads Freqtrade's own feather files. Nothing here repairs them: a run on broken data stops
with one error that names every bad file and what to do about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.types import Candles, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.data.feeds.candles import (
    FUNDING_MS,
    check_candles,
    check_funding,
    check_funding_span,
    check_span,
    iso,
    timerange,
)
from models.data.feeds.clocks import hours_apart
from strategies.bot.data_files import MARKER, DataFile, listing

MARK_TIMEFRAME: Final = "1h"  # Freqtrade reads mark prices and funding from files of this name


@dataclass(frozen=True, kw_only=True)
class FileSummary:
    """One file a run reads, and the rows of it that the run needs."""

    path: Path
    rows: int
    first_ms: int  # time of the first of these rows
    last_ms: int
    sha256: str  # of the whole file


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """The data of one run, for the head of its report."""

    source: Literal["real", "simulated"]
    datadir: Path
    files: tuple[FileSummary, ...]
    sha256: str  # over names and hashes of all files


def load_checked(
    datadir: Path,
    pair: str,
    timeframe: str,
    candle_type: CandleType = CandleType.FUTURES,
    *,
    start_ms: int | None = None,
    stop_ms: int | None = None,
) -> Candles:
    """Read one candle file and check it; return the candles in [start_ms, stop_ms).

    Parameters
    ----------
    datadir
        Freqtrade's data directory, the one that holds ``futures/``.
    pair, timeframe, candle_type
        Which file; funding has `load_funding`.
    start_ms, stop_ms
        Check and return this span only, and insist that the file covers it.

    Raises
    ------
    InputError
        If the file is missing or unreadable, has other columns, or its candles are unsound.
    """
    file = DataFile(
        datadir=Path(datadir),
        pair=pair,
        timeframe=timeframe,
        candle_type=candle_type,
        start_ms=start_ms,
        stop_ms=stop_ms,
    )
    time_ms, columns = file.read()
    name, candle_ms = str(file.path), timeframe_to_msecs(timeframe)
    rows, in_order = _rows_within(time_ms, start_ms, stop_ms, candle_ms)
    candles = Candles(time_ms=time_ms[rows], **{c: v[rows] for c, v in columns.items()})

    checks: list[Callable[[], None]] = []
    if in_order and start_ms is not None and stop_ms is not None:
        whole = Candles(time_ms=time_ms, **columns)
        checks.append(partial(check_span, whole, start_ms, stop_ms, name, candle_ms))
    least = 1 if checks else 2  # a covered span may be one candle long
    if len(candles) >= least or not checks:
        checks.append(
            partial(check_candles, candles, candle_ms, name, min_rows=least, first_row=rows.start)
        )
    file.checked(checks)
    return candles


def load_funding(
    datadir: Path, pair: str, *, start_ms: int | None = None, stop_ms: int | None = None
) -> tuple[IntArray, FloatArray]:
    """Read and check one funding file; return payment times and rates in [start_ms, stop_ms).

    Raises
    ------
    InputError
        As `load_checked`.
    """
    file = DataFile(
        datadir=Path(datadir),
        pair=pair,
        timeframe=MARK_TIMEFRAME,
        candle_type=CandleType.FUNDING_RATE,
        start_ms=start_ms,
        stop_ms=stop_ms,
    )
    time_ms, columns = file.read()
    name, rate = str(file.path), columns["funding_rate"]
    rows, in_order = _rows_within(time_ms, start_ms, stop_ms, FUNDING_MS)

    checks: list[Callable[[], None]] = []
    if in_order and len(time_ms) and start_ms is not None and stop_ms is not None:
        checks.append(partial(check_funding_span, time_ms, start_ms, stop_ms, name))
    if len(time_ms[rows]) or not checks:
        checks.append(partial(check_funding, time_ms[rows], rate[rows], name, first_row=rows.start))
    file.checked(checks)
    return time_ms[rows], rate[rows]


def has_funding(datadir: Path, pair: str) -> bool:
    """Return whether a data directory has a file of a pair's funding."""
    return DataFile(
        datadir=datadir, pair=pair, timeframe=MARK_TIMEFRAME, candle_type=CandleType.FUNDING_RATE
    ).path.is_file()


def check_datadir(
    datadir: Path,
    pairs: Iterable[str],
    timeframe: str,
    start_ms: int,
    stop_ms: int,
    pool: Iterable[str] = (),
) -> DataSummary:
    """Check every file a futures backtest of `pairs` reads in [start_ms, stop_ms).

    Parameters
    ----------
    datadir
        Freqtrade's data directory.
    pairs, timeframe
        What the run trades; mark candles and funding are always read at 1h.
    start_ms, stop_ms
        First candle the run needs, warm-up and training rows included, and its end.
    pool
        Further pairs a model learns from, of which candles are read as far as there are any.

    Raises
    ------
    InputError
        One error that lists all that is wrong in all files.
    """
    datadir, pairs = Path(datadir), list(dict.fromkeys(pairs))
    if not pairs or stop_ms <= start_ms:
        raise InputError(
            f"expected pairs and a span to check, got {pairs} and {start_ms} to {stop_ms}",
            where=str(datadir),
            cure="check the pair whitelist and --timerange",
        )
    _refuse_empty(datadir, pairs, timeframe, start_ms, stop_ms)
    checks: list[Callable[[], FileSummary]] = [
        partial(_check_file, datadir, pair, timeframe, kind, start_ms, stop_ms)
        for pair in pairs
        for kind in (CandleType.FUTURES, CandleType.MARK, CandleType.FUNDING_RATE)
    ]
    others = [pair for pair in dict.fromkeys(pool) if pair not in pairs]
    checks += [partial(_check_pooled, path, datadir, pair, timeframe)
               for pair in others
               if (path := _futures_path(datadir, pair, timeframe)).is_file()]  # fmt: skip
    files, problems = _outcomes(checks)
    if not problems:  # of sound files only can be said whether they fit
        clocks = [partial(_check_clock, datadir, pair, timeframe, start_ms, stop_ms)
                  for pair in pairs]  # fmt: skip
        _, problems = _outcomes(clocks)
    if problems:
        raise _joined(datadir, problems, len(files) + len(problems))
    digest = hashlib.sha256("".join(f"{f.path.name} {f.sha256}\n" for f in files).encode())
    return DataSummary(
        source="simulated" if (datadir / MARKER).is_file() else "real",
        datadir=datadir,
        files=tuple(files),
        sha256=digest.hexdigest(),
    )


def _check_file(
    datadir: Path, pair: str, timeframe: str, kind: CandleType, start_ms: int, stop_ms: int
) -> FileSummary:
    if kind != CandleType.FUTURES:  # whole hours
        timeframe = MARK_TIMEFRAME
        start_ms, stop_ms = start_ms - start_ms % HOUR_MS, stop_ms - stop_ms % HOUR_MS
    if kind == CandleType.FUNDING_RATE:
        time_ms, _ = load_funding(datadir, pair, start_ms=start_ms, stop_ms=stop_ms)
    else:
        time_ms = load_checked(
            datadir, pair, timeframe, kind, start_ms=start_ms, stop_ms=stop_ms
        ).time_ms
    path = DataFile(datadir=datadir, pair=pair, timeframe=timeframe, candle_type=kind).path
    return _summary(path, time_ms)


def _check_clock(
    datadir: Path, pair: str, timeframe: str, start_ms: int, stop_ms: int
) -> FileSummary:
    """Raise where a pair's candles and mark prices are stamped in different time zones."""
    traded = DataFile(
        datadir=datadir, pair=pair, timeframe=timeframe, candle_type=CandleType.FUTURES,
        start_ms=start_ms, stop_ms=stop_ms,
    )  # fmt: skip
    candles = load_checked(datadir, pair, timeframe, start_ms=start_ms, stop_ms=stop_ms)
    hour = start_ms - start_ms % HOUR_MS
    marks = load_checked(
        datadir, pair, MARK_TIMEFRAME, CandleType.MARK, start_ms=hour,
        stop_ms=stop_ms - stop_ms % HOUR_MS,
    )  # fmt: skip
    hours = hours_apart(
        candles.time_ms + timeframe_to_msecs(timeframe), candles.close,
        marks.time_ms + HOUR_MS, marks.close,
    )  # fmt: skip
    if hours:
        raise InputError(
            f"expected {traded.path.name} in UTC, got times {hours:+d} h from those of the mark "
            f"prices: row 0 is stamped {iso(int(candles.time_ms[0]))}",
            where=str(traded.path),
            cure=traded.cure(f"find out which of the two is not UTC and delete it, then "
                             f"{traded.download()}"),
        )  # fmt: skip
    return _summary(traded.path, candles.time_ms)


def _check_pooled(path: Path, datadir: Path, pair: str, timeframe: str) -> FileSummary:
    return _summary(path, load_checked(datadir, pair, timeframe).time_ms)


def _futures_path(datadir: Path, pair: str, timeframe: str) -> Path:
    return DataFile(
        datadir=datadir, pair=pair, timeframe=timeframe, candle_type=CandleType.FUTURES
    ).path


def _outcomes(
    checks: Iterable[Callable[[], FileSummary]],
) -> tuple[list[FileSummary], list[InputError]]:
    """Return what the checks found of each file, and the errors of those that failed."""
    files: list[FileSummary] = []
    problems: list[InputError] = []
    for check in checks:
        try:
            files.append(check())
        except InputError as error:
            problems.append(error)
    return files, problems


def _summary(path: Path, time_ms: IntArray) -> FileSummary:
    return FileSummary(
        path=path,
        rows=len(time_ms),
        first_ms=int(time_ms[0]),
        last_ms=int(time_ms[-1]),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _rows_within(
    time_ms: IntArray, start_ms: int | None, stop_ms: int | None, step_ms: int
) -> tuple[slice, bool]:
    """Return the rows of the span, and whether the times are in order.

    Out of order a span means nothing: all rows are returned, for the check to refuse. Where the
    span begins or ends inside a gap, the row beyond it comes along, so that the check sees it.
    """
    first, last = 0, len(time_ms)
    if np.any(np.diff(time_ms) <= 0):
        return slice(first, last), False
    if start_ms is not None:
        first = int(np.searchsorted(time_ms, start_ms))
        if 0 < first < len(time_ms) and time_ms[first] >= start_ms + step_ms:
            first -= 1
    if stop_ms is not None:
        last = int(np.searchsorted(time_ms, stop_ms))
        if 0 < last < len(time_ms) and time_ms[last - 1] + step_ms < stop_ms:
            last += 1
    return slice(first, last), True


def _refuse_empty(
    datadir: Path, pairs: list[str], timeframe: str, start_ms: int, stop_ms: int
) -> None:
    """Raise one short error where there is no data at all."""
    futures = datadir / "futures"
    if any(futures.glob("*.feather")):
        return
    raise InputError(
        f"expected futures data in {datadir}, found {listing(futures)}",
        where=str(futures),
        cure="freqtrade download-data --exchange binance --trading-mode futures "
        f"--pairs {' '.join(pairs)} --timeframes {timeframe} "
        f"--timerange {timerange(start_ms, stop_ms)} --data-format-ohlcv feather",
    )


def _joined(datadir: Path, problems: list[InputError], files: int) -> InputError:
    lines = [f"expected sound data in {datadir}, found faults in {len(problems)} of {files} files"]
    for error in problems:
        lines.append("- " + error.problem.replace("\n", "\n  "))
        lines.append("    cure: " + error.cure.replace("\n", "\n    "))
    return InputError(
        "\n".join(lines), where=str(datadir), cure="cure each file, or choose another --timerange"
    )
