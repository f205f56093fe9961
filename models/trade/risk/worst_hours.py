"""The worst hour and the worst day recorded of each coin: how far from the close before.

`worst_hours.json` is measured on candles (`breakwater worst-hours` renews it). A coin that is not
in it counts as worse than any that is: nothing unknown passes as calm. What candles in hand show
beyond the table counts as well. The table knows hours that came later than a backtest's own: it
bounds sizes and says nothing about direction.

A day is any 24 hours, whenever they begin: one of the calendar's can split a fall in two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS

_DOLLARS: Final = ("USDT", "USDC", "USD", "BUSD", "FDUSD", "BNFCR")  # quotes the table stands for


@dataclass(frozen=True, kw_only=True)
class WorstMove:
    """The lowest low and the highest high within some time, as fractions of the close before."""

    fall_frac: float  # 0.3: 30 % below
    rise_frac: float  # 2.0: three times the close before

    def __post_init__(self) -> None:
        if not (0 <= self.fall_frac <= 1 and 0 <= self.rise_frac < np.inf):
            raise InputError(f"expected 0 <= fall <= 1 and 0 <= rise < inf, got {self}")

    def against(self, side: int) -> float:
        """Return the move against a position of `side`, +1 long or -1 short."""
        return self.fall_frac if side > 0 else self.rise_frac

    def or_worse(self, other: WorstMove) -> Self:
        """Return the worse of both, side by side."""
        return replace(
            self,
            fall_frac=max(self.fall_frac, other.fall_frac),
            rise_frac=max(self.rise_frac, other.rise_frac),
        )


class WorstHour(WorstMove):
    """The worst of any clock hour."""


class WorstDay(WorstMove):
    """The worst of any 24 hours."""


@dataclass(frozen=True, kw_only=True)
class CoinRecord:
    """What is on record of one coin, at one kind of price."""

    hour: WorstHour
    day: WorstDay

    def __post_init__(self) -> None:
        if self.day.or_worse(self.hour) != self.day:
            raise InputError(f"expected a day no calmer than its worst hour, got {self}")


# Of a coin nobody measured. On 2025-10-10 several coins lost four fifths within minutes, and an
# ether contract once more than tripled within an hour. Within a day of May 2022 Terra's coin lost
# nearly all of its price; a day's rise is assumed to be twice an hour's.
ASSUMED: Final = WorstHour(fall_frac=0.85, rise_frac=2.5)
ASSUMED_DAY: Final = WorstDay(fall_frac=1.0, rise_frac=5.0)
CALM: Final = WorstHour(fall_frac=0.0, rise_frac=0.0)
CALM_DAY: Final = WorstDay(fall_frac=0.0, rise_frac=0.0)
_ASSUMED: Final = CoinRecord(hour=ASSUMED, day=ASSUMED_DAY)


def no_worse_than_assumed(fall_frac: float, rise_frac: float) -> WorstHour:
    """Return an hour that is held possible, as far as it counts: an unknown coin's is the worst.

    Examples
    --------
    >>> no_worse_than_assumed(0.99, 0.5)
    WorstHour(fall_frac=0.85, rise_frac=0.5)
    """
    return WorstHour(
        fall_frac=min(fall_frac, ASSUMED.fall_frac), rise_frac=min(rise_frac, ASSUMED.rise_frac)
    )


WorstTable: TypeAlias = Mapping[str, Mapping[str, CoinRecord]]  # coin -> "traded", maybe "mark"


def recorded(pair: str, *, at_marks: bool = False, table: WorstTable | None = None) -> WorstHour:
    """Return the worst recorded hour of a pair's coin, `ASSUMED` where there is no record.

    Parameters
    ----------
    pair
        As Freqtrade writes it, "BTC/USDT:USDT".
    at_marks
        Of the mark price instead of the traded one, where both are recorded: what counts for a
        position without a stop, which a traded price alone neither closes nor liquidates.
    table
        Another record than the shipped one; a coin that is not in it has none.

    Examples
    --------
    >>> recorded("BTC/USDT:USDT").fall_frac > 0.25, recorded("NEW/USDT:USDT") == ASSUMED
    (True, True)
    """
    return _record(pair, at_marks, table).hour


def recorded_day(pair: str, *, at_marks: bool = False, table: WorstTable | None = None) -> WorstDay:
    """Return the worst recorded day of a pair's coin, `ASSUMED_DAY` where there is no record.

    Parameters are those of `recorded`.

    Examples
    --------
    >>> recorded_day("LTC/USDT:USDT").fall_frac > 0.57
    True
    """
    return _record(pair, at_marks, table).day


def _record(pair: str, at_marks: bool, table: WorstTable | None) -> CoinRecord:
    coin, _, quote = pair.partition("/")
    if quote.partition(":")[0] not in _DOLLARS:
        return _ASSUMED
    row = (_table() if table is None else table).get(coin)
    if row is None:
        return _ASSUMED
    return row["mark"] if at_marks and "mark" in row else row["traded"]


def worst_hour(
    time_ms: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, candle_ms: int
) -> WorstHour:
    """Return the worst clock hour that candles show; a hole in them is no hour.

    Parameters
    ----------
    time_ms, high, low, close
        (N,) each, oldest first, `candle_ms` long. Of candles longer than an hour it is the least
        that one of their hours must have moved, were all of them alike.

    Examples
    --------
    >>> hours = np.arange(3) * 3_600_000
    >>> worst_hour(hours, np.array([100.0, 125.0, 90.0]), np.array([100.0, 90.0, 45.0]),
    ...            np.array([100.0, 90.0, 80.0]), 3_600_000)
    WorstHour(fall_frac=0.5, rise_frac=0.25)
    """
    fall, rise, _ = hourly_moves(time_ms, high, low, close, candle_ms)
    if not len(fall):
        return CALM
    hours = max(1.0, candle_ms / HOUR_MS)
    down = 1 - (1 - float(fall.max())) ** (1 / hours)
    up = (1 + float(rise.max())) ** (1 / hours) - 1
    return WorstHour(fall_frac=max(down, 0.0), rise_frac=max(up, 0.0))


def hourly_moves(
    time_ms: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, candle_ms: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return (fall, rise, opens) of every hour whose close before is known, (H,) each.

    Raises
    ------
    InputError
        If a price is not a finite number > 0.
    """
    _check_prices(high, low, close)
    step = max(candle_ms, HOUR_MS)
    hour = time_ms // step
    _, first = np.unique(hour, return_index=True)  # of each hour, its first candle
    lows, highs = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    before = close[first[1:] - 1]
    known = time_ms[first[1:]] - time_ms[first[1:] - 1] == candle_ms
    opens: IntArray = hour[first[1:]][known] * step
    return (1 - lows[1:] / before)[known], (highs[1:] / before - 1)[known], opens


