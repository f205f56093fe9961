"""The scenarios page: who is believed and who fails come first, and every number is on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.reports.scenarios.page import (
    crash_cells,
    scenarios_headline,
    scenarios_markdown,
    tail_cells,
    write_scenarios,
)
from models.reports.scenarios.words import rejections_in_words
from tests.test_models.reports.scenarios.sample import COINS, NOW_MS, RUN, figures, study


def test_page_when_written_then_the_verdict_comes_first_and_every_engine_is_on_it(
    tmp_path: Path,
) -> None:
    numbers = study()
    folder = write_scenarios(numbers, figures(numbers), RUN, tmp_path, NOW_MS)
    page = (folder / "index.html").read_text()
    assert "SIMULATED MARKET" in page
    place = [
        page.index(text) for text in ("Believe filtered.", "−8.0 %", "it broke", "Crash days</h2")
    ]
    assert place == sorted(place)
    assert "how often and when 32 (1 h, 24 h, 168 h, 24 h, worst price" in page
    assert "XRP/USDT:USDT</b> is left out" in page
    assert "1 in 50,000; lowest −61.0 %" in page
    assert "none of 102,400" in page
    assert "filtered: LTC by EWMA." in page
    written = json.loads((folder / "report.json").read_text())
    assert written["headline"] == "Believe filtered."
    assert len(written["tails"]) == len(numbers["tails"])
    assert (folder / "table.md").read_text() == scenarios_markdown(numbers)
    assert "://" not in page.replace("http://www.w3.org", "").split("<script>")[0]


def test_headline_when_nobody_passes_or_answers_then_nobody_is_believed() -> None:
    level, headline, why = scenarios_headline(study(""))
    assert (level, headline) == ("bad", "No engine passes: believe none of them.")
    assert why.startswith("Shown is filtered, with the fewest tests rejected: 64 of 96: how often")
    assert why.endswith("Of the others: bootstrap 64, broken without an answer.")
    _, _, why = scenarios_headline(study())
    assert "Rejected: bootstrap, broken." in why
    nothing = {**study(""), "shown": "", "engines": [study()["engines"][2]], "lows": []}
    assert scenarios_headline(nothing)[1] == "No engine gave an answer."


def test_headline_when_origins_are_few_then_nobody_is_believed_for_want_of_rejections() -> None:
    few = [{**e, "enough": False, "passes": False, "rejected": []} for e in study()["engines"]]
    numbers = {**study(""), "engines": few}
    assert scenarios_headline(numbers)[1] == "Too few origins to believe any engine."
    assert "| filtered | too few origins | 0 of 96 |" in scenarios_markdown(numbers)


def test_page_when_nobody_answered_then_it_can_still_be_written(tmp_path: Path) -> None:
    empty: dict[str, Any] = {key: [] for key in ("tails", "deciles", "lows", "crashes")}
    numbers = {**study(""), **empty, "shown": "", "engines": [study()["engines"][2]]}
    page = (write_scenarios(numbers, {}, RUN, tmp_path, NOW_MS) / "index.html").read_text()
    assert "No engine gave an answer." in page
    assert "it broke" in page


def test_cells_when_read_then_both_levels_stand_beside_each_other() -> None:
    rows = [r for r in study()["tails"] if r["engine"] == "bootstrap"]
    lines = tail_cells(rows)
    assert len(lines) == len(rows) / 2
    assert lines[0][:4] == ["BTC, 1 h", "falls", "1000", "31 / 10.0"]
    assert lines[0][4] == "< 0.0001"
    assert lines[0][7] == "31 / 50.0"


def test_crashes_when_an_engine_has_no_answer_then_its_cell_is_a_dash() -> None:
    numbers = study()
    numbers["crashes"] = [
        r for r in numbers["crashes"] if (r["engine"], r["coin"]) != ("bootstrap", COINS[1])
    ]
    heads, lines = crash_cells(numbers, ["LTC"])
    assert heads == ["day", "low that came", "filtered"]
    assert lines == [["2025-10-10, tariffs: LTC", "−59.0 %", "1 in 50,000; lowest −61.0 %"]]
    heads, lines = crash_cells(numbers, ["BTC", "LTC"])
    assert lines[1][-1] == "–"


def test_rejections_when_on_both_sides_of_right_then_both_are_said() -> None:
    row = {"test": "coverage", "loss": "1 h", "hits": 3, "expected": 10.0}
    assert rejections_in_words([row]) == "how often and when 1 (1 h; too seldom)"
    both = rejections_in_words([row, {**row, "hits": 20}])
    assert both == "how often and when 2 (1 h; too often, and too seldom)"
    calm = {"test": "even", "loss": "24 h", "even": {"statistic": -4.0}}
    assert "too often in calm hours" in rejections_in_words([calm])
