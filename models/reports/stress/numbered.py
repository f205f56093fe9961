"""The page of a hedge's one number: what was opened, cut or refused, what it cost, and why more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from models.reports.page import report_page, write_page
from models.reports.text import markdown_table, show, utc
from models.studies.stress.numbered import NumberedSummary

NUMBERED_HEADS: Final = (
    "crash", "record", "asked", "number", "may reduce", "worst day known", "worst day that came",
    "opened whole, cut, refused", "largest opened", "dearest start", "the position alone",
    "above the number", "liquidated", "dearest start at",
)  # fmt: skip


def write_numbered(
    rows: Sequence[NumberedSummary], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder."""
    numbers = {
        "format": 1, "kind": "worst-day", "headline": numbered_verdict(rows)[1], "run": dict(run),
        "replays": [asdict(r) for r in rows],
    }  # fmt: skip
    page = report_page(
        "worst_day", {}, run=run, verdict=numbered_verdict(rows), heads=NUMBERED_HEADS,
        lines=[numbered_cells(r) for r in rows], summary=_by_record(rows),
    )  # fmt: skip
    return write_page(
        numbers, page, {"worst-day.md": numbered_markdown(rows)}, reports_dir, created_ms
    )


def numbered_markdown(rows: Sequence[NumberedSummary]) -> str:
    """Return every replay, and the dearest by record, leave and number, as Markdown tables."""
    heads, lines = _by_record(rows)
    first = markdown_table(heads, lines)
    return f"{first}\n{markdown_table(NUMBERED_HEADS, [numbered_cells(r) for r in rows])}"


def numbered_verdict(rows: Sequence[NumberedSummary]) -> tuple[str, str, str]:
    """Return (kind, headline, sentence): whether the number held, and where it did not."""
    starts, broken = sum(r.starts for r in rows), [r for r in rows if r.broken]
    worst = max(rows, key=lambda r: r.cost_frac - r.number_frac)
    where = (
        f"Dearest against its number: {worst.name}, asked at {worst.leverage:g}x, record "
        f"{worst.record}: {show(worst.cost_frac, 'pct')} of equity where "
        f"{show(worst.number_frac, 'pct')} was set."
    )
    if not broken:
        return "good", f"None of {starts:,} starts cost more than the number set.", where
    over = sum(sum(r.broken.values()) for r in broken)
    crashes = len({r.name for r in broken})
    return "warn", f"{over:,} of {starts:,} starts cost more than the number set.", (
        f"In {crashes} of {len({r.name for r in rows})} crashes. {where} {_why(broken)}"
    )  # fmt: skip


def numbered_cells(r: NumberedSummary) -> list[str]:
    """Return one line of `NUMBERED_HEADS`."""
    return [
        r.name, r.record, f"{r.leverage:g}x", f"{100 * r.number_frac:g} %",
        "yes" if r.may_reduce else "no", show(r.known_frac, "pct"), show(r.fall_frac, "pct"),
        f"{r.whole}, {r.cut}, {r.refused}", show(r.opened_frac, "ratio3") + "x",
        show(r.cost_frac, "pct2"), show(r.alone_frac, "pct2"), _broken(r), f"{r.liquidated}",
        utc(r.worst_start_ms).removesuffix(" UTC"),
    ]  # fmt: skip


def _by_record(rows: Sequence[NumberedSummary]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines: by crash, for each record, leave and number, the dearest start."""
    columns = list(dict.fromkeys((r.record, r.may_reduce, r.number_frac) for r in rows))
    heads = ["dearest start, of equity", *(_column(*c) for c in columns)]
    lines = []
    for name in dict.fromkeys(r.name for r in rows):
        found = [
            [r for r in rows if (r.name, r.record, r.may_reduce, r.number_frac) == (name, *c)]
            for c in columns
        ]
        lines.append([name, *(show(max(r.cost_frac for r in f), "pct2") for f in found)])
    return heads, lines


def _column(record: str, may_reduce: bool, number: float) -> str:
    return f"record {record}, {100 * number:g} %{', may reduce' if may_reduce else ''}"


def _broken(r: NumberedSummary) -> str:
    return "; ".join(f"{n}: {why}" for why, n in r.broken.items()) or "0"


def _why(broken: Sequence[NumberedSummary]) -> str:
    counted: dict[str, int] = {}
    for r in broken:
        for why, n in r.broken.items():
            counted[why] = counted.get(why, 0) + n
    return "Why: " + "; ".join(f"{why} ({n:,})" for why, n in counted.items()) + "."
