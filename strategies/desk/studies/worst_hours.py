"""`breakwater worst-hours`: measure each coin's worst hour and day, and renew the shipped table."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from freqtrade.enums import CandleType

from models.base.errors import InputError
from models.base.files import write_atomic
from models.base.types import Candles, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.trade.risk.worst_hours import (
    ASSUMED,
    ASSUMED_DAY,
    WorstTable,
    daily_moves,
    hourly_moves,
    parsed_hours,
)
from strategies.desk.backtests.data import MARK_TIMEFRAME, load_checked

_TIMEFRAME: Final = "1h"
_LATE: Final = timedelta(days=180)  # marks may begin so much later than trading
_KINDS: Final = {"traded": CandleType.FUTURES, "mark": CandleType.MARK}


def run_worst_hours(folders: Sequence[Path], source: str, write: Path | None) -> int:
    """Measure every coin in the data directories, print the table, and write it if asked to.

    A row that `write` has already keeps what is worse in it: the record only grows.
    """
    rows = measured_hours(folders, source)
    if write is not None and write.is_file():
        rows = merged_hours(_written(write), rows)
    rows = [_with_whole_marks(row) for row in rows]
    parsed_hours(rows)
    print(worst_hours_table(rows))
    if write is not None:
        about = (
            "Worst hour and worst 24 hours of each coin: low and high against the close before, "
            "with when they begin; hourly candles."
        )
        text = json.dumps({"about": about, "coins": rows}, indent=1)
        write_atomic(write, f"{text}\n".encode())
        print(f"written: {write}")
    return 0


def measured_hours(
    folders: Sequence[Path], source: str, before_ms: int | None = None
) -> list[dict[str, Any]]:
    """Return one row for each coin with hourly futures candles in `folders`, by name.

    Parameters
    ----------
    before_ms
        Candles that closed later do not count: the record as it was known then. A coin that had
        no candles yet is left out.

    Raises
    ------
    InputError
        If there is no such coin.
    """
    rows: dict[str, dict[str, Any]] = {}
    some = False
    for folder in folders:
        for file in sorted((folder / "futures").glob(f"*_USDT_USDT-{_TIMEFRAME}-futures.feather")):
            some, coin = True, file.name.partition("_")[0]
            row = _row(folder, coin, source, before_ms)
            if "traded" not in row:
                continue
            rows[coin] = merged_hours([rows[coin]], [row])[0] if coin in rows else row
    if not some:
        raise InputError(
            f"no {_TIMEFRAME} futures candles in {', '.join(map(str, folders))}",
            cure="name Freqtrade data directories, which hold futures/",
        )
    return [rows[coin] for coin in sorted(rows)]


def record_before(folders: Sequence[Path], before_ms: int) -> WorstTable:
    """Return the record as it was known at a moment, of the candles in `folders` until then.

    A coin that had none is not in it, and marks that begin late are left out.
    """
    rows = measured_hours(folders, "candles until then", before_ms)
    return parsed_hours([_with_whole_marks(row) for row in rows])


def merged_hours(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of both, the worse hour and day where both have one; sorted by coin."""
    out = {row["coin"]: row for row in old}
    for row in new:
        before = out.get(row["coin"])
        out[row["coin"]] = row if before is None else _worse(before, row)
    return [out[coin] for coin in sorted(out)]


def worst_hours_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table, with what is assumed of every other coin."""
    lines = ["| coin | price | within | worst fall | when | worst rise | when | candles |",
             "|---" * 8 + "|"]  # fmt: skip
    lines += [
        f"| {row['coin']} | {kind} | {span} | {-worst['fall_frac']:.1%} | {worst['fall_at']} "
        f"| {worst['rise_frac']:+.1%} | {worst['rise_at']} "
        f"| {row[kind]['from']} to {row[kind]['to']} |"
        for row in rows
        for kind in _KINDS
        if kind in row
        for span, worst in (("an hour", row[kind]), ("a day", row[kind]["day"]))
    ]
    lines += [
        f"| any other | assumed | {span} | {-worst.fall_frac:.1%} | – | {worst.rise_frac:+.1%} "
        "| – | – |"
        for span, worst in (("an hour", ASSUMED), ("a day", ASSUMED_DAY))
    ]
    return "\n".join(lines) + "\n"


def _row(folder: Path, coin: str, source: str, before_ms: int | None) -> dict[str, Any]:
    pair = f"{coin}/USDT:USDT"
    row: dict[str, Any] = {"coin": coin, "source": source}
    for kind, candle_type in _KINDS.items():
        timeframe = _TIMEFRAME if kind == "traded" else MARK_TIMEFRAME
        file = folder / "futures" / f"{coin}_USDT_USDT-{timeframe}-{candle_type.value}.feather"
        if kind == "traded" or file.is_file():
            c = load_checked(folder, pair, timeframe, candle_type)
            if before_ms is not None:
                c = c.cut(c.time_ms + HOUR_MS <= before_ms)
            if before_ms is None or len(c) > 1:
                row[kind] = _hours(c)
    return row


def _written(file: Path) -> list[dict[str, Any]]:
    """Return the rows that were written before, as they are there.

    Raises
    ------
    InputError
        If the file is none of this command's.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["coins"]
        parsed_hours(rows)
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise InputError(
            f"expected a table of worst hours, got {type(error).__name__}: {error}"[:300],
            where=str(file),
            cure="name another file, or move this one away: it is written anew then",
        ) from error
    return rows


def _hours(c: Candles) -> dict[str, Any]:
    return {
        **_worst(*hourly_moves(c.time_ms, c.high, c.low, c.close, HOUR_MS)),
        "from": _hour(c.time_ms[0])[:10], "to": _hour(c.time_ms[-1])[:10],
        "day": _worst(*daily_moves(c.time_ms, c.high, c.low, c.close, HOUR_MS)),
    }  # fmt: skip


def _worst(fall: FloatArray, rise: FloatArray, begins: IntArray) -> dict[str, Any]:
    down, up = int(fall.argmax()), int(rise.argmax())
    return {
        "fall_frac": _up(fall[down]), "fall_at": _hour(begins[down]),
        "rise_frac": _up(rise[up]), "rise_at": _hour(begins[up]),
    }  # fmt: skip


def _up(frac: Any) -> float:
    """Return a fraction to four digits, never less than it is."""
    return math.ceil(float(frac) * 1e4) / 1e4


def _worse(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    out = {"coin": new["coin"], "source": new["source"]}
    for kind in _KINDS:
        both = [row[kind] for row in (old, new) if kind in row]
        if not both:
            continue
        out[kind] = {"from": min(h["from"] for h in both), "to": max(h["to"] for h in both)}
        out[kind] |= _worse_ways(both)
        out[kind]["day"] = _worse_ways([hours["day"] for hours in both])
    return out


def _worse_ways(both: Sequence[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for way in ("fall", "rise"):
        worst = max(both, key=lambda one: float(one[f"{way}_frac"]))
        out |= {f"{way}_frac": worst[f"{way}_frac"], f"{way}_at": worst[f"{way}_at"]}
    return out


def _with_whole_marks(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row`, without marks that lack a part of the record: the worst hour may be in it."""
    if "mark" in row:
        start, traded = date.fromisoformat(row["mark"]["from"]), row["traded"]
        late = start - date.fromisoformat(traded["from"]) > _LATE
        if late or row["mark"]["to"] < traded["to"]:
            return {name: value for name, value in row.items() if name != "mark"}
    return row


def _hour(ms: Any) -> str:
    return f"{datetime.fromtimestamp(int(ms) / 1000, tz=UTC):%Y-%m-%d %H:%M}"
