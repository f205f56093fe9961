"""The page of a hedge's one number: what broke it is on the first lines, and the record beside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from models.reports.stress.numbered import numbered_markdown, numbered_verdict, write_numbered
from tests.test_models.reports.stress.sample import BROKEN, HELD, NUMBERED_RUN


def test_verdict_when_every_start_held_then_it_is_good_and_else_it_counts_and_says_why() -> None:
    kind, headline, sentence = numbered_verdict([HELD])
    assert (kind, headline) == ("good", "None of 48 starts cost more than the number set.")
    assert "14.9 % of equity where 15.0 % was set" in sentence
    kind, headline, sentence = numbered_verdict([HELD, BROKEN])
    assert (kind, headline) == ("warn", "32 of 96 starts cost more than the number set.")
    assert "asked at 3x, record as known the day before: 17.0 % of equity" in sentence
    assert "a fall beyond the record (32)" in sentence


def test_table_when_there_are_two_records_then_each_has_its_column_and_the_dearest_counts() -> None:
    cheap = replace(HELD, leverage=0.2, cost_frac=0.12)
    text = numbered_markdown([cheap, HELD, BROKEN])
    assert "| dearest start, of equity | record as shipped, 15 % " in text
    assert "| 2025 | 14.91 % | 17.00 % |" in text
    assert "| 0, 47, 1 | 0.246x | 14.91 % | 16.71 % | 0 | 0 |" in text
    assert "32: a fall beyond the record" in text


def test_page_when_written_then_it_and_its_numbers_say_the_same(tmp_path: Path) -> None:
    folder = write_numbered([HELD, BROKEN], NUMBERED_RUN, tmp_path, 1_700_000_000_000)
    page = (folder / "index.html").read_text()
    assert "32 of 96 starts cost more than the number set." in page
    assert "SIMULATED" not in page
    report = json.loads((folder / "report.json").read_text())
    assert report["headline"] in page
    assert [r["cost_frac"] for r in report["replays"]] == [0.1491, 0.17]
    assert (folder / "worst-day.md").read_text() == numbered_markdown([HELD, BROKEN])
