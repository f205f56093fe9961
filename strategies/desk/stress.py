"""`breakwater stress` and `breakwater liquidation`: what leverage does to an account."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.units import DAY_MS, HOUR_MS, MINUTE_MS
from models.reports.folder import write_folder
from models.studies.stress.replay import RecordedCrash, Summary, simulated_crash, summarise
from models.trade.account.first_passage import LiquidationRow, liquidation_table
from models.trade.risk.limits import Limits
from strategies.account.tiers import load_binance_tiers
from strategies.bot.config import pack_config
from strategies.bot.data_files import MARKER
from strategies.desk.configured import configured
from strategies.desk.data import load_checked, load_funding
from strategies.desk.places import USER_DATA

_FINEST: Final = ("5m", "15m", "1h")  # of those that reach through the whole crash


def limits_of(config_file: Path, userdir: Path = USER_DATA) -> Limits:
    """Return the limits of a Freqtrade config, unjittered."""
    config = configured(config_file, userdir)
    pack = pack_config(config)
    return Limits(hard=pack.limits, soft=pack.guards)


def run_stress(
    data: Path | None, pair: str, config: Path, userdir: Path, every_hours: float
) -> int:
    """Replay every crash found, print the table and write it as a report; 1 if an account died."""
    limits, (tiers,) = limits_of(config, userdir), load_binance_tiers([pair]).values()
    crashes = [simulated_crash()] if data is None else find_crashes(data, pair)
    summaries = []
    for crash in crashes:
        summaries.append(summarise(crash, tiers, limits, every_ms=round(every_hours * HOUR_MS)))
        print(f"replayed {crash.name}: {summaries[-1].starts} starts", flush=True)
    table = stress_table(summaries)
    report = {
        "data": "real" if data is not None and not _is_simulated(data) else "simulated",
        "pair": pair,
        "limits": dataclasses.asdict(limits),
        "crashes": [dataclasses.asdict(s) for s in summaries],
    }
    files = {"stress.md": table, "report.json": json.dumps(report, indent=1)}
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = write_folder("stress", files, userdir / "reports", now_ms)
    print(f"\n{table}\nreport: {folder / 'report.json'}")
    return int(any(s.guarded_liquidated for s in summaries))


def _is_simulated(data: Path) -> bool:
    return any((folder / MARKER).is_file() for folder in (data, *data.glob("*")))


def find_crashes(data: Path, pair: str) -> list[RecordedCrash]:
    """Return the crash of each data directory in `data`, or of `data` itself.

    Raises
    ------
    InputError
        If there is none with futures candles of the pair.
    """
    folders = [f for f in sorted(data.glob("*")) if (f / "futures").is_dir()]
    if (data / "futures").is_dir():
        folders = [data]  # what lies below it is something else, another exchange for example
    found = [crash for f in folders if (crash := read_crash(f, pair)) is not None]
    if not found:
        raise InputError(
            f"no futures candles of {pair}",
            where=str(data),
            cure="name a Freqtrade data directory (it holds futures/), or a folder of such",
        )
    return found


def read_crash(datadir: Path, pair: str) -> RecordedCrash | None:
    """Return the crash in the finest candles that reach as far as the hourly ones; None if none."""
    stem = pair.replace("/", "_").replace(":", "_")
    there = [t for t in _FINEST if (datadir / "futures" / f"{stem}-{t}-futures.feather").is_file()]
    if not there:
        return None
    read = {t: load_checked(datadir, pair, t) for t in there}
    stop_ms = {t: int(c.time_ms[-1]) + timeframe_to_msecs(t) for t, c in read.items()}
    timeframe = next(t for t in there if stop_ms[t] == max(stop_ms.values()))
    candles, step = read[timeframe], timeframe_to_msecs(timeframe)
    funding = np.full(len(candles), np.nan)
    paid_ms, rate = load_funding(datadir, pair)
    row = (paid_ms - candles.time_ms[0]) // step
    here = (row >= 0) & (row < len(candles))
    funding[row[here]] = rate[here]
    return RecordedCrash(
        name=datadir.name, pair=pair, candles=candles, candle_ms=step, funding_rate=funding
    )


def stress_table(summaries: Sequence[Summary]) -> str:
    """Return the summaries as a Markdown table."""
    lines = [
        "| crash | candles | starts | naive 20x long: liquidated | fastest, median | behind the "
        "guards: liquidated | worst end | worst drawdown | nearest liquidation | halted |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for s in summaries:
        lines.append(
            f"| {s.name} | {s.candle_ms // MINUTE_MS}m | {s.starts} | {s.naive_liquidated} "
            f"| {_hours(s.naive_fastest_ms)}, {_hours(s.naive_median_ms)} "
            f"| {s.guarded_liquidated} | {s.worst_final_frac - 1:+.1%} "
            f"| {-s.worst_drawdown_frac:.1%} | {s.nearest_frac:.0%} away | {s.halts} |"
        )
    return "\n".join(lines) + "\n"


def run_liquidation(
    data: Path, pairs: Sequence[str], timeframe: str, leverages: Sequence[float], notional: float
) -> int:
    """Print the share of historical entries liquidated, for each pair."""
    for pair in pairs:
        candles = load_checked(data, pair, timeframe)
        (tiers,) = load_binance_tiers([pair]).values()
        rows = liquidation_table(
            candles, timeframe_to_msecs(timeframe), tiers, leverages=leverages,
            notional_quote=notional,
        )  # fmt: skip
        span = f"{_day(candles.time_ms[0])} to {_day(candles.time_ms[-1])}"
        print(f"{pair}, {timeframe} candles, {span}, positions of {notional:g}:")
        print(share_table(rows))
    return 0


def share_table(rows: Sequence[LiquidationRow]) -> str:
    """Return liquidation shares as a Markdown table, one line per side and holding time."""
    leverages = list(dict.fromkeys(r.leverage for r in rows))
    head = ["entries liquidated", *(f"{x:g}x" for x in leverages), "independent"]
    lines = [_row(head), _row(["---"] * len(head))]
    for key in dict.fromkeys((r.side, r.hold_ms) for r in rows):
        line = [r for r in rows if (r.side, r.hold_ms) == key]
        side, days = "long" if key[0] > 0 else "short", key[1] / DAY_MS
        cells = [f"{side}, {days:g} d", *(f"{r.share:.1%}" for r in line)]
        lines.append(_row([*cells, str(line[0].independent)]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _hours(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / HOUR_MS:.1f} h"


def _day(ms: Any) -> str:
    return f"{datetime.fromtimestamp(int(ms) / 1000, tz=UTC):%Y-%m-%d}"