def worst_24_hours(
    time_ms: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, candle_ms: int
) -> WorstDay:
    """Return the worst 24 hours that candles show, whenever they begin.

    Parameters
    ----------
    time_ms, high, low, close
        (N,) each, oldest first, `candle_ms` long. Of candles longer than a day it is the least
        that one of their days must have moved, were all of them alike.

    Examples
    --------
    >>> hours = np.arange(3) * 3_600_000
    >>> worst_24_hours(hours, np.array([100.0, 125.0, 90.0]), np.array([100.0, 90.0, 45.0]),
    ...           np.array([100.0, 90.0, 80.0]), 3_600_000)
    WorstDay(fall_frac=0.55, rise_frac=0.25)
    """
    fall, rise, _ = daily_moves(time_ms, high, low, close, candle_ms)
    if not len(fall):
        return CALM_DAY
    days = max(1.0, candle_ms / DAY_MS)
    down = 1 - (1 - float(fall.max())) ** (1 / days)
    up = (1 + float(rise.max())) ** (1 / days) - 1
    return WorstDay(fall_frac=max(down, 0.0), rise_frac=max(up, 0.0))


def daily_moves(
    time_ms: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, candle_ms: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return (fall, rise, begins) of the 24 hours after every close, (D,) each.

    `begins` is when they do, as the candle of that close ends. Closes with no candle in the 24
    hours after them are left out; a hole within is no reason: the price did go there.

    Raises
    ------
    InputError
        If a price is not a finite number > 0.
    """
    _check_prices(high, low, close)
    if not len(time_ms):
        return close, close, time_ms
    row = (time_ms - time_ms[0]) // candle_ms  # of each candle, in a grid without holes
    lows, highs = np.full((2, int(row[-1]) + 2), np.inf)
    lows[row], highs[row] = low, -high
    span = max(1, DAY_MS // candle_ms)
    lowest = _least_ahead(lows, span)[row + 1]  # (N,), of the candles after each
    highest = -_least_ahead(highs, span)[row + 1]
    some = np.isfinite(lowest)
    begins: IntArray = (time_ms + candle_ms)[some]
    return (1 - lowest / close)[some], (highest / close - 1)[some], begins


def _least_ahead(values: FloatArray, count: int) -> FloatArray:
    """Return (N,): the least of each value and the `count` - 1 after it, fewer at the end."""
    out, done = values.copy(), 1
    while done < count:  # what is done doubles: log2(count) passes
        step = min(done, count - done)
        out[:-step] = np.minimum(out[:-step], out[step:])
        done += step
    return out


def _check_prices(*prices: FloatArray) -> None:
    every = np.concatenate(prices)
    if not (np.isfinite(every) & (every > 0)).all():
        raise InputError("expected finite prices > 0", where="worst hour")


_Worst = TypeVar("_Worst", bound=WorstMove)
_Measure: TypeAlias = Callable[[IntArray, FloatArray, FloatArray, FloatArray, int], _Worst]


class _Seen(Generic[_Worst]):
    """The worst move of the candles each pair has shown so far; looks at new candles only."""

    def __init__(self, measure: _Measure[_Worst], calm: _Worst, span_ms: int) -> None:
        self._measure, self._calm, self._span_ms = measure, calm, span_ms
        self._seen: dict[str, tuple[int, _Worst]] = {}  # pair -> (newest candle, worst)

    def known(self, pair: str) -> tuple[_Worst, int]:
        """Return the worst move shown so far, and the open of the newest candle looked at, or 0."""
        newest, worst = self._seen.get(pair, (0, self._calm))
        return worst, newest

    def look(
        self,
        pair: str,
        time_ms: IntArray,
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
        candle_ms: int,
    ) -> _Worst:
        """Return the worst move of `pair` with these candles, which may overlap earlier ones.

        Time that runs backwards is another run: it forgets what came later.
        """
        worst, newest = self.known(pair)
        if not len(time_ms):
            return worst
        if time_ms[-1] < newest:
            del self._seen[pair]
            worst, newest = self.known(pair)
        # The newest candle may have gone on since, and all closes it is held against are needed.
        new = time_ms >= newest // HOUR_MS * HOUR_MS - max(self._span_ms, candle_ms)
        now = self._measure(time_ms[new], high[new], low[new], close[new], candle_ms)
        worst = worst.or_worse(now)
        self._seen[pair] = int(time_ms[-1]), worst
        return worst


class SeenHours(_Seen[WorstHour]):
    """The worst hour of the candles each pair has shown so far."""

    def __init__(self) -> None:
        super().__init__(worst_hour, CALM, HOUR_MS)


class SeenDays(_Seen[WorstDay]):
    """The worst day of the candles each pair has shown so far."""

    def __init__(self) -> None:
        super().__init__(worst_24_hours, CALM_DAY, DAY_MS)


@cache
def _table() -> Mapping[str, Mapping[str, CoinRecord]]:
    file = resources.files("models.trade.risk") / "worst_hours.json"
    return parsed_hours(json.loads(file.read_text(encoding="utf-8"))["coins"])


def parsed_hours(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, CoinRecord]]:
    """Return coin -> {"traded", maybe "mark"} -> its record, from the rows of the table's file.

    Raises
    ------
    InputError
        If a coin is there twice, or a number is missing or out of range.
    """
    out: dict[str, dict[str, CoinRecord]] = {}
    for row in rows:
        try:
            records = {
                kind: _parsed(row[kind])
                for kind in ("traded", "mark")
                if kind == "traded" or row.get(kind)
            }
            coin = str(row["coin"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "expected coin and traded with fall_frac, rise_frac and the same of its day, "
                f"got {row}",
                where="worst_hours.json",
                cure="renew the table: breakwater worst-hours",
            ) from error
        if coin in out:
            raise InputError(f"{coin} is there twice", where="worst_hours.json")
        out[coin] = records
    return out


def _parsed(one: Mapping[str, Any]) -> CoinRecord:
    day = one["day"]
    return CoinRecord(
        hour=WorstHour(fall_frac=float(one["fall_frac"]), rise_frac=float(one["rise_frac"])),
        day=WorstDay(fall_frac=float(day["fall_frac"]), rise_frac=float(day["rise_frac"])),
    )
