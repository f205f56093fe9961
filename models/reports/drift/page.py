"""A running bot's models: drift, successors and what was refused, as a page and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from models.operate.control.model_book import Generation, ModelBook
from models.operate.journal.chain import JournalEntry
from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREY, RED, packed, styled
from models.reports.text import MISSING, markdown_table, show, utc


def write_drift(
    book: ModelBook,
    lines: Sequence[JournalEntry],
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    book
        Of one bot.
    lines
        Its journal's about models, oldest first.
    run
        Title, whose it is, versions; JSON-able.
    """
    numbers = {
        "format": 1, "kind": "drift", "headline": drift_verdict(book)[1], "run": dict(run),
        "book": asdict(book), "events": [_event(entry) for entry in lines],
    }  # fmt: skip
    page = report_page(
        "drift", {"monitors": _figure(book)} if _sums(book) else {}, run=run,
        verdict=drift_verdict(book), heads=_HEADS, lines=_lines(book), sum_heads=_SUM_HEADS,
        sums=_sums(book), refused_heads=_REFUSED_HEADS, refused=_refused(book),
        event_heads=_EVENT_HEADS, events=[_event_cells(entry) for entry in reversed(lines)],
    )  # fmt: skip
    return write_page(numbers, page, {"table.md": drift_markdown(book)}, reports_dir, created_ms)


def drift_markdown(book: ModelBook) -> str:
    """Return who serves and each monitor's sum as Markdown tables."""
    return f"{markdown_table(_HEADS, _lines(book))}\n{markdown_table(_SUM_HEADS, _sums(book))}"


def drift_verdict(book: ModelBook) -> tuple[str, str, str]:
    """Return (kind, headline, sentence): whether a model has drifted, and what is done about it."""
    alarms = [f"{one.pair}: {', '.join(one.alarms)}" for one in book.pairs if one.alarms]
    waiting = [one.pair for one in book.pairs if one.shadow is not None]
    held = [f"{one.pair}: {one.held}" for one in book.pairs if one.held]
    sentence = "; ".join(
        [
            f"in shadow: {', '.join(waiting)}" if waiting else "nobody waits in shadow",
            *(f"held back: {why}" for why in held),
            f"{sum(len(one.quarantined) for one in book.pairs)} models are in quarantine.",
        ]
    )
    if alarms:
        return "bad", f"Worse than on its left-out rows: {'; '.join(alarms)}.", sentence
    watched = sum(len(one.watched) for one in book.pairs)
    if not watched:
        return "warn", "Nothing of any model is counted yet.", sentence
    return "good", f"No alarm: {watched} sums are below their thresholds.", sentence


_HEADS = ["pair", "serves", "trained until", "for", "in shadow", "volatility of the week",
          "not watched"]  # fmt: skip
_SUM_HEADS = ["pair and score", "sum", "threshold", "days counted"]
_REFUSED_HEADS = ["model", "pair", "refused", "why"]
_EVENT_HEADS = ["when", "what", "which", "why"]


def _lines(book: ModelBook) -> list[list[str]]:
    return [
        [
            one.pair, _named(one.serving), utc(one.serving.trained_ms if one.serving else None),
            one.serving.why if one.serving else MISSING, _named(one.shadow),
            MISSING if one.ratio is None else f"{one.ratio:.2f} × usual", one.unwatched or MISSING,
        ]
        for one in book.pairs
    ]  # fmt: skip


def _sums(book: ModelBook) -> list[list[str]]:
    return [
        [f"{one.pair} {name}", show(found.cusum, "ratio"), show(found.threshold, "ratio"),
         str(found.days)]
        for one in book.pairs
        for name, found in sorted(one.watched.items())
    ]  # fmt: skip


def _refused(book: ModelBook) -> list[list[str]]:
    return [
        [_named(found.generation), one.pair, utc(found.time_ms), found.why]
        for one in book.pairs
        for found in reversed(one.quarantined)
    ]


def _event(entry: JournalEntry) -> dict[str, Any]:
    return {"n": entry.n, "time_ms": entry.time_ms, "kind": entry.kind, **entry.record}


def _event_cells(entry: JournalEntry) -> list[str]:
    what, why = (str(entry.record.get(name, "")) for name in ("what", "done"))
    return [utc(entry.time_ms), entry.kind.removeprefix("model."), what, why]


def _figure(book: ModelBook) -> go.Figure:
    """Return each sum as a share of its threshold, beyond which it alarms."""
    found = [
        (f"{one.pair} {name}", watched.cusum / watched.threshold)
        for one in book.pairs
        for name, watched in sorted(one.watched.items())
        if watched.threshold > 0
    ]
    names, shares = [name for name, _ in found], [share for _, share in found]
    fig = go.Figure(
        go.Bar(
            x=packed(np.array(shares)), y=names, orientation="h",
            marker={"color": [RED if share > 1 else BLUE for share in shares]},
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )  # fmt: skip
    fig.add_vline(x=1.0, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig, 80 + 28 * max(len(found), 3), showlegend=False,
        xaxis={"title": "sum over its threshold", "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"automargin": True},
    )  # fmt: skip


def _named(generation: Generation | None) -> str:
    return MISSING if generation is None else f"{generation.number} ({generation.title})"
