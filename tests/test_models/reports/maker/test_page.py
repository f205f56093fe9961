"""The page on maker and taker: every way and number on it, and a verdict that counts the trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.reports.maker.page import MAKER_TABLES, maker_markdown, maker_verdict, write_maker
from tests.test_models.reports.maker.sample import RUN, row


def test_page_when_written_then_every_way_and_number_is_on_it(tmp_path: Path) -> None:
    rows = [row("sure", -3.2), row("coin", -9.0, is_control=True)]
    folder = write_maker(rows, RUN, tmp_path, 1_700_000_000_000)
    assert folder.name == "maker-20231114T221320Z"
    page = (folder / "index.html").read_text()
    assert "SIMULATED MARKET" in page
    for _, table in MAKER_TABLES:
        for column in table:
            assert column.heading.replace("'", "&#39;") in page
    for text in ("sure\ntaker", "coin\ntaker", "−3.2 bps", "Nothing passes", "Ways tried: 1;"):
        assert text in page, text
    numbers = json.loads((folder / "report.json").read_text())
    assert [way["name"] for way in numbers["ways"]] == ["sure", "coin"]
    assert numbers["trials"] == 1
    assert (folder / "table.md").read_text() == maker_markdown(rows)
    assert "://" not in page.replace("http://www.w3.org", "").split("<script>")[0]


@pytest.mark.parametrize(
    ("rows", "headline"),
    [
        ([row("sure", 0.5)], "Nothing passes"),  # the interval reaches below 0
        ([row("sure", 1.5)], "Nothing passes"),  # above 0 alone, not with all that was tried
        ([row("sure", 2.5)], "Passed: sure; taker."),
        ([row("sure", 2.5, net_twice={"value": -0.1})], "Nothing passes"),
        ([row("coin", 9.0, is_control=True), row("sure", -1.0)], "Nothing passes"),
        ([row("sure", float("nan"))], "Nothing was traded."),
    ],
)
def test_verdict_when_read_then_only_what_holds_with_all_trials_and_at_twice_the_costs_passes(
    rows: list[dict[str, Any]], headline: str
) -> None:
    assert maker_verdict(rows)[0].startswith(headline)


def test_verdict_when_nothing_passes_then_the_best_is_named_with_what_speaks_against_it() -> None:
    rows = [row("one", -4.0), row("two", 1.5), row("coin", 9.0, is_control=True)]
    _, sentence = maker_verdict(rows)
    assert sentence.startswith("Ways tried: 2; with their own interval")
    assert "two; taker, earned +1.5 bps (+0.5 to +2.5) a trade" in sentence
    assert sentence.endswith("its lower end is −0.5 bps.")
