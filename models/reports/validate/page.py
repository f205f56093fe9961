"""The validation as a page for people and files for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go

from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREY, ORANGE, styled
from models.reports.text import cell, markdown_table
from models.reports.validate.tables import SKILL_COLUMNS, CellTable, validation_tables

_SIDES: Final = (("up", "P(up)", BLUE), ("down", "P(down)", ORANGE))


def write_validation(
    report: Mapping[str, Any], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write page, numbers and Markdown to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    report
        ``rows`` as `models.studies.validate.measure.judged_rows` returns them, ``together`` of
        `counted_together`, ``odds`` of `odds_of`, ``known`` (title to what breaks a model), and
        ``paths`` where there was combinatorial cross-validation.
    run
        Title, data, span, seeds, hold-out, failures, versions; JSON-able.
    """
    numbers = {"format": 1, "kind": "validate", "headline": validation_verdict(report)[0],
               "run": dict(run), **report}  # fmt: skip
    texts = {"validation.md": validation_markdown(report, run)}
    return write_page(numbers, validation_page(report, run), texts, reports_dir, created_ms)


def validation_page(report: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Return the self-contained page."""
    figures = {
        f"odds-{number}": _reliability(found)
        for number, found in enumerate(report["odds"].values())
        if found
    }
    titles = [title for title, found in report["odds"].items() if found]
    return report_page(
        "validate", figures, run=run, report=report, tables=validation_tables(report),
        skills=_skills(report), skill_columns=SKILL_COLUMNS, verdict=validation_verdict(report),
        together=together_words(report["together"]),
        figure_titles=dict(zip(figures, titles, strict=True)),
    )  # fmt: skip


def validation_verdict(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return a headline that counts who passed, and a sentence that says what that is worth."""
    rows = report["rows"]
    passed = [row["title"] for row in rows if row["passed"]]
    leaking = sorted({row["title"] for row in rows if not row["gates"][0]["passed"]})
    counted = (
        f"{len(rows)} ways to trade were judged by their worst seed, with all "
        f"{report['together']['tried']} trials of this installation counted."
    )
    if leaking:
        return f"Look for the leak: {', '.join(leaking)}.", counted
    if not passed:
        return f"Nothing passes: 0 of {len(rows)}.", f"{counted} Do not risk money on any of them."
    return (
        f"{len(passed)} of {len(rows)} pass: {', '.join(passed)}.",
        f"{counted} Passing is needed, not enough: the market may change tomorrow.",
    )


def together_words(together: Mapping[str, Any]) -> str:
    """Return what all trials say together, in a sentence or two."""
    pbo = together["pbo"]
    counted = (
        f"{together['tried']} trials stand in the registry; {together['over']} of them have a "
        f"return for each of the {together['days']:,} days tested here."
    )
    return (
        f"{counted} Probability that the best of those in one half of the days is below their "
        f"median in the other: {cell(pbo, 'pct')}."
    )


def validation_markdown(report: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Return the whole report as Markdown."""
    tables = validation_tables(report)
    headline, sentence = validation_verdict(report)
    parts = [
        f"# {run['title']}", f"{run['span']}; {run['data']}.", f"**{headline}** {sentence}",
        _table(tables["gates"]), "\n".join(f"- {row['judgement']}" for row in report["rows"]),
        together_words(report["together"]), run["holdout"],
        "## In each crash", _table(tables["crashes"]),
        "## What breaks them", _known_lines(report["known"]),
        "## Volatility and direction",
        markdown_table(
            ["model", *(column.heading for column in SKILL_COLUMNS)],
            [[row["title"], *(c.cell(row) for c in SKILL_COLUMNS)] for row in _skills(report)],
        ),
        "## Dearer, later, larger", _table(tables["money"]), _table(tables["sizes"]),
        "## In every kind of market", _table(tables["regimes"]),
        "## Do probabilities come true?", _table(tables["odds"]),
    ]  # fmt: skip
    if "paths" in tables:
        parts += ["## Other pasts", _table(tables["paths"])]
    if run["failures"]:
        parts += ["## Not measured", "\n".join(f"- {line}" for line in run["failures"])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(table: CellTable) -> str:
    return markdown_table(table.heads, table.lines)


def _known_lines(known: Mapping[str, Sequence[str]]) -> str:
    return "\n".join(f"- {title}: {'; '.join(modes)}" for title, modes in known.items())


def _skills(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return each model's skill once, the largest gain first."""
    found = {row["name"]: row["skill"] for row in report["rows"]}
    return sorted(found.values(), key=lambda row: -float(row["gain_millibits"]["value"]))


def _reliability(found: Mapping[str, Any]) -> go.Figure:
    """Return forecast probability against what came, with intervals, for both sides."""
    fig = go.Figure()
    most = 0.1
    for key, name, colour in _SIDES:
        bins = found[key]
        most = max(most, *(max(b["forecast"], b["value"]) for b in bins))
        fig.add_scatter(
            x=[b["forecast"] for b in bins], y=[b["value"] for b in bins], name=name,
            mode="lines+markers", line={"color": colour},
            error_y={
                "type": "data", "symmetric": False, "thickness": 1.2, "width": 2,
                "array": [b["high"] - b["value"] for b in bins],
                "arrayminus": [b["value"] - b["low"] for b in bins],
            },
            hovertemplate="said %{x:.1%}, came %{y:.1%}<extra>" + name + "</extra>",
        )  # fmt: skip
    fig.add_scatter(
        x=[0, most], y=[0, most], mode="lines", name="as said",
        line={"color": GREY, "dash": "dot", "width": 1}, hoverinfo="skip",
    )  # fmt: skip
    styled(fig, 260)
    return fig.update_layout(
        xaxis={"title": "said", "tickformat": ".0%"}, yaxis={"title": "came", "tickformat": ".0%"}
    )
