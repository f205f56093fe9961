"""How much deeper a crowd of copies makes a fall, as a page for people and a file for programs."""

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
from models.reports.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, packed, styled, tinted
from models.reports.text import cell, markdown_table, show
from models.studies.crowding.measure import (
    LEVERS,
    SHIPPED,
    TABLED,
    TARGET,
    TARGET_ADOPTION,
    TOGETHER,
    CrowdRow,
)

_COLOURS: Final = (BLUE, GREY, ORANGE, RED, PURPLE, GREEN)
_PATHS: Final = (GREY, BLUE, ORANGE, RED)
_DASHES: Final = ("solid", "dash")
_SELLERS: Final = (("stops", "stops"), ("cuts", "cuts"), ("guards", "guards"), ("forced", "others"))


def write_crowding(
    rows: Sequence[CrowdRow],
    worlds: Sequence[CrowdRow],
    falls: Mapping[str, FloatArray],
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        One per lever, the shipped defaults first.
    worlds
        The shipped defaults and all levers together in other worlds, titled by the world.
    falls
        Legend to the lowest price of each minute of one fall, (T,), over that at the start.
    run
        Title, settings, versions; JSON-able.
    """
    numbers = {
        "format": 1, "kind": "crowding", "headline": crowding_verdict(rows)[1], "run": dict(run),
        "levers": [_numbers(row) for row in rows], "worlds": [_numbers(row) for row in worlds],
    }  # fmt: skip
    texts = {"table.md": crowding_markdown(rows, worlds)}
    page = report_page(
        "crowding", {"amplification": _amplification(rows), "falls": _falls(falls)}, run=run,
        verdict=crowding_verdict(rows), heads=_heads("levers"), lines=_lines(rows),
        apart_heads=_heads("levers, minus as shipped"), apart_lines=_apart_lines(rows),
        world_heads=_world_heads(), world_lines=_world_lines(worlds), sold_heads=_sold_heads(),
        sold_lines=_sold_lines(rows), target=TARGET,
    )  # fmt: skip
    return write_page(numbers, page, texts, reports_dir, created_ms)


def crowding_markdown(rows: Sequence[CrowdRow], worlds: Sequence[CrowdRow]) -> str:
    """Return the amplification by lever and adoption, and by world, as Markdown tables."""
    first = markdown_table(_heads("levers"), _lines(rows))
    apart = markdown_table(_heads("levers, minus as shipped"), _apart_lines(rows))
    return f"{first}\n{apart}\n{markdown_table(_world_heads(), _world_lines(worlds))}"


def crowding_verdict(rows: Sequence[CrowdRow]) -> tuple[str, str, str]:
    """Return (kind, headline, sentence): whether the defaults keep the target, and what is best."""
    shipped = next(row for row in rows if row.name == SHIPPED)
    found = shipped.at(TARGET_ADOPTION)
    deepest = shipped.adoptions[-1]
    best = min(rows, key=lambda row: row.at(deepest).value)
    worst = max(rows, key=lambda row: row.at(deepest).value)
    kept = found.high <= TARGET
    headline = (
        f"At {_share(TARGET_ADOPTION)} adoption the shipped defaults deepen the fall "
        f"{show(found.value, 'ratio')}-fold: "
        f"{'within' if kept else 'not surely within'} {TARGET:g}."
    )
    sentence = (
        f"95 % interval {show(found.low, 'ratio3')} to {show(found.high, 'ratio3')}. At "
        f"{_share(deepest)}: {show(shipped.at(deepest).value, 'ratio')} as shipped, "
        f"{show(best.at(deepest).value, 'ratio')} at best ({best.title}), "
        f"{show(worst.at(deepest).value, 'ratio')} at worst ({worst.title}). Levers reduce what a "
        "crowd adds to a fall; none takes it away."
    )
    return "good" if kept else "warn", headline, sentence


def _share(frac: float) -> str:
    return f"{100 * frac:g} %"


def _numbers(row: CrowdRow) -> dict[str, Any]:
    plain = asdict(row)
    both = ("amplification", "against")
    return {**plain, **{key: [e.as_dict() for e in getattr(row, key)] for key in both}}


def _heads(first: str) -> list[str]:
    return [first, *(f"{_share(a)} adoption" for a in TABLED)]


def _lines(rows: Sequence[CrowdRow]) -> list[list[str]]:
    return [[row.title, *(_cell(row, a) for a in TABLED)] for row in rows]


def _apart_lines(rows: Sequence[CrowdRow]) -> list[list[str]]:
    at = [rows[0].adoptions.index(a) for a in TABLED]
    return [
        [row.title, *(cell(row.against[i].as_dict(), "change") for i in at)]
        for row in rows
        if row.name != SHIPPED
    ]


def _cell(row: CrowdRow, adoption: float) -> str:
    return cell(row.at(adoption).as_dict(), "ratio3")


def _world_heads() -> list[str]:
    levers = [LEVERS[name][0] for name in (SHIPPED, TOGETHER)]
    return ["world", "fall without a crowd", *(f"{_share(a)}, {title}" for title in levers
                                               for a in (TABLED[0], TABLED[-1]))]  # fmt: skip


def _world_lines(worlds: Sequence[CrowdRow]) -> list[list[str]]:
    by = {(row.title, row.name): row for row in worlds}
    return [
        [title, show(by[title, SHIPPED].trough_frac[0], "pct"),
         *(_cell(by[title, name], a) for name in (SHIPPED, TOGETHER)
           for a in (TABLED[0], TABLED[-1]))]
        for title in dict.fromkeys(row.title for row in worlds)
    ]  # fmt: skip


def _sold_heads() -> list[str]:
    return ["levers, half a day's volume held", *(what for _, what in _SELLERS), "halted"]


def _sold_lines(rows: Sequence[CrowdRow]) -> list[list[str]]:
    return [
        [row.title, *(show(row.sold[-1][key], "pct") for key, _ in _SELLERS),
         show(row.halted[-1], "count")]
        for row in rows
    ]  # fmt: skip


def _amplification(rows: Sequence[CrowdRow]) -> go.Figure:
    fig = go.Figure()
    shipped = next(row for row in rows if row.name == SHIPPED)
    x = np.array(shipped.adoptions)
    low, high = (np.array([getattr(e, end) for e in shipped.amplification])
                 for end in ("low", "high"))  # fmt: skip
    fig.add_scatter(
        x=np.concatenate([x, x[::-1]]), y=packed(np.concatenate([high, low[::-1]])), mode="lines",
        name=f"{shipped.title}, 95 % interval", line={"width": 0}, fill="toself",
        fillcolor=tinted(BLUE, 0.18), hoverinfo="skip",
    )  # fmt: skip
    for i, (row, colour) in enumerate(zip(rows, cycle(_COLOURS), strict=False)):
        fig.add_scatter(
            x=row.adoptions, y=packed(np.array([e.value for e in row.amplification])),
            name=row.title, mode="lines",
            line={"color": colour, "width": 2.4 if row.name == SHIPPED else 1.5,
                  "dash": _DASHES[i // len(_COLOURS)]},
            hovertemplate=f"%{{x:.0%}}: %{{y:.3f}}<extra>{row.title}</extra>",
        )  # fmt: skip
    fig.add_hline(y=TARGET, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig, 400,
        xaxis={"title": "adoption: what the copies hold, of an ordinary day's volume",
               "tickformat": ".0%", "range": [0, x[-1]]},
        yaxis={"title": "trough with the crowd over that without"},
    )  # fmt: skip


def _falls(falls: Mapping[str, FloatArray]) -> go.Figure:
    fig = go.Figure()
    for (name, path), colour in zip(falls.items(), cycle(_PATHS), strict=False):
        fig.add_scatter(
            x=np.arange(1, len(path) + 1), y=packed(path - 1), name=name, mode="lines",
            line={"color": colour, "width": 1.5},
            hovertemplate=f"minute %{{x}}: %{{y:.1%}}<extra>{name}</extra>",
        )  # fmt: skip
    return styled(
        fig, 340, xaxis={"title": "minutes"},
        yaxis={"title": "lowest price of the minute, against the start", "tickformat": "+.0%"},
    )  # fmt: skip
