"""Ways to hold exposure beside each other, as a page for people and a file for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREEN, GREY, ORANGE, PURPLE, line, styled
from models.reports.text import TableColumn, known, markdown_table

_COLOURS: Final = (BLUE, ORANGE, PURPLE, GREY, GREEN)
EXPOSURE_COLUMNS: Final = (
    TableColumn("worst_day", "worst day", "pct2", "mean loss of the worst hundredth of days"),
    TableColumn("drawdown", "deepest fall", "pct", "from a peak of equity at a day's end"),
    TableColumn("net", "net result", "gain", "log return after costs and funding"),
    TableColumn("net_twice", "costs x2", "gain", "the same paths at twice the costs"),
    TableColumn("turnover_year", "turnover", "ratio", "notional traded a year, in equity", False),
    TableColumn("cost_year_frac", "costs", "pct2", "a year, of equity", False),
)
EXPOSURE_DIFFERENCES: Final = (
    TableColumn("worst_day", "worst day", "gain2", "in points of equity; below 0 is less lost"),
    TableColumn("drawdown", "deepest fall", "gain", "in points; below 0 is less lost"),
    TableColumn("net", "net result", "gain", ""),
    TableColumn("net_twice", "costs x2", "gain", ""),
)


def write_exposure(
    rows: Sequence[Mapping[str, Any]],
    curves: Mapping[str, FloatArray],
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        As `models.studies.exposure.measure.measure_exposure` returns them, the subject first.
    curves
        Title to equity at each day's end, (D,), 1 at the start.
    run
        Title, data, span, settings, versions; JSON-able.
    """
    numbers = {"format": 1, "kind": "exposure", "headline": exposure_verdict(rows)[0],
               "run": dict(run), "ways": list(rows)}  # fmt: skip
    texts = {"table.md": exposure_markdown(rows)}
    page = report_page(
        "exposure", {"equity": _equity_lines(curves, int(run["first_ms"]))}, run=run, rows=rows,
        columns=EXPOSURE_COLUMNS, differences=EXPOSURE_DIFFERENCES, verdict=exposure_verdict(rows),
    )  # fmt: skip
    return write_page(numbers, page, texts, reports_dir, created_ms)


def exposure_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the numbers, and the subject's differences from each other way, as Markdown."""
    table = markdown_table(
        ["exposure", *(column.heading for column in EXPOSURE_COLUMNS)],
        [[row["title"], *(column.cell(row) for column in EXPOSURE_COLUMNS)] for row in rows],
    )
    apart = markdown_table(
        [f"{rows[0]['title']} minus", *(column.heading for column in EXPOSURE_DIFFERENCES)],
        [
            [row["title"], *(column.cell(row["against"]) for column in EXPOSURE_DIFFERENCES)]
            for row in rows[1:]
        ],
    )
    return f"{table}\n{apart}"


def exposure_verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return a headline and a sentence: whom the first way loses less than, and at what price."""
    first, others = rows[0], rows[1:]
    beaten = [r["title"] for r in others if _is_below_zero(r["against"]["worst_day"])]
    not_beaten = [r["title"] for r in others if r["title"] not in beaten]
    dearer = [r["title"] for r in others if _is_below_zero(r["against"]["net"])]
    paid = (
        f"After costs it earned less than {_listed(dearer)}, beyond the interval."
        if dearer
        else "What it earned after costs cannot be told from what any of the others did."
    )
    name = first["title"].capitalize()
    if not beaten:
        return (f"{name} did not make the worst days milder beyond its interval.", paid)
    rest = f"; not than with {_listed(not_beaten)}" if not_beaten else ""
    return (f"{name}: milder worst days than with {_listed(beaten)}{rest}.", paid)


def _is_below_zero(estimate: Mapping[str, float]) -> bool:
    return known(estimate["high"]) and estimate["high"] < 0


def _listed(titles: Sequence[str]) -> str:
    return " and ".join(titles) if len(titles) < 3 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def _equity_lines(curves: Mapping[str, FloatArray], first_ms: int) -> go.Figure:
    """Return the equity of each way over time, on a scale where equal ratios are equally far."""
    fig = go.Figure()
    for (title, values), colour in zip(curves.items(), cycle(_COLOURS), strict=False):
        days = (first_ms // DAY_MS + np.arange(len(values))) * DAY_MS
        fig.add_trace(line(days, values, title, colour, "%{y:.3f}"))
    fig.update_xaxes(type="date")
    return styled(fig, 380, yaxis={"title": "equity, 1 at the start", "type": "log"})
