"""The page of a bot's models: alarms first, reasons in full, nothing that runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from models.reports.drift.page import drift_markdown, drift_verdict
from tests.test_models.operate.control.books import BOOK, BTC, PAIR
from tests.test_models.reports.drift.sample import troubled, write


def test_verdict_when_a_sum_is_beyond_its_threshold_then_it_is_the_headline() -> None:
    kind, headline, sentence = drift_verdict(troubled())
    assert (kind, headline) == ("bad", f"Worse than on its left-out rows: {BTC}: loss.")
    assert f"in shadow: {BTC}" in sentence
    assert f"held back: {BTC}: a cascade is not over" in sentence
    assert "1 models are in quarantine." in sentence


def test_verdict_when_all_is_well_or_nothing_is_counted_then_it_says_so() -> None:
    kind, headline, _ = drift_verdict(replace(BOOK, pairs=(PAIR,)))
    assert (kind, headline) == ("good", "No alarm: 1 sums are below their thresholds.")
    assert drift_verdict(BOOK)[0] == "warn"


def test_page_when_written_then_reasons_stand_in_it_as_text_and_numbers_beside(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path, 1_700_000_000_000)
    page = (folder / "index.html").read_text()
    assert "its loss is higher &lt;by more&gt; than its error" in page
    assert "its loss is &lt;higher&gt;" in page
    report = json.loads((folder / "report.json").read_text())
    assert report["kind"] == "drift"
    assert report["book"]["pairs"][0]["alarms"] == ["loss"]
    assert report["events"][0]["kind"] == "model.quarantined"
    assert "9.00 | 7.50" in drift_markdown(troubled())
    assert (folder / "table.md").read_text() == drift_markdown(troubled())
