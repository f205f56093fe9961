"""The hedge's report: a page for people, a file for programs, a table for the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go

from models.reports.hedge.verdict import ACCOUNT_HEADS
from models.reports.page import report_page, write_page
from models.reports.text import TableColumn, markdown_table

HEDGE_COLUMNS: Final = (
    TableColumn("mean_ratio", "ratio", "ratio",
                "average notional of the hedge over the position's", False),
    TableColumn("effectiveness", "variance gone", "ratio3", "hedge effectiveness"),
    TableColumn("downside", "downside gone", "ratio3", "the same for losses only", False),
    TableColumn("storm", "in storms", "ratio3", "in hours that move more than 3 sigma", False),
    TableColumn("correlation", "correlation", "signed", "of hedge and position, hourly", False),
    TableColumn("es99", "ES99", "pct2", "mean loss of the worst 1 % of hours", False),
    TableColumn("max_drawdown", "max drawdown", "pct", "returns compounded", False),
    TableColumn("worst_month", "worst 30 days", "gain", "", False),
    TableColumn("turnover_year", "turnover a year", "rate", "traded over the position", False),
    TableColumn("cost_year", "cost a year", "pct2", "fees and slippage, of the position", False),
    TableColumn("funding_year", "funding a year", "gain", "received by the short legs", False),
    TableColumn("cost_per_es", "cost per ES", "ratio",
                "yearly cost per unit of hourly ES99 removed", False),
)  # fmt: skip


def write_hedge_report(
    numbers: Mapping[str, Any], figures: Mapping[str, go.Figure], reports_dir: Path, created_ms: int
) -> Path:
    """Write the report to a new folder of `reports_dir` and return the folder."""
    texts = {"table.md": f"{hedge_markdown(numbers['table'])}\n{accounts_markdown(numbers)}"}
    return write_page(numbers, hedge_page(numbers, figures), texts, reports_dir, created_ms)


def hedge_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown, one line per hedge."""
    return markdown_table(
        ["hedge", *(column.heading for column in HEDGE_COLUMNS)],
        [[row["name"], *(column.cell(row) for column in HEDGE_COLUMNS)] for row in rows],
    )


def accounts_markdown(numbers: Mapping[str, Any]) -> str:
    """Return the accounts of other sizes as Markdown."""
    return markdown_table(ACCOUNT_HEADS, numbers["account_lines"])


def hedge_page(numbers: Mapping[str, Any], figures: Mapping[str, go.Figure]) -> str:
    """Return the self-contained page."""
    return report_page(
        "hedge", figures, run=numbers["run"], n=numbers, columns=HEDGE_COLUMNS,
        account_heads=ACCOUNT_HEADS,
    )  # fmt: skip
