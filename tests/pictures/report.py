"""A backtest's report as a picture: its first section, word for word, and its first figure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np

from models.base.types import FloatArray
from models.reports.packing import PackedText, unpack_text
from tests.pictures.svg import Sheet, wrapped

_WIDTH, _EDGE, _INNER = 900, 28, 24
_INK, _SOFT, _LINE = "#1f2937", "#6b7280", "#e5e7eb"
_PAYLOAD = r'id="figures-packed" data-size="(\d+)">(.*?)</script>'
_TONES = {  # as models/reports/templates/style.css has them: bar, ground, ink
    "neutral": ("#5b6472", "#f6f8fa", _INK),
    "good": ("#009e73", "#f0faf6", "#00714f"),
    "bad": ("#d55e00", "#fff4ed", "#b03600"),
    "warn": ("#b87700", "#fff9eb", "#855600"),
}


@dataclass(frozen=True)
class ReportPage:
    """What the first section of a report says."""

    title: str
    about: str
    warning: str  # empty on real data
    verdicts: list[tuple[str, str, str]]  # tone, what, why
    tiles: list[tuple[str, str, str]]  # label, number, range
    steps: list[tuple[str, int]]  # from candle to trade: what, and how many got so far


def read_report(html: str) -> ReportPage:
    """Take the first section of a report apart, and the steps from candle to trade below it.

    Raises
    ------
    AssertionError
        If it is not built as the template builds it.
    """
    body = html[html.index("<body") : html.index("</section>")]
    (title,) = re.findall(r"<h1>(.*?)</h1>", body, re.DOTALL)
    about = re.search(r'<div class="soft">(.*?)</div>', body, re.DOTALL)
    warning = re.search(r'<div class="simulated"[^>]*>(.*?)</div>', body, re.DOTALL)
    said = re.findall(
        r'<div class="say (\w+)"><b>(.*?)</b><span>(.*?)</span></div>', body, re.DOTALL
    )
    tiles = re.findall(
        r'<div class="tile"><div class="label">(.*?)</div>(.*?)<div class="range">(.*?)</div>',
        body, re.DOTALL,
    )  # fmt: skip
    steps = re.findall(
        r'<li class="\w*"><b>(.*?)</b>.*?data-key="funnel[^"]*" data-value="(\d+)"', html, re.DOTALL
    )
    assert about
    assert said
    assert tiles
    return ReportPage(
        title=_plain(title),
        about=_plain(about[1]),
        warning=_plain(warning[1]) if warning else "",
        verdicts=[(tone, _plain(what), _plain(why)) for tone, what, why in said],
        tiles=[(_plain(a), _plain(b), _plain(c)) for a, b, c in tiles],
        steps=[(_plain(what), int(count)) for what, count in steps],
    )


def draw_report(folder: Path) -> str:
    """Return the picture of the report in `folder`, which has `index.html`."""
    html = (folder / "index.html").read_text(encoding="utf-8")
    page = read_report(html)
    sheet = Sheet(_WIDTH, "#f5f7fa", y=44)
    sheet.line(page.title, _EDGE, sheet.y, 24, _INK, bold=True)
    sheet.y += 22
    for line in wrapped(page.about, _WIDTH - 2 * _EDGE, 13):
        sheet.line(line, _EDGE, sheet.y, 13, _SOFT)
        sheet.y += 18
    if page.warning:
        sheet.box(_EDGE - 10, sheet.y, _WIDTH - 2 * _EDGE + 20, 28, "#b83b00")
        sheet.line(page.warning, _EDGE, sheet.y + 19, 13, "#ffffff", bold=True)
        sheet.y += 38
    for verdict in page.verdicts:
        _draw_verdict(sheet, *verdict)
    _draw_tiles(sheet, page.tiles)
    if lines := figure_lines(html, "equity"):
        _draw_lines(sheet, lines)
    else:
        _draw_steps(sheet, page.steps)
    return sheet.svg(f"First page of a report: {page.title}")


def _draw_verdict(sheet: Sheet, tone: str, what: str, why: str) -> None:
    bar, ground, ink = _TONES[tone]
    width = _WIDTH - 2 * _EDGE
    heads, lines = wrapped(what, width - 30, 20.5), wrapped(why, width - 30, 13)
    height = 18 + 22 * len(heads) + 17 * len(lines)
    sheet.box(_EDGE, sheet.y, width, height, ground, _LINE)
    sheet.box(_EDGE, sheet.y, 5, height, bar, radius=2)
    y = sheet.y + 26
    for line in heads:
        sheet.line(line, _EDGE + 18, y, 17, ink, bold=True)
        y += 22
    for line in lines:
        sheet.line(line, _EDGE + 18, y - 4, 13, "#374151")
        y += 17
    sheet.y += height + 10


def _draw_tiles(sheet: Sheet, tiles: list[tuple[str, str, str]]) -> None:
    """Draw the tiles of numbers, four in a row as the page has them."""
    width = (_WIDTH - 2 * _EDGE - 3 * 10) / 4
    for n, (label, number, spread) in enumerate(tiles):
        x, y = _EDGE + n % 4 * (width + 10), sheet.y + n // 4 * 84
        sheet.box(x, y, width, 76, "#ffffff", _LINE)
        sheet.line(label, x + 12, y + 20, 10.5 if len(label) > 26 else 12, _SOFT)
        sheet.line(number, x + 12, y + 46, 20, _INK, bold=True)
        sheet.line(wrapped(spread, width - 14, 11)[0], x + 12, y + 65, 11, _SOFT)
    sheet.y += -(-len(tiles) // 4) * 84 + 10


def _draw_steps(sheet: Sheet, steps: list[tuple[str, int]]) -> None:
    """Draw how many candles got how far on the way to a trade."""
    most = max([count for _, count in steps] or [1]) or 1
    height = 30 + 26 * len(steps)
    sheet.box(_EDGE, sheet.y, _WIDTH - 2 * _EDGE, height, "#ffffff", _LINE)
    for n, (what, count) in enumerate(steps):
        y = sheet.y + 20 + 26 * n
        sheet.line(what, _EDGE + 12, y + 11, 13, _INK, bold=True)
        wide = 380 * count / most
        sheet.box(_EDGE + 170, y, wide, 12, _TONES["good"][0], radius=2)
        sheet.line(f"{count:,}", _EDGE + 180 + wide, y + 11, 13, _INK)
    sheet.y += height + _INNER


def figure_lines(html: str, name: str) -> list[tuple[str, str, FloatArray]]:
    """Return the lines of a figure of the page: name, colour, heights in order of time."""
    (found,) = re.findall(_PAYLOAD, html, re.DOTALL)
    figures = json.loads(unpack_text(PackedText(found[1], int(found[0]))))
    lines = []
    for trace in figures.get(name, {"data": []})["data"]:
        main = trace.get("yaxis", "y") == "y"  # not the panels below it
        if main and trace.get("name") and (trace.get("line") or {}).get("color"):
            lines.append((trace["name"], trace["line"]["color"], np.array(trace["y"], dtype=float)))
    return lines


def _draw_lines(sheet: Sheet, lines: list[tuple[str, str, FloatArray]]) -> None:
    """Draw lines on one scale, thinned out to the picture's width, and what they are."""
    low = min(float(np.nanmin(y)) for _, _, y in lines)
    high = max(float(np.nanmax(y)) for _, _, y in lines)
    width, height = _WIDTH - 2 * _EDGE, 150
    sheet.box(_EDGE, sheet.y, width, height + 50, "#ffffff", _LINE)
    x = _EDGE + 12.0
    for name, colour, _ in lines:
        sheet.box(x, sheet.y + 14, 14, 4, colour, radius=1)
        sheet.line(name, x + 20, sheet.y + 20, 12, _SOFT)
        x += 50 + 7 * len(name)
    sheet.line(f"{high:,.0f}", _WIDTH - _EDGE - 8, sheet.y + 38, 11, _SOFT, anchor="end")
    sheet.line(f"{low:,.0f}", _WIDTH - _EDGE - 8, sheet.y + height + 42, 11, _SOFT, anchor="end")
    for _, colour, y in lines:
        thin = y[:: max(1, len(y) // 240)]
        across = np.linspace(_EDGE + 12, _WIDTH - _EDGE - 70, len(thin))
        down = sheet.y + 34 + (high - thin) / (high - low or 1.0) * height
        whole = np.isfinite(thin)
        sheet.path(list(zip(across[whole], down[whole], strict=True)), colour)
    sheet.y += height + 50 + _INNER


def _plain(html: str) -> str:
    """Return the words of a piece of HTML."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html))).strip()
