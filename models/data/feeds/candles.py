"""Checks of market data before anything is computed from it; nothing is repaired or filled.

Freqtrade fills holes with flat candles and drops duplicates without a word, so a model trained on
a broken file sees calm where an exchange was down. These checks stop the run instead and say which
rows are wrong. Times are read as UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, Candles, FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS

FUNDING_MS: Final = 8 * HOUR_MS  # the longest interval at which Binance USD-M charges funding
MAX_FUNDING_FRAC: Final = 0.05  # beyond any venue's cap: such a number is a percentage or a fault

_SHOWN: Final = 10  # offenders listed in one error
_EVER_MS: Final = 10_000 * DAY_MS  # longer than any history
_FUNDING_JITTER_MS: Final = 1_000  # payments are stamped some milliseconds late; Freqtrade floors

# One offence: its row, and the sentence about it.
_Offence = tuple[int, str]


def iso(time_ms: int) -> str:
    """Return a time as text, to the second where seconds matter.

    Examples
    --------
    >>> iso(1_640_995_200_000), iso(1_640_995_201_500)
    ('2022-01-01T00:00Z', '2022-01-01T00:00:01Z')
    """
    at = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    return at.strftime("%Y-%m-%dT%H:%MZ" if time_ms % 60_000 == 0 else "%Y-%m-%dT%H:%M:%SZ")


def timerange(start_ms: int, stop_ms: int) -> str:
    """Return Freqtrade's ``--timerange`` of whole days that covers [start, stop).

    Examples
    --------
    >>> timerange(1_640_998_800_000, 1_641_081_600_001)
    '20220101-20220103'
    """
    stop_day = -(-stop_ms // DAY_MS) * DAY_MS
    first, last = (datetime.fromtimestamp(t / 1000, tz=UTC) for t in (start_ms, stop_day))
    return f"{first:%Y%m%d}-{last:%Y%m%d}"


def check_candles(
    candles: Candles,
    candle_ms: int,
    name: str,
    *,
    min_rows: int = 2,
    first_row: int = 0,
    gaps: bool = False,
) -> None:
    """Raise one error that lists what is wrong with `candles`; return nothing if all is well.

    Parameters
    ----------
    candles
        One market, (N,) arrays.
    candle_ms
        Length of one candle, at most one day (longer ones do not start on a multiple of it).
    name
        What the error calls the data: a file path, or pair and timeframe.
    min_rows
        Fewer rows are an error.
    first_row
        Row number of ``candles`` row 0 in the file, for the messages.
    gaps
        Missing candles are no fault: for who leaves out what follows a gap.

    Raises
    ------
    InputError
        For too few rows; times that go back, repeat, overlap, leave a gap or are off the
        timeframe's grid; prices that are NaN, infinite or not positive; a high below or a low
        above the open or close; a volume that is negative, NaN or infinite. The first ten
        offenders are named by row and time, the rest counted.

    Examples
    --------
    >>> t = np.array([0, 1, 2, 5], dtype=np.int64) * HOUR_MS
    >>> p = np.full(4, 100.0)
    >>> check_candles(
    ...     Candles(time_ms=t, open=p, high=p, low=p, close=p, volume=p), HOUR_MS, "BTC 1h"
    ... )
    Traceback (most recent call last):
    models.base.errors.InputError: expected sound candles in BTC 1h, found 1 fault in 4 rows
      row 3 1970-01-01T05:00Z: gap: 2 candles missing from 1970-01-01T03:00Z
      where: BTC 1h, row 3
      cure:  download it again (freqtrade download-data --erase), or leave the span out with
        --timerange; faults lie within --timerange 19700101-19700102
    """
    _check_shapes(candles, name)
    if len(candles) < min_rows:
        raise InputError(
            f"expected at least {min_rows} candles in {name}, got {len(candles)}",
            where=name,
            cure="download a longer span (freqtrade download-data --timerange)",
        )
    longest = _EVER_MS if gaps else candle_ms
    offences = _time_faults(candles.time_ms, candle_ms, "candle", longest_ms=longest)
    offences += _value_faults(candles)
    _raise_offences(offences, candles.time_ms, name, "candles", first_row)


def check_span(
    candles: Candles, start_ms: int, stop_ms: int, name: str, candle_ms: int = HOUR_MS
) -> None:
    """Raise if `candles` do not cover the run, [start, stop).

    Parameters
    ----------
    candles
        One market, sorted.
    start_ms, stop_ms
        First candle open the run needs (warm-up included) and the end of its last candle.
    name
        What the error calls the data.
    candle_ms
        Length of one candle.

    Raises
    ------
    InputError
        Says the span expected, the span present, and which side to download.

    Examples
    --------
    >>> t, p = np.arange(3, dtype=np.int64) * HOUR_MS, np.full(3, 100.0)
    >>> candles = Candles(time_ms=t, open=p, high=p, low=p, close=p, volume=p)
    >>> check_span(candles, 0, 3 * HOUR_MS, "BTC 1h")
    >>> check_span(candles, 0, DAY_MS, "BTC 1h")
    Traceback (most recent call last):
    models.base.errors.InputError: expected BTC 1h to cover 1970-01-01T00:00Z to 1970-01-02T00:00Z,
      got 1970-01-01T00:00Z to 1970-01-01T03:00Z: 21 candles short at the end
      where: BTC 1h
      cure:  freqtrade download-data --timerange 19700101-19700102, or end the run earlier
    """
    needed = f"expected {name} to cover {iso(start_ms)} to {iso(stop_ms)}"
    if len(candles) == 0:
        raise InputError(
            f"{needed}, got no candles",
            where=name,
            cure=f"freqtrade download-data --timerange {timerange(start_ms, stop_ms)}",
        )
    first, end = int(candles.time_ms[0]), int(candles.time_ms[-1]) + candle_ms
    early = -(-max(0, first - start_ms) // candle_ms)
    late = -(-max(0, stop_ms - end) // candle_ms)
    if not early and not late:
        return
    short, cure = [], []
    if early:
        short.append(f"{early} candle{'s' * (early > 1)} short at the start")
        cure.append(
            f"freqtrade download-data --prepend --timerange {timerange(start_ms, first)}, "
            "or start the run later"
        )
    if late:
        short.append(f"{late} candle{'s' * (late > 1)} short at the end")
        cure.append(
            f"freqtrade download-data --timerange {timerange(end, stop_ms)}, or end the run earlier"
        )
    raise InputError(
        f"{needed},\n  got {iso(first)} to {iso(end)}: {' and '.join(short)}",
        where=name,
        cure="; ".join(cure),
    )


def check_funding(
    time_ms: IntArray,
    rate: FloatArray,
    name: str,
    *,
    interval_ms: int = FUNDING_MS,
    first_row: int = 0,
) -> None:
    """Raise one error that lists what is wrong with a funding history.

    Parameters
    ----------
    time_ms, rate
        (N,) payment times and rates as fractions of the notional (0.0001 is one basis point).
    name
        What the error calls the data.
    interval_ms
        Longest time between payments; shorter is fine (in stress the exchange charges oftener).
    first_row
        Row number of row 0 in the file, for the messages.

    Raises
    ------
    InputError
        For no rows; times that go back, repeat, leave a gap or miss the full hour by more than a
        second (Freqtrade joins payments to hourly mark candles and drops what does not match), or
        those at which the exchange pays every eight hours; rates that are NaN, infinite or beyond
        5 %.

    Examples
    --------
    >>> t = np.arange(3, dtype=np.int64) * FUNDING_MS
    >>> check_funding(t, np.array([0.0001, -0.0002, 0.0001]), "BTC funding")
    >>> check_funding(t, np.array([0.0001, 0.2, 0.0001]), "BTC funding")
    Traceback (most recent call last):
    models.base.errors.InputError: expected sound funding in BTC funding, found 1 fault in 3 rows
      row 1 1970-01-01T08:00Z: rate 0.2 is beyond 0.05 (expected a fraction, not a percentage)
      where: BTC funding, row 1
      ...
    """
    if len(time_ms) != len(rate) or len(time_ms) == 0:
        raise InputError(
            f"expected one rate per payment in {name}, "
            f"got {len(time_ms)} times and {len(rate)} rates",
            where=name,
            cure="download it again (freqtrade download-data --candle-types funding_rate)",
        )
    floored = np.asarray(time_ms - time_ms % _FUNDING_JITTER_MS, dtype=np.int64)
    offences = _time_faults(floored, HOUR_MS, "payment", longest_ms=interval_ms)
    offences += _each(
        (np.diff(floored, prepend=0) == FUNDING_MS) & (floored % FUNDING_MS != 0),
        lambda i: (
            f"payments every 8 h are at 00:00, 08:00 and 16:00 UTC; is {iso(int(floored[i]))} "
            "a time of another zone?"
        ),
    )
    offences += _each(~np.isfinite(rate), lambda i: f"rate is {rate[i]}")
    offences += _each(
        np.abs(rate) > MAX_FUNDING_FRAC,
        lambda i: (
            f"rate {rate[i]:g} is beyond {MAX_FUNDING_FRAC} (expected a fraction, not a percentage)"
        ),
    )
    _raise_offences(offences, time_ms, name, "funding", first_row)


def check_funding_span(
    time_ms: IntArray, start_ms: int, stop_ms: int, name: str, *, interval_ms: int = FUNDING_MS
) -> None:
    """Raise if the payments do not reach from `start_ms` to `stop_ms` (one interval of slack).

    Raises
    ------
    InputError
        Freqtrade charges nothing for a payment it does not have, so a short file flatters a run.
    """
    first, last = int(time_ms[0]), int(time_ms[-1])
    if first < start_ms + interval_ms and last + interval_ms + _FUNDING_JITTER_MS >= stop_ms:
        return
    raise InputError(
        f"expected {name} to cover {iso(start_ms)} to {iso(stop_ms)},\n"
        f"  got payments from {iso(first)} to {iso(last)}",
        where=name,
        cure="freqtrade download-data --candle-types funding_rate "
        f"--timerange {timerange(start_ms, stop_ms)} "
        "(add --prepend if the start is missing), or shorten the run",
    )


def _check_shapes(candles: Candles, name: str) -> None:
    columns = ("open", "high", "low", "close", "volume")
    lengths = {c: len(getattr(candles, c)) for c in columns}
    if set(lengths.values()) != {len(candles)}:
        raise InputError(
            f"expected {len(candles)} values (one per time) in every column of {name}, "
            f"got {lengths}",
            where=name,
            cure="hand in columns of equal length",
        )


def _each(bad: BoolArray, say: Callable[[int], str]) -> list[_Offence]:
    """Describe the first offenders of one kind; later ones are counted without words."""
    rows = [int(i) for i in np.flatnonzero(bad)]
    return [(i, say(i) if k < _SHOWN else "") for k, i in enumerate(rows)]


def _time_faults(
    time_ms: IntArray, grid_ms: int, what: str, *, longest_ms: int | None = None
) -> list[_Offence]:
    """Describe faults of order and spacing; `longest_ms` is the longest sound step."""
    longest = longest_ms or grid_ms
    shortest = grid_ms
    step = np.zeros(len(time_ms), dtype=np.int64) + longest
    step[1:] = np.diff(time_ms)

    def gap(i: int) -> str:
        missing = max(1, -(-int(step[i]) // longest) - 1)
        plural = what if missing == 1 else what + "s"
        return f"gap: {missing} {plural} missing from {iso(int(time_ms[i - 1]) + longest)}"

    def before(i: int) -> str:
        return f"the row before ({iso(int(time_ms[i - 1]))})"

    return [
        *_each(step < 0, lambda i: f"unsorted: earlier than {before(i)}"),
        *_each(step == 0, lambda i: f"duplicate: same time as {before(i)}"),
        *_each((step > 0) & (step < shortest), lambda i: f"overlaps {before(i)}"),
        *_each(step > longest, gap),
        *_each(
            time_ms % grid_ms != 0,
            lambda i: f"off the {grid_ms // 60_000}-minute grid (opens at {iso(int(time_ms[i]))})",
        ),
    ]


def _value_faults(candles: Candles) -> list[_Offence]:
    """Describe faults of prices and volumes."""
    offences: list[_Offence] = []
    prices = {c: getattr(candles, c) for c in ("open", "high", "low", "close")}
    sound = np.ones(len(candles), dtype=np.bool_)
    for column, price in prices.items():
        bad = ~(np.isfinite(price) & (price > 0))
        sound &= ~bad
        offences += _each(bad, lambda i, c=column, p=price: f"{c} is {p[i]}")  # type: ignore[misc]
    # Rows with an unsound price are reported above and not compared.
    top = np.where(sound, np.maximum(candles.open, candles.close), 1.0)
    bottom = np.where(sound, np.minimum(candles.open, candles.close), 1.0)
    slack = 1e-9 * np.abs(top)  # a file may have passed through a shorter float
    high, low, volume = candles.high, candles.low, candles.volume
    offences += _each(
        sound & (high < top - slack),
        lambda i: f"high {high[i]:g} is below open or close {top[i]:g}",
    )
    offences += _each(
        sound & (low > bottom + slack),
        lambda i: f"low {low[i]:g} is above open or close {bottom[i]:g}",
    )
    offences += _each(~(np.isfinite(volume) & (volume >= 0)), lambda i: f"volume is {volume[i]}")
    return offences


def _raise_offences(
    offences: list[_Offence], time_ms: IntArray, name: str, what: str, first_row: int
) -> None:
    if not offences:
        return
    offences.sort(key=lambda offence: offence[0])
    shown = [(i, text) for i, text in offences if text][:_SHOWN]
    lines = [f"  row {first_row + i} {iso(int(time_ms[i]))}: {text}" for i, text in shown]
    if len(offences) > len(shown):
        lines.append(f"  ... and {len(offences) - len(shown)} more")
    touched = time_ms[[max(0, i - 1) for i, _ in offences] + [i for i, _ in offences]]
    span = timerange(int(touched.min()), int(touched.max()) + 1)
    count = f"{len(offences)} fault{'s' if len(offences) > 1 else ''}"
    raise InputError(
        f"expected sound {what} in {name}, found {count} in {len(time_ms)} rows\n"
        + "\n".join(lines),
        where=f"{name}, row {first_row + shown[0][0]}",
        cure="download it again (freqtrade download-data --erase), or leave the span out with\n"
        f"    --timerange; faults lie within --timerange {span}",
    )
