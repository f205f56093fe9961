"""Post-only against market orders, as a page for people and a file for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.reports.compare.figures import forest
from models.reports.page import report_page, write_page
from models.reports.text import TableColumn, cell, known, markdown_table, show
from models.studies.maker.measure import AFTER_NAMES

FILL_COLUMNS: Final = (
    TableColumn("attempts", "signals", "count", "acted on in the span", False),
    TableColumn("filled", "filled", "pct", "of them"),
    TableColumn("minutes", "minutes", "ratio", "to the fill, at most: a candle hides when", False),
    TableColumn("exits_as_maker", "exits as maker", "pct", "the others went to market", False),
    TableColumn("signal_filled", "signal, filled", "bps_change",
                "what the price did between the decisions to enter and to leave"),
    TableColumn("signal_missed", "signal, missed", "bps_change", "the same, of what did not fill"),
)  # fmt: skip
AFTER_COLUMNS: Final = tuple(
    TableColumn(f"after_{name}_{which}", f"{name}, {which}", "bps_change", "", name != "4h")
    for name in AFTER_NAMES
    for which in ("filled", "missed")
)
MONEY_COLUMNS: Final = (
    TableColumn("trades_year", "trades a year", "count", "", False),
    TableColumn("net", "net, a trade", "bps_change", "after fees, slippage and funding"),
    TableColumn("net_twice", "costs x2", "bps_change", "a trade, fees and slippage doubled"),
    TableColumn("net_late", "a candle late", "bps_change", "a trade, every signal acted on later"),
    TableColumn("net_year", "net, a year", "gain", "log return of one unit of stake"),
    TableColumn("against_year", "against taker", "gain", "a year, over the same days"),
    TableColumn("cost", "round-trip cost", "bps",
                "what a signal's mean is above the net result of what filled"),
)  # fmt: skip
MAKER_TABLES: Final = (
    ("fills", FILL_COLUMNS),
    ("after", AFTER_COLUMNS),
    ("money", MONEY_COLUMNS),
)


def write_maker(
    rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        As `models.studies.maker.measure.measure_ways` returns them.
    run
        Title, data, span, settings, versions; JSON-able.
    """
    numbers = {"format": 1, "kind": "maker", "headline": maker_verdict(rows)[0],
               "run": dict(run), "trials": _trials(rows), "ways": list(rows)}  # fmt: skip
    figure = forest(rows, "net", "net result of a trade, bps", 0.0, "95 % interval")
    page = report_page(
        "maker", {"net": figure}, run=run, rows=rows, tables=MAKER_TABLES, trials=_trials(rows),
        verdict=maker_verdict(rows),
    )  # fmt: skip
    return write_page(numbers, page, {"table.md": maker_markdown(rows)}, reports_dir, created_ms)


def maker_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return fills, what followed them, and money as three Markdown tables."""
    return "\n".join(
        markdown_table(
            ["signals; orders", *(column.heading for column in table)],
            [[row["title"], *(column.cell(row) for column in table)] for row in rows],
        )
        for _, table in MAKER_TABLES
    )


def maker_verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return a headline and a sentence: whether anything earns after all that was tried.

    A way passes if its net result is above 0 with all trials counted (Bonferroni), at costs and at
    twice the costs. The control is no trial.
    """
    tried = [row for row in rows if not row["is_control"]]
    passed = [row for row in tried if _is_above(row["low_of_all"]) and
              _is_above(row["net_twice"]["value"])]  # fmt: skip
    known_ones = [row for row in tried if known(row["net"]["value"])]
    if not known_ones:
        return "Nothing was traded.", f"None of {len(tried)} ways tried had a signal that filled."
    alone = sum(_is_above(row["net"]["low"]) for row in known_ones)
    best = max(known_ones, key=lambda row: float(row["net"]["value"]))
    sentence = (
        f"Ways tried: {len(tried)}; with their own interval of the net result above 0: {alone}. "
        f"The best, {best['title']}, earned {cell(best['net'], 'bps_change')} a trade and "
        f"{cell(best['net_year'], 'gain')} a year; with all that was tried counted its lower end "
        f"is {show(best['low_of_all'], 'bps_change')}."
    )
    if passed:
        return f"Passed: {'; '.join(row['title'] for row in passed)}.", sentence
    return "Nothing passes at honest maker costs either.", sentence


def _trials(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(not row["is_control"] for row in rows)


def _is_above(value: Any) -> bool:
    return known(value) and value > 0
