"""Three exchanges that push each other down, as a page with a slider and a file for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.base.types import FloatArray
from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED, packed, styled
from models.reports.text import MISSING, markdown_table, show
from models.studies.venues.loop import LoopRun
from models.studies.venues.measure import FACTORS, NOTHING, VenueRow

_COLOURS: Final = (BLUE, ORANGE, PURPLE)
_ROW_COLOURS: Final = (INK, BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
_NAMES: Final = "ABCDEFGH"
_FRAMES: Final = 60
_POINTS: Final = 120  # of a line, at most


def write_venues(
    rows: Sequence[VenueRow],
    runs: Mapping[str, LoopRun],
    outside: FloatArray,
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        One per breaker and per loop built otherwise, nothing first.
    runs
        What is drawn with a slider, by title: the first step by step, of the others the index.
    outside
        (T,) the log fall from outside of those.
    run
        Title, settings, seconds of a step, threshold, versions; JSON-able.
    """
    numbers = {
        "format": 1, "kind": "venues", "headline": venues_verdict(rows)[1], "run": dict(run),
        "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    figures = {
        "loop": stepped_fall(runs, outside, float(run["step_s"]), int(run["shown_steps"])),
        "deepest": _deepest(rows),
    }
    page = report_page(
        "venues", figures, run=run, verdict=venues_verdict(rows), heads=_heads(),
        lines=_lines(rows), more_heads=_more_heads(), more_lines=_more_lines(rows),
    )  # fmt: skip
    return write_page(numbers, page, {"table.md": venues_markdown(rows)}, reports_dir, created_ms)


def venues_markdown(rows: Sequence[VenueRow]) -> str:
    """Return thresholds and deepest falls, and what was sold, as Markdown tables."""
    more = markdown_table(_more_heads(), _more_lines(rows))
    return f"{markdown_table(_heads(), _lines(rows))}\n{more}"


def venues_verdict(rows: Sequence[VenueRow]) -> tuple[str, str, str]:
    """Return (kind, headline, sentence): where the loop runs away, and what reduces it most."""
    nothing = next(row for row in rows if row.name == NOTHING)
    at = FACTORS.index(1.0)
    order = sorted(rows, key=lambda row: row.deepest[at])
    helped = [row.title for row in order if row.deepest[at] < 0.95 * nothing.deepest[at]]
    headline = (
        f"The index falls by {show(nothing.deepest[at], 'pct')} with the loop at its threshold, by "
        f"{show(nothing.deepest[0], 'pct')} at a quarter of it; {len(helped)} changes reduce that."
    )
    sentence = (
        f"The simulated loop runs away from {show(nothing.simulated, 'ratio')} of the linearised "
        f"threshold. Reducing most, in this order: {'; '.join(helped) or 'none'}. What is not "
        "named here left the index about as deep."
    )
    return "warn", headline, sentence


def stepped_fall(
    runs: Mapping[str, LoopRun], outside: FloatArray, step_s: float, shown: int
) -> go.Figure:
    """Return the figure that a slider goes through, frame by frame; the last shows everything."""
    first, *others = runs.items()
    rows = np.unique(np.linspace(0, shown - 1, min(shown, _POINTS)).astype(int))
    minutes = (rows + 1) * step_s / 60
    lines = [("from outside", np.expm1(-outside[rows]), GREY, "dot")]
    for v, colour in zip(range(first[1].fall.shape[1]), cycle(_COLOURS), strict=False):
        lines.append((f"exchange {_NAMES[v]}", np.expm1(-first[1].fall[rows, v]), colour, "solid"))
    for title, other in others:
        lines.append((f"index: {title}", np.expm1(-other.index[rows]), GREEN, "dash"))
    fig = go.Figure(
        [
            go.Scatter(x=minutes, y=packed(y), name=name, mode="lines",
                       line={"color": colour, "width": 2, "dash": dash},
                       hovertemplate=f"%{{x:.1f}} min: %{{y:.1%}}<extra>{name}</extra>")
            for name, y, colour, dash in lines
        ]
    )  # fmt: skip
    ends = np.unique(np.linspace(1, len(rows), min(len(rows), _FRAMES)).astype(int))
    fig.frames = [
        go.Frame(
            name=_caption(first[1], lines, rows, int(end), step_s),
            data=[go.Scatter(x=minutes[:end], y=packed(y[:end])) for _, y, _, _ in lines],
        )
        for end in ends
    ]
    lowest = min(float(y.min()) for _, y, _, _ in lines)
    return styled(
        fig, 380, xaxis={"title": "minutes", "range": [0, float(minutes[-1])]},
        yaxis={"title": "price, against the start", "tickformat": "+.0%",
               "range": [1.05 * lowest, -0.05 * lowest]},
    )  # fmt: skip


def _caption(
    run: LoopRun, lines: Sequence[tuple[str, FloatArray, str, str]], rows: Any, end: int,
    step_s: float,
) -> str:  # fmt: skip
    """Return in words what a frame shows, exchange by exchange."""
    at = int(rows[end - 1])
    sold = run.sold[: at + 1].sum(axis=0)
    parts = [f"{name} {show(y[end - 1], 'gain')}" for name, y, _, dash in lines if dash != "dash"]
    return (
        f"Minute {(at + 1) * step_s / 60:.1f}: {', '.join(parts)}; liquidated so far "
        f"{show(float(sold.sum()), 'pct')} of all positions"
    )


def _heads() -> list[str]:
    return ["against the loop", "threshold, linearised", "threshold, simulated",
            *(f"lowest index at {f:g} ×" for f in FACTORS)]  # fmt: skip


def _lines(rows: Sequence[VenueRow]) -> list[list[str]]:
    return [
        [row.title, *(MISSING if x is None else show(x, "ratio") for x in
                      (row.linear, row.simulated)),
         *(show(-x, "gain") for x in row.deepest)]
        for row in rows
    ]  # fmt: skip


def _more_heads() -> list[str]:
    return ["at the threshold", "sold into the books", "taken by the fund",
            "furthest two prices were apart"]  # fmt: skip


def _more_lines(rows: Sequence[VenueRow]) -> list[list[str]]:
    at = FACTORS.index(1.0)
    return [
        [row.title, show(row.sold[at], "pct"), show(row.absorbed[at], "pct"),
         show(row.apart[at], "pct")]
        for row in rows
    ]  # fmt: skip


def _deepest(rows: Sequence[VenueRow]) -> go.Figure:
    fig = go.Figure()
    for i, (row, colour) in enumerate(zip(rows, cycle(_ROW_COLOURS), strict=False)):
        fig.add_scatter(
            x=FACTORS, y=packed(-np.array(row.deepest)), name=row.title, mode="lines",
            line={"color": colour, "width": 2.4 if row.name == NOTHING else 1.5,
                  "dash": ("solid", "dash")[i // len(_ROW_COLOURS)]},
            hovertemplate=f"%{{x:.2f}}: %{{y:.1%}}<extra>{row.title}</extra>",
        )  # fmt: skip
    fig.add_vline(x=1.0, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig, 380, xaxis={"title": "gain of the loop, over its linearised threshold"},
        yaxis={"title": "lowest index, against the start", "tickformat": "+.0%"},
    )  # fmt: skip
