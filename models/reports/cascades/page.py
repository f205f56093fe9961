"""The cascade measurements as a page for people and a file for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from models.reports.page import report_page, write_page
from models.reports.text import MISSING, cell, known, markdown_table

_HEADS: Final = (
    "hazard", "caught at 1 false alarm a week", "at one a month", "median lead, h",
    "average precision", "lift", "gain, mb per row", "forecast : observed, 24 h",
    "the same, top tenth",
)  # fmt: skip
_CHOSEN_HEADS: Final = (
    "hazard", "chosen, false alarms a week", "fired on the test", "caught", "chance",
    "median lead, h",
)  # fmt: skip
_SIDE_NAMES: Final = {-1: "falls", 1: "squeezes"}


def write_cascades(
    tables: Sequence[Mapping[str, Any]], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write the tables to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    tables
        One per scheme and selection of coins: ``scheme``, ``coin``, ``rows`` of
        `models.studies.cascades.measure_hazards`, ``chosen`` of `measure_chosen`, ``against`` the
        best simple hazard; one may have ``hours`` of `hour_by_hour`.
    run
        What was run; JSON-able.
    """
    numbers = {"format": 1, "kind": "cascades", "headline": cascades_headline(tables)[0],
               "run": dict(run), "tables": list(tables)}  # fmt: skip
    texts = {"table.md": cascades_markdown(tables)}
    return write_page(numbers, cascades_page(tables, run), texts, reports_dir, created_ms)


def hazard_cells(row: Mapping[str, Any]) -> list[str]:
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


def chosen_cells(row: Mapping[str, Any]) -> list[str]:
    """Return what became of one hazard's level, which was chosen before the test."""
    return [
        row["name"],
        f"{row['chosen']:g}",
        "{value:.2f} ({low:.2f} to {high:.2f})".format(**row["fired"]),
        f"{row['caught']} of {row['events']}, {cell(row['recall'], 'pct')}",
        f"{100 * row['chance']:.0f} %",
        f"{row['lead_h']:.0f}" if known(row["lead_h"]) else MISSING,
    ]


def hour_cells(row: Mapping[str, Any]) -> list[str]:
    """Return one hour of the day that is told: price, onset, and P : false alarms of a fall."""
    hour = datetime.fromtimestamp(row["time_ms"] / 1000, tz=UTC)
    said = [
        f"{100 * s['p'][0]:.1f} % : {s['per_week'][0]:.2g}" if known(s["p"][0]) else MISSING
        for s in row["said"].values()
    ]
    return [
        row["coin"],
        f"{hour:%m-%d %H:%M}",
        f"{100 * row['close_frac']:+.1f} %",
        f"{100 * row['low_frac']:+.1f} %",
        " and ".join(n for n, here in zip(("fall", "squeeze"), row["onset"], strict=True) if here),
        *said,
    ]


def hour_heads(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the heads of `hour_cells`."""
    return ["coin", "candle, UTC", "to the close", "to the low", "onset", *rows[0]["said"]]


def sides_of(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a table's two sides: title, luck, lines and what the network adds."""
    out = []
    for side, name in _SIDE_NAMES.items():
        rows = [r for r in table["rows"] if r["side"] == side]
        first = rows[0]
        against = [a for a in table["against"] if a["side"] == side]
        out.append(
            {
                "title": f"{table['scheme']}, {table['coin']}: {name}",
                "note": f"{first['events']} onsets in {first['episodes']} episodes over "
                f"{first['coin_weeks']:.0f} coin-weeks; alarms at random catch "
                f"{100 * first['random']['1']:.0f} % and {100 * first['random']['0.25']:.0f} %.",
                "lines": [hazard_cells(r) for r in rows],
                "chosen": [chosen_cells(r) for r in table["chosen"] if r["side"] == side],
                "verdict": cascades_verdict(against[0]) if against else "",
            }
        )
    return out


def cascades_verdict(against: Mapping[str, Any]) -> str:
    """Return in one sentence whether the network beats the best simple hazard.

    Examples
    --------
    >>> cascades_verdict({"rival": "Hawkes", "value": 0.02, "low": -0.03, "high": 0.07})
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


def cascades_markdown(tables: Sequence[Mapping[str, Any]]) -> str:
    """Return all tables as Markdown."""
    out = [
        f"### {side['title']}\n\n{side['note']}\n\n"
        f"{markdown_table(_HEADS, side['lines'])}\n{side['verdict']}\n\n"
        "Levels chosen before the test:\n\n"
        f"{markdown_table(_CHOSEN_HEADS, side['chosen'])}\n"
        for table in tables
        for side in sides_of(table)
    ]
    for hours in (t["hours"] for t in tables if t.get("hours")):
        lines = [hour_cells(row) for row in hours]
        out.append(f"### Hour by hour: P(fall) : false alarms a week\n\n"
                   f"{markdown_table(hour_heads(hours), lines)}\n")  # fmt: skip
    return "\n".join(out)


def cascades_headline(tables: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
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


def cascades_page(tables: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> str:
    """Return the self-contained page."""
    return report_page(
        "cascades",
        {},
        run=run,
        tables=[side for table in tables for side in sides_of(table)],
        heads=_HEADS,
        chosen_heads=_CHOSEN_HEADS,
        hours=[
            {"heads": hour_heads(t["hours"]), "lines": [hour_cells(row) for row in t["hours"]]}
            for t in tables
            if t.get("hours")
        ],
        headline=cascades_headline(tables),
        horizons=[
            {"title": f"{t['scheme']}, {t['coin']}", "row": r, "side": _SIDE_NAMES[r["side"]]}
            for t in tables
            for r in t["rows"]
        ],
    )
