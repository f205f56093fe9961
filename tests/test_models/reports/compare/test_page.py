"""The comparison's page: every model and number on it, the verdict above."""

from __future__ import annotations

import json
from pathlib import Path

from models.reports.compare.page import (
    comparison_markdown,
    comparison_verdict,
    write_comparison,
)
from models.reports.text import cell
from models.studies.compare import measure_models
from tests.test_models.reports.compare.sample import RUN
from tests.test_models.studies.compare.worlds import (
    TRADING,
    constant,
    entry,
    knowing,
    truth,
)


def test_page_when_written_then_every_model_and_number_is_on_it(tmp_path: Path) -> None:
    t = truth()
    rows = measure_models([entry("base", constant(t)), entry("x", knowing(t))], t, TRADING, "base")
    folder = write_comparison(rows, RUN, tmp_path, 1_700_000_000_000)
    assert folder.name == "compare-20231114T221320Z"
    page = (folder / "index.html").read_text()
    assert "SIMULATED MARKET" in page
    assert cell(rows[1]["gain_millibits"], "millibits").split(" (")[0] in page
    numbers = json.loads((folder / "report.json").read_text())
    assert [m["name"] for m in numbers["models"]] == ["base", "x"]
    assert (folder / "table.md").read_text() == comparison_markdown(rows)
    assert "://" not in page.replace("http://www.w3.org", "").split("<script>")[0]


def test_verdict_when_a_model_knows_too_much_then_it_says_leak() -> None:
    t = truth()
    rows = measure_models([entry("base", constant(t)), entry("x", knowing(t))], t, TRADING, "base")
    assert comparison_verdict(rows)[0] == "Look for the leak: X."
    assert comparison_verdict(rows[:1])[0] == "No edge here."


def test_page_when_one_of_three_seeds_traded_once_then_that_is_not_called_none(
    tmp_path: Path,
) -> None:
    t = truth()
    rows = measure_models([entry("base", constant(t)), entry("x", knowing(t))], t, TRADING, "base")
    rows[0] |= {"trades": 1 / 3, "passed": 2 / 3}
    folder = write_comparison(rows, RUN, tmp_path, 1_700_000_000_000)
    lines = [line for line in comparison_markdown(rows).splitlines() if line.startswith("| Base")]
    assert "| 0.3 |" in lines[0]
    assert "| 0.7 |" in lines[1]
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "<td>0.3</td>" in page
    assert "<td>0.7</td>" in page
