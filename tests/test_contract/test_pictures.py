"""README's pictures are drawn from what a run has written, and can be drawn again."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models.reports.backtest.page import write_report
from tests.pictures.report import draw_report, figure_lines, read_report
from tests.pictures.svg import wrapped
from tests.pictures.telegram import draw_conversation, held_conversation
from tests.places import ROOT
from tests.test_models.reports.records import idle_record, make_record

PICTURES = sorted((ROOT / "user_data" / "docs" / "pictures").glob("*"))
MOST_BYTES = 300_000


def words(svg: str) -> str:
    """Return all that is written in a picture, in order."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return " ".join(element.text or "" for element in texts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(make_record(days=45), tmp_path_factory.mktemp("reports"))


def test_pictures_when_looked_at_then_each_is_small_whole_and_on_paper_of_its_own() -> None:
    assert {path.stem for path in PICTURES} >= {"report", "telegram"}
    for path in PICTURES:
        assert path.suffix == ".svg", path
        assert path.stat().st_size < MOST_BYTES, path
        first = next(
            iter(ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}rect"))
        )
        sheet = ElementTree.parse(path).getroot()
        assert (first.get("width"), first.get("height")) == (
            sheet.get("width"),
            sheet.get("height"),
        )


def test_report_when_drawn_then_every_verdict_number_and_warning_of_its_page_is_there(
    folder: Path,
) -> None:
    page, drawn = (
        read_report((folder / "index.html").read_text("utf-8")),
        words(draw_report(folder)),
    )
    assert page.title in drawn
    assert page.warning in drawn
    assert "SIMULATED MARKET" in page.warning
    assert len(page.verdicts) >= 3
    for _, what, why in page.verdicts:
        assert what in drawn
        assert why in drawn
    assert all(f"{label} {number}" in drawn for label, number, _ in page.tiles)
    assert drawn.endswith(tuple("0123456789"))  # the figure's scale


def test_report_when_nothing_was_traded_then_its_steps_are_drawn(tmp_path: Path) -> None:
    idle = write_report(idle_record(make_record(days=20), believed=0.1), tmp_path)
    page, drawn = (
        read_report((idle / "index.html").read_text("utf-8")),
        words(draw_report(idle)),
    )
    assert [what for what, _ in page.steps][::7] == ["Candles", "Trades"]
    assert all(f"{what} {count:,}" in drawn for what, count in page.steps)
    assert drawn.endswith("Trades 0")


def test_report_when_drawn_then_its_lines_are_the_figures_own(folder: Path) -> None:
    html = (folder / "index.html").read_text("utf-8")
    names = {name for name, _, heights in figure_lines(html, "equity") if len(heights) > 500}
    assert {"buy and hold", "audited equity"} <= names
    assert all(name in words(draw_report(folder)) for name in names)


def test_text_when_wrapped_then_no_word_is_lost_and_own_breaks_stay() -> None:
    text = "one two three\nfour " + "five " * 30
    lines = wrapped(text, 120, 12)
    assert " ".join(lines).split() == text.split()
    assert "one two three" in lines
    assert max(map(len, lines)) <= 20


def test_committed_report_when_read_then_it_says_that_its_market_is_simulated() -> None:
    drawn = words((ROOT / "user_data" / "docs" / "pictures" / "report.svg").read_text("utf-8"))
    assert "SIMULATED MARKET" in drawn
    assert "Nothing passed" in drawn


@pytest.mark.slow
def test_committed_conversation_when_held_again_then_the_bot_says_the_same() -> None:
    """But for numbers, and how a line that has them is broken."""
    drawn = words((ROOT / "user_data" / "docs" / "pictures" / "telegram.svg").read_text("utf-8"))
    again = words(draw_conversation(held_conversation()))
    assert _masked(again) == _masked(drawn)
    assert "Trade again?" in again


def _masked(text: str) -> str:
    return re.sub(r"[\d.,:]+", "0", text)
