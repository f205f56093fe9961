"""`breakwater stress` and `breakwater liquidation`: what leverage does to an account."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.units import DAY_MS, MINUTE_MS
from models.reports.stress.page import HEDGED, stress_markdown, stress_verdict, write_stress
from models.studies.stress.crash import RecordedCrash, simulated_crash
from models.studies.stress.hedged import HedgedCrash, HedgeRules, hedged_starts, replay_hedged
from models.studies.stress.replay import ReplayRules
from models.studies.stress.summary import (
    NaiveSummary,
    StressSummary,
    naive_summary,
    summarise,
    summary_of,
)
from models.trade.account.first_passage import LiquidationRow, liquidation_table
from models.trade.risk.limits import Limits
from strategies.account.tiers import load_binance_tiers
from strategies.bot.config import PackConfig, pack_config
from strategies.bot.data_files import MARKER
from strategies.desk.backtests.configured import configured
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.results import commit
from strategies.desk.studies.crashes import find_crashes, find_hedged
from strategies.desk.terminal.ended import ended_pool
from strategies.desk.terminal.places import CONFIGS, USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

OUTAGE_MS: Final = 15 * MINUTE_MS  # how long an overloaded exchange refuses a stop


@dataclass(frozen=True, kw_only=True)
class StressOptions:
    """What to replay; `data` None is a simulated crash."""

    data: Path | None = None
    pairs: Sequence[str] = ("BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT")
    config: Path = CONFIGS / "config_bitcoin.json"  # limits and stops of the lone accounts
    hedge_config: Path = CONFIGS / "config_litecoin_hedge.json"
    userdir: Path = USER_DATA
    every_hours: int = 1  # between two starts
    jobs: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    # The hedged position by these numbers instead of all accounts; see `run_numbered`.
    worst_day: Sequence[float] = ()
    history: Path | None = None  # candles from before the crashes


def limits_of(config_file: Path, userdir: Path = USER_DATA) -> Limits:
    """Return the limits of a Freqtrade config, unjittered."""
    pack = _pack(config_file, userdir)
    return Limits(hard=pack.limits, soft=pack.guards)


def run_stress(options: StressOptions) -> int:
    """Replay every crash found, write the page and print its table; 1 if an account died."""
    with ended_pool(options.jobs) as pool:
        left_out: list[str] = []
        lone, naive = _lone(options, pool, left_out)
        hedged = _hedged(options, pool)
        rows = [f.result() for f in _told((*lone, *hedged))]
        with PatientWait("replaying the accounts without guards"):
            without = [(name, f.result()) for name, f in naive]
    order = {name: i for i, name in enumerate(dict.fromkeys(r.name for r in rows))}
    rows.sort(key=lambda r: (order[r.name], r.account == HEDGED))
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    _, headline, sentence = stress_verdict(rows)
    print(f"\n{stress_markdown(rows)}\n{headline} {sentence}", flush=True)
    run = _run(options, left_out)
    folder = kept_report(
        lambda place: write_stress(rows, without, run, place, now_ms), options.userdir / "reports"
    )
    print(f"report: {folder / 'index.html'}")
    return int(any(r.liquidated for r in rows))


def _lone(
    options: StressOptions, pool: ProcessPoolExecutor, left_out: list[str]
) -> tuple[list[Future[StressSummary]], list[tuple[str, Future[NaiveSummary]]]]:
    """Start the replays of accounts in one coin, both sides, with stops and with stops refused."""
    pack = _pack(options.config, options.userdir)
    limits = Limits(hard=pack.limits, soft=pack.guards)
    rows, naive = [], []
    for crash in _crashes(options, left_out):
        (tiers,) = load_binance_tiers([crash.pair]).values()
        for side in (1, -1):
            for outage_ms in (0, OUTAGE_MS):
                rules = ReplayRules(tiers=tiers, limits=limits, sizing=pack.sizing, side=side,
                              outage_ms=outage_ms)  # fmt: skip
                rows.append(pool.submit(summarise, crash, rules, every_hours=options.every_hours))
        long = ReplayRules(tiers=tiers, limits=limits, sizing=pack.sizing)
        name = f"{crash.name}, {crash.pair.split('/')[0]}, {crash.market}"
        naive.append(
            (name, pool.submit(naive_summary, crash, long, every_hours=options.every_hours))
        )
    return rows, naive


def _crashes(options: StressOptions, left_out: list[str]) -> list[RecordedCrash]:
    if options.data is None:
        return [_simulated(options.pairs)]
    return [c for pair in options.pairs for c in find_crashes(options.data, pair, left_out)]


def _simulated(pairs: Sequence[str]) -> RecordedCrash:
    """Return the crash that is replayed without data; InputError if another coin is wanted."""
    crash = simulated_crash()
    if crash.pair not in pairs:
        raise InputError(
            f"expected candles of {', '.join(pairs)}: without any, a simulated crash of "
            f"{crash.pair} is replayed",
            cure="name a folder of recorded crashes with --data",
        )
    return crash


def _hedged(options: StressOptions, pool: ProcessPoolExecutor) -> list[Future[StressSummary]]:
    """Start the replays of the hedged account, where its coins and their marks are there."""
    rules = hedge_rules_of(options.hedge_config, options.userdir)
    if options.data is None or rules is None:
        return []
    return [
        pool.submit(summarise_hedged, crash, rules, options.every_hours)
        for crash in find_hedged(options.data, tuple(rules.tiers))
    ]


def hedge_rules_of(config_file: Path, userdir: Path = USER_DATA) -> HedgeRules | None:
    """Return what the hedged account of a Freqtrade config obeys; None if it hedges nothing.

    Its tiers are by pair, the hedged one first.
    """
    pack = _pack(config_file, userdir)
    hedge = pack.hedge
    if hedge is None:
        return None
    pairs = (hedge.primary.pair, *hedge.instruments)
    tiers = load_binance_tiers(pairs)
    return HedgeRules(
        tiers={pair: tiers[pair] for pair in pairs},
        limits=Limits(hard=pack.limits, soft=pack.guards),
        amount_base=hedge.primary.amount_base,
        wallet_quote=float(configured(config_file, userdir)["dry_run_wallet"]),
        leverage=hedge.leverage,
        policy=hedge.policy,
    )


def summarise_hedged(crash: HedgedCrash, rules: HedgeRules, every_hours: int) -> StressSummary:
    """Replay the hedged account from every hour, and return the worst of it."""
    outcomes = [
        replay_hedged(crash, rules, hour=hour) for hour in hedged_starts(crash, every_hours)
    ]
    return summary_of(crash.traded[0], HEDGED, outcomes, 0, every_hours)


def _told(futures: Sequence[Future[StressSummary]]) -> Iterable[Future[StressSummary]]:
    for future in futures:
        with PatientWait("replaying crashes") as waiting:
            waiting.done(sum(one.done() for one in futures) / len(futures))
            row = future.result()
        print(
            f"replayed {row.name}, {row.coin} {row.account}, {row.candle_ms // MINUTE_MS} min "
            f"{row.market}: {row.starts} starts", flush=True,
        )  # fmt: skip
        yield future


def _run(options: StressOptions, left_out: list[str]) -> dict[str, Any]:
    simulated = options.data is None or is_simulated(options.data)
    hours = "hour" if options.every_hours == 1 else f"{options.every_hours} hours"
    return {
        "title": "What recorded crashes did to accounts behind the guards",
        "data": "simulated market" if simulated else "recorded candles",
        "simulated": simulated,
        "every": hours,
        "outage": f"{OUTAGE_MS // MINUTE_MS} minutes",
        "config": ", ".join(p.name for p in (options.config, options.hedge_config)),
        "left_out": left_out,
        "limits": dataclasses.asdict(limits_of(options.config, options.userdir)),
        "hedge_limits": dataclasses.asdict(limits_of(options.hedge_config, options.userdir)),
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "freqtrade", "numpy")
        },
    }


def _pack(config_file: Path, userdir: Path) -> PackConfig:
    return pack_config(configured(config_file, userdir))


def is_simulated(data: Path) -> bool:
    return any((folder / MARKER).is_file() for folder in (data, *data.glob("*")))


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


def _day(ms: Any) -> str:
    return f"{datetime.fromtimestamp(int(ms) / 1000, tz=UTC):%Y-%m-%d}"
