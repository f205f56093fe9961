"""Claims with their verdicts, as a page for people and a file for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go

from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREEN, GREY, ORANGE, styled
from models.reports.text import cell, markdown_table, show
from models.studies.claims.delay import LATE_RIGHT, NOW_RIGHT, accuracy_needed
from models.studies.claims.verdict import ClaimVerdict

_COLOURS: Final = (BLUE, ORANGE, GREEN)
_HEADS: Final = ("claim", "test", "claimed", "found", "verdict")
_DELAY_HEADS: Final = ("move over", "late by", "share gone", "of a random walk", "right at once")


def write_claims(
    rows: Sequence[Mapping[str, Any]],
    curve: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        `models.studies.claims.claimed.TestedClaim.as_dict` of each test.
    curve
        `models.studies.claims.claimed.delay_curve`; empty where claim 7 was not asked for.
    run
        Title, data, folds, seeds, settings, versions; JSON-able.
    """
    numbers = {
        "format": 1, "kind": "claims", "headline": claims_verdict(rows)[0],
        "run": dict(run), "tests": list(rows), "delay": list(curve),
    }  # fmt: skip
    page = report_page(
        "claims", {"delay": _delay_lines(curve)} if curve else {}, run=run,
        heads=_HEADS, lines=claim_lines(rows), delay_heads=_DELAY_HEADS,
        delay_lines=delay_lines(curve), verdict=claims_verdict(rows),
    )  # fmt: skip
    return write_page(
        numbers, page, {"table.md": claims_markdown(rows, curve)}, reports_dir, created_ms
    )


def claims_markdown(
    rows: Sequence[Mapping[str, Any]], curve: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return the tests, and what a late signal is worth where that was asked, as Markdown."""
    table = markdown_table(_HEADS, claim_lines(rows))
    if not curve:
        return table
    return f"{table}\n{markdown_table(_DELAY_HEADS, delay_lines(curve))}"


def claim_lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return one line of cells for each test."""
    return [
        [
            f"{row['number']}. {row['claim']}",
            row["test"],
            f"over {show(row['least'], row['unit'])}",
            row["note"] or cell(row["found"], row["unit"]),
            row["verdict"],
        ]
        for row in rows
    ]


def delay_lines(curve: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return one line of cells for each horizon and delay."""
    return [
        [
            f"{row['horizon']} min",
            row["late"],
            cell(row["gone"], "pct"),
            show(row["walk"], "pct"),
            show(row["needed"], "pct"),
        ]
        for row in curve
    ]


def claims_verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return a headline that counts the verdicts, and a sentence that names the claims."""
    by: dict[str, list[int]] = {v.value: [] for v in ClaimVerdict}
    for row in rows:
        by[row["verdict"]].append(row["number"])
    headline = ", ".join(f"{len(numbers)} {name}" for name, numbers in by.items())
    named = [
        f"{name}: claim {', '.join(str(n) for n in dict.fromkeys(numbers))}"
        for name, numbers in by.items()
        if numbers
    ]
    listed = "; ".join(named)
    return (
        f"{len(rows)} tests: {headline}.",
        f"{listed[:1].upper()}{listed[1:]}. Intervals are not corrected for the number of tests.",
    )


def _delay_lines(curve: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return the accuracy at once that earns what the late signal does, by its delay."""
    fig = go.Figure()
    horizons = dict.fromkeys(row["horizon"] for row in curve)
    for colour, horizon in zip(cycle(_COLOURS), horizons, strict=False):
        measured = [row for row in curve if row["horizon"] == horizon and "measured" in row["late"]]
        minutes = [0, *(float(row["late"].split()[0]) for row in measured)]
        needed = [accuracy_needed(0.0), *(row["needed"] for row in measured)]
        fig.add_scatter(
            x=minutes, y=needed, name=f"{horizon} min ahead", mode="lines+markers",
            line={"color": colour},
        )  # fmt: skip
    fig.add_hline(y=NOW_RIGHT, line={"color": GREY, "dash": "dot", "width": 1})
    styled(fig, 340)
    return fig.update_layout(
        xaxis_title=f"minutes that the signal of {LATE_RIGHT:.0%} comes late",
        yaxis={"title": "right at once, to earn as much", "tickformat": ".0%"},
    )
