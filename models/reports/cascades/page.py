"""The cascade measurements as a page for people and a file for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from models.reports.compare.page import cell, finite
from models.reports.folder import write_folder
from models.reports.text import MISSING, known

HEADS = (
    "hazard", "caught at 1 false alarm a week", "at one a month", "median lead, h",
    "average precision", "lift", "gain, mb per row", "forecast : observed, 24 h",
    "the same, top tenth",
)  # fmt: skip
SIDE_NAMES = {-1: "falls", 1: "squeezes"}


def write_cascades(
    tables: Sequence[Mapping[str, Any]], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write the tables to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    tables
        One per scheme and selection of coins: ``scheme``, ``coin``, ``rows`` of
        `models.reports.cascades.measure.measure`, ``against`` the best simple hazard.
    run
        What was run; JSON-able.
    """
    numbers = finite({"format": 1, "kind": "cascades", "run": dict(run), "tables": list(tables)})
    files = {
        "report.json": json.dumps(numbers, indent=1, allow_nan=False) + "\n",
        "index.html": render(tables, run),
        "table.md": markdown(tables),
    }
    return write_folder("cascades", files, reports_dir, created_ms)


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return one hazard's line as people read it."""
    last = row["calibration"][-1]
    return [
        row["name"],
        f"{row['caught_1']} of {row['events']}, {cell(row['recall_1'], 'pct')}",
        f"{row['caught_0.25']}, {cell(row['recall_0.25'], 'pct')}",
        f"{row['lead_h']:.0f}" if known(row["lead_h"]) else MISSING,
        f"{row['average_precision']:.3f}",
        f"{row['lift']:.1f}",
        "{value:.1f} ({low:.1f} to {high:.1f})".format(**row["gain_millibits"]),
        f"{100 * last['forecast']:.1f} : {100 * last['observed']:.1f} %",
        f"{100 * last['top_forecast']:.1f} : {100 * last['top_observed']:.1f} %",
    ]


def parts(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a table's two sides: title, luck, lines and what the network adds."""
    out = []
    for side, name in SIDE_NAMES.items():
        rows = [r for r in table["rows"] if r["side"] == side]
        first = rows[0]
        against = [a for a in table["against"] if a["side"] == side]
        out.append(
            {
                "title": f"{table['scheme']}, {table['coin']}: {name}",
                "note": f"{first['events']} onsets in {first['episodes']} episodes over "
                f"{first['coin_weeks']:.0f} coin-weeks; alarms at random catch "
                f"{100 * first['random']['1']:.0f} % and {100 * first['random']['0.25']:.0f} %.",
                "lines": [cells(r) for r in rows],
                "verdict": verdict(against[0]) if against else "",
            }
        )
    return out


def verdict(against: Mapping[str, Any]) -> str:
    """Return in one sentence whether the network beats the best simple hazard.

    Examples
    --------
    >>> verdict({"rival": "Hawkes", "value": 0.02, "low": -0.03, "high": 0.07})
    'The network does not beat Hawkes: recall +2.0 points (-3.0 to +7.0), paired by episode.'
    """
    beats = known(against["low"]) and against["low"] > 0
    numbers = "{:+.1f} points ({:+.1f} to {:+.1f})".format(
        *(100 * against[k] for k in ("value", "low", "high"))
    )
    return (
        f"The network {'beats' if beats else 'does not beat'} {against['rival']}: "
        f"recall {numbers}, paired by episode."
    )


def markdown(tables: Sequence[Mapping[str, Any]]) -> str:
    """Return all tables as Markdown."""
    lines = []
    for table in tables:
        for part in parts(table):
            lines += [f"### {part['title']}", "", part["note"], ""]
            lines += ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
            lines += ["| " + " | ".join(line) + " |" for line in part["lines"]]
            lines += ["", part["verdict"], ""]
    return "\n".join(lines)


def headline(tables: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return whether the network earned its place, and what is served where it did not."""
    against = [a for t in tables for a in t["against"]]
    if not against:
        return "Simple hazards only.", "No network was asked."
    won = [a for a in against if known(a["low"]) and a["low"] > 0]
    if len(won) == len(against):
        return "The network beats the best simple hazard.", "On every table below, beyond interval."
    return (
        "The network does not beat the best simple hazard.",
        f"It does on {len(won)} of {len(against)} comparisons below. Each training serves the "
        "hazard of boosted trees or the base rate unless the network's was clearly better on its "
        "validation candles; the trainings' table says which was served, and measured here.",
    )


def render(tables: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> str:
    """Return the self-contained page."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (resources.files("models.reports") / "style.css").read_text(encoding="utf-8")
    source = resources.files("models.reports.cascades") / "template.html"
    return environment.from_string(source.read_text(encoding="utf-8")).render(
        parts=[p for table in tables for p in parts(table)],
        run=run,
        heads=HEADS,
        headline=headline(tables),
        horizons=[
            {"title": f"{t['scheme']}, {t['coin']}", "row": r, "side": SIDE_NAMES[r["side"]]}
            for t in tables
            for r in t["rows"]
        ],
        style=Markup(style),
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
    )
