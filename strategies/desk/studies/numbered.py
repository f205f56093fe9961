"""`breakwater stress --worst-day`: the hedged position by one number, in recorded crashes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from models.base.errors import ConfigError, InputError
from models.reports.stress.numbered import numbered_markdown, numbered_verdict, write_numbered
from models.studies.stress.hedged import HedgedCrash, HedgeRules
from models.studies.stress.numbered import NumberedSummary, rows_of_crash, summarise_numbered
from models.trade.risk.worst_hours import WorstTable
from strategies.desk.backtests.results import commit
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.studies.crashes import crash_folders, find_hedged
from strategies.desk.studies.stress import StressOptions, hedge_rules_of, is_simulated
from strategies.desk.studies.worst_hours import record_before
from strategies.desk.terminal.ended import ended_pool
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

ASKED_LEVERAGES: Final = (0.2, 1.0, 3.0)  # of the account: what is asked for, over the equity
SHIPPED_RECORD: Final = "as shipped"
EARLIER_RECORD: Final = "as known the day before"


def run_numbered(options: StressOptions) -> int:
    """Replay every crash by every number, write the page and print its table; 1 if one broke.

    Raises
    ------
    ConfigError, InputError
        If the config hedges nothing, or there is no crash with candles and marks of its pairs.
    """
    rules = hedge_rules_of(options.hedge_config, options.userdir)
    if rules is None:
        raise ConfigError("expected a breakwater.hedge", where=str(options.hedge_config))
    if options.data is None:
        raise InputError("expected recorded crashes", cure="name their folder with --data")
    crashes = find_hedged(options.data, tuple(rules.tiers))
    if not crashes:
        raise InputError(
            f"no hourly candles and marks of all of {', '.join(rules.tiers)}",
            where=str(options.data),
            cure="name a Freqtrade data directory (it holds futures/), or a folder of such",
        )
    with ended_pool(options.jobs) as pool:
        rows = list(_told(_asked(options, rules, crashes, pool)))
    print(f"\n{numbered_markdown(rows)}\n{' '.join(numbered_verdict(rows)[1:])}", flush=True)
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_numbered(rows, _run(options, rules), place, now_ms),
        options.userdir / "reports",
    )
    print(f"report: {folder / 'index.html'}")
    return int(any(r.broken for r in rows))


def _asked(
    options: StressOptions,
    rules: HedgeRules,
    crashes: Sequence[HedgedCrash],
    pool: ProcessPoolExecutor,
) -> list[Future[NumberedSummary]]:
    """Start the replays: by crash, record, leave to reduce, number and leverage."""
    for crash in crashes:
        _ = crash.shown  # once, and not in every process again
    return [
        pool.submit(summarise_numbered, crash, by_number(rules, number, leverage, may, table),
                    leverage, record)
        for crash in crashes
        for record, table in _records(options, crash)
        for may in (False, True)
        for number in options.worst_day
        for leverage in ASKED_LEVERAGES
    ]  # fmt: skip


def by_number(
    rules: HedgeRules, number: float, leverage: float, may_reduce: bool, record: WorstTable | None
) -> HedgeRules:
    """Return the rules of an account that asks for a position of `leverage` by a number.

    The limit on one order is as high as the order: who wants that much has raised it, and the
    number is to be seen by itself. Leverage, margin and gap limits stay those of the config.
    """
    hard = replace(
        rules.limits.hard,
        max_order_equity_frac=max(rules.limits.hard.max_order_equity_frac, leverage),
    )
    return replace(
        rules, limits=replace(rules.limits, hard=hard), worst_day_frac=number,
        may_reduce_primary=may_reduce, record=record,
        smallest_quote={f"{s.base}/USDT:USDT": float(s.min_notional) for s in LISTED},
    )  # fmt: skip


def _records(options: StressOptions, crash: HedgedCrash) -> Iterator[tuple[str, WorstTable | None]]:
    """Yield the shipped record; with a history, the one known before the first start too."""
    yield SHIPPED_RECORD, None
    if options.history is None or options.data is None:
        return
    name = crash.traded[0].name
    own = [f for f in crash_folders(options.data) if f.name == name]
    started = int(crash.traded[0].close_ms[rows_of_crash(crash).first])
    yield EARLIER_RECORD, record_before([options.history, *own], started)


def _told(futures: Sequence[Future[NumberedSummary]]) -> Iterator[NumberedSummary]:
    for future in futures:
        with PatientWait("replaying crashes") as waiting:
            waiting.done(sum(one.done() for one in futures) / len(futures))
            row = future.result()
        print(
            f"replayed {row.name} at {row.leverage:g}x, {row.number_frac:.0%}, record "
            f"{row.record}{', may reduce' if row.may_reduce else ''}: costs {row.cost_frac:.1%}",
            flush=True,
        )
        yield row


def _run(options: StressOptions, rules: HedgeRules) -> dict[str, Any]:
    assert options.data is not None
    simulated = is_simulated(options.data)
    return {
        "title": "A hedge's one number, from every hour of a crash",
        "data": "simulated market" if simulated else "recorded candles",
        "simulated": simulated,
        "config": options.hedge_config.name,
        "wallet_quote": rules.wallet_quote,
        "history": options.history is not None,
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "freqtrade", "numpy")
        },
    }
