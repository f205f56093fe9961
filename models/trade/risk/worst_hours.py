"""The worst hour recorded of each coin: how far its price went from the close before.

`worst_hours.json` is measured on candles (`breakwater worst-hours` renews it). A coin that is not
in it counts as worse than any that is: nothing unknown passes as calm. What candles in hand show
beyond the table counts as well. The table knows hours that came later than a backtest's own: it
bounds sizes and says nothing about direction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS

_DOLLARS: Final = ("USDT", "USDC", "USD", "BUSD", "FDUSD", "BNFCR")  # quotes the table stands for


@dataclass(frozen=True, kw_only=True)
class WorstHour:
    """The lowest low and the highest high of any hour, as fractions of the close before it."""

    fall_frac: float  # 0.3: 30 % below
    rise_frac: float  # 2.0: three times the close before

    def __post_init__(self) -> None:
        if not (0 <= self.fall_frac <= 1 and 0 <= self.rise_frac < np.inf):
            raise InputError(f"expected 0 <= fall <= 1 and 0 <= rise < inf, got {self}")

    def against(self, side: int) -> float:
        """Return the move against a position of `side`, +1 long or -1 short."""
        return self.fall_frac if side > 0 else self.rise_frac

    def or_worse(self, other: WorstHour) -> WorstHour:
        """Return the worse of both, side by side."""
        return WorstHour(
            fall_frac=max(self.fall_frac, other.fall_frac),
            rise_frac=max(self.rise_frac, other.rise_frac),
        )


# Of a coin nobody measured. On 2025-10-10 several coins lost four fifths within minutes, and an
# ether contract once more than tripled within an hour.
ASSUMED: Final = WorstHour(fall_frac=0.85, rise_frac=2.5)
CALM: Final = WorstHour(fall_frac=0.0, rise_frac=0.0)


def recorded(pair: str, *, at_marks: bool = False) -> WorstHour:
    """Return the worst recorded hour of a pair's coin, `ASSUMED` where there is no record.

    Parameters
    ----------
    pair
        As Freqtrade writes it, "BTC/USDT:USDT".
    at_marks
        Of the mark price instead of the traded one, where both are recorded: what counts for a
        position without a stop, which a traded price alone neither closes nor liquidates.

    Examples
    --------
    >>> recorded("BTC/USDT:USDT").fall_frac > 0.25, recorded("NEW/USDT:USDT") == ASSUMED
    (True, True)
    """
    coin, _, quote = pair.partition("/")
    if quote.partition(":")[0] not in _DOLLARS:
        return ASSUMED
    row = _table().get(coin)
    if row is None:
        return ASSUMED
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
    prices = np.concatenate((high, low, close))
    if not (np.isfinite(prices) & (prices > 0)).all():
        raise InputError("expected finite prices > 0", where="worst hour")
    step = max(candle_ms, HOUR_MS)
    hour = time_ms // step
    _, first = np.unique(hour, return_index=True)  # of each hour, its first candle
    lows, highs = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    before = close[first[1:] - 1]
    known = time_ms[first[1:]] - time_ms[first[1:] - 1] == candle_ms
    opens: IntArray = hour[first[1:]][known] * step
    return (1 - lows[1:] / before)[known], (highs[1:] / before - 1)[known], opens


class SeenHours:
    """The worst hour of the candles each pair has shown so far; looks at new candles only."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, WorstHour]] = {}  # pair -> (newest candle, worst)

    def known(self, pair: str) -> tuple[WorstHour, int]:
        """Return the worst hour shown so far, and the open of the newest candle looked at, or 0."""
        newest, worst = self._seen.get(pair, (0, CALM))
        return worst, newest

    def look(
        self,
        pair: str,
        time_ms: IntArray,
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
        candle_ms: int,
    ) -> WorstHour:
        """Return the worst hour of `pair` with these candles, which may overlap earlier ones.

        Time that runs backwards is another run: it forgets what came later.
        """
        worst, newest = self.known(pair)
        if not len(time_ms):
            return worst
        if time_ms[-1] < newest:
            del self._seen[pair]
            worst, newest = self.known(pair)
        # The hour of the newest candle may have gone on since, and needs the close before it.
        start = newest // HOUR_MS * HOUR_MS - candle_ms
        new = time_ms >= start
        now = worst_hour(time_ms[new], high[new], low[new], close[new], candle_ms)
        worst = worst.or_worse(now)
        self._seen[pair] = int(time_ms[-1]), worst
        return worst


@cache
def _table() -> Mapping[str, Mapping[str, WorstHour]]:
    file = resources.files("models.trade.risk") / "worst_hours.json"
    return parsed_hours(json.loads(file.read_text(encoding="utf-8"))["coins"])


def parsed_hours(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, WorstHour]]:
    """Return coin -> {"traded", maybe "mark"} -> worst hour, from the rows of the table's file.

    Raises
    ------
    InputError
        If a coin is there twice, or a number is missing or out of range.
    """
    out: dict[str, dict[str, WorstHour]] = {}
    for row in rows:
        try:
            hours = {
                kind: WorstHour(
                    fall_frac=float(row[kind]["fall_frac"]),
                    rise_frac=float(row[kind]["rise_frac"]),
                )
                for kind in ("traded", "mark")
                if kind == "traded" or row.get(kind)
            }
            coin = str(row["coin"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"expected coin and traded with fall_frac and rise_frac, got {row}",
                where="worst_hours.json",
                cure="renew the table: breakwater worst-hours",
            ) from error
        if coin in out:
            raise InputError(f"{coin} is there twice", where="worst_hours.json")
        out[coin] = hours
    return out
