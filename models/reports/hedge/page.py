"""The hedge's report: a page for people, a file for programs, a table for a README."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
import plotly.io
import plotly.offline
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from models.base.types import FloatArray, IntArray
from models.reports.compare.page import cell, finite
from models.reports.folder import write_folder
from models.reports.style import BLUE, GREEN, GREY, LIGHT, RED, line, styled
from models.reports.text import show

# (key, heading, format, estimate with interval, what it is)
COLUMNS: Final = (
    ("mean_ratio", "ratio", "ratio", False, "average notional of the hedge over the position's"),
    ("effectiveness", "variance gone", "ratio3", True, "hedge effectiveness"),
    ("downside", "downside gone", "ratio3", False, "the same for losses only"),
    ("storm", "in storms", "ratio3", False, "in hours that move more than 3 sigma"),
    ("correlation", "correlation", "signed", False, "of hedge and position, hourly"),
    ("es99", "ES99", "pct2", False, "mean loss of the worst 1 % of hours"),
    ("max_drawdown", "max drawdown", "pct", False, "returns compounded"),
    ("worst_month", "worst 30 days", "gain", False, ""),
    ("turnover_year", "turnover a year", "rate", False, "traded over the position"),
    ("cost_year", "cost a year", "pct2", False, "fees and slippage, of the position"),
    ("funding_year", "funding a year", "gain", False, "received by the short legs"),
    ("cost_per_es", "cost per ES", "ratio", False, "yearly cost per unit of hourly ES99 removed"),
)  # fmt: skip


def write_hedge_report(
    numbers: Mapping[str, Any], figures: Mapping[str, go.Figure], reports_dir: Path, created_ms: int
) -> Path:
    """Write the report to a new folder of `reports_dir` and return the folder."""
    files = {
        "report.json": json.dumps(finite(dict(numbers)), indent=1, allow_nan=False) + "\n",
        "index.html": render(numbers, figures),
        "table.md": markdown(numbers["table"]),
    }
    return write_folder("hedge", files, reports_dir, created_ms)


def shown(row: Mapping[str, Any], key: str, kind: str, interval: bool) -> str:
    """Return one cell of the table."""
    value = row[key]
    if interval:
        return cell(value, kind)
    return show(value["value"] if isinstance(value, Mapping) else value, kind)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown, one line per hedge."""
    heads = ["hedge", *(heading for _, heading, *_ in COLUMNS)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [shown(row, key, kind, interval) for key, _, kind, interval, _ in COLUMNS]
        lines.append("| " + " | ".join((row["name"], *cells)) + " |")
    return "\n".join(lines) + "\n"


def hedge_equity_figure(time_ms: IntArray, curves: Mapping[str, FloatArray]) -> go.Figure:
    """Return the money made by position, hedge and both since the start."""
    colours = {"position": GREY, "hedge": BLUE, "both": GREEN}
    fig = go.Figure()
    for name, values in curves.items():
        fig.add_trace(line(time_ms, values, name, colours.get(name, RED), "%{y:,.0f} USDT"))
    fig.update_xaxes(type="date")
    return styled(fig, 380, yaxis={"title": "profit, USDT"}, hovermode="x unified")


def ratio_figure(time_ms: IntArray, legs: Mapping[str, FloatArray]) -> go.Figure:
    """Return the ratio each leg held."""
    fig = go.Figure()
    for (name, values), colour in zip(legs.items(), (BLUE, GREEN, RED), strict=False):
        fig.add_trace(line(time_ms, values, name, colour, "%{y:.2f}"))
    fig.update_xaxes(type="date")
    return styled(fig, 260, yaxis={"title": "ratio held", "rangemode": "tozero"})


def crash_figure(crashes: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return each crash's drawdown with and without the hedge."""
    names = [c["name"] for c in crashes][::-1]
    fig = go.Figure()
    for key, label, colour in (
        ("drawdown_net", "hedged", GREEN),
        ("drawdown_primary", "unhedged", LIGHT),
    ):
        fig.add_bar(
            y=names, x=[c[key] for c in crashes][::-1], name=label, orientation="h",
            marker={"color": colour}, hovertemplate="%{x:.1%}",
        )  # fmt: skip
    fig.update_xaxes(tickformat=".0%", title="largest fall, of the position")
    return styled(fig, 110 + 46 * len(names), barmode="group", legend={"traceorder": "reversed"})


def render(numbers: Mapping[str, Any], figures: Mapping[str, go.Figure]) -> str:
    """Return the self-contained page."""
    parts = [f"{json.dumps(k)}:{plotly.io.to_json(v, validate=False)}" for k, v in figures.items()]
    payload = "{" + ",".join(parts).replace("<", "\\u003c") + "}"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    package = resources.files("models.reports.hedge")
    style = (resources.files("models.reports") / "style.css").read_text(encoding="utf-8")
    template = environment.from_string((package / "template.html").read_text(encoding="utf-8"))
    return template.render(
        n=numbers,
        columns=COLUMNS,
        shown=shown,
        show=show,
        cell=cell,
        style=Markup(style),
        payload=Markup(payload),
        figures=list(figures),
        plotly=Markup(plotly.offline.get_plotlyjs()),
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
    )
