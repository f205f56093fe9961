"""The exposure page: every way and number on it, and a verdict that says what was not shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.reports.exposure.page import exposure_markdown, exposure_verdict, write_exposure
from models.reports.text import cell
from tests.test_models.reports.exposure.sample import RUN, rows


def test_page_when_written_then_every_way_and_number_is_on_it(tmp_path: Path) -> None:
    measured = rows("careful")
    curves = {row["title"]: np.ones(5) for row in measured}
    folder = write_exposure(measured, curves, RUN, tmp_path, 1_700_000_000_000)
    assert folder.name == "exposure-20231114T221320Z"
    page = (folder / "index.html").read_text()
    assert "SIMULATED MARKET" in page
    for row in measured:
        assert row["title"] in page
        assert cell(row["worst_day"], "pct2").split(" (")[0] in page
    assert cell(measured[1]["against"]["worst_day"], "gain2").split(" (")[0] in page
    numbers = json.loads((folder / "report.json").read_text())
    assert [way["name"] for way in numbers["ways"]] == ["careful", "constant"]
    assert (folder / "table.md").read_text() == exposure_markdown(measured)
    assert "://" not in page.replace("http://www.w3.org", "").split("<script>")[0]


def test_verdict_when_nothing_is_shown_then_it_says_so() -> None:
    headline, sentence = exposure_verdict(rows("careful"))
    assert headline == "Careful way: milder worst days than with constant way."
    assert sentence.startswith("What it earned after costs cannot be told")
    headline, _ = exposure_verdict(rows("constant"))
    assert headline == "Constant way did not make the worst days milder beyond its interval."


def test_verdict_when_it_earned_less_then_it_says_than_whom() -> None:
    measured = rows("careful")
    third = {**measured[1], "title": "third way", "against": rows("constant")[1]["against"]}
    measured[1]["against"]["net"] = {"value": -0.2, "low": -0.3, "high": -0.1}
    headline, sentence = exposure_verdict([*measured, third])
    assert (
        headline
        == "Careful way: milder worst days than with constant way; not than with third way."
    )
    assert sentence == "After costs it earned less than constant way, beyond the interval."
