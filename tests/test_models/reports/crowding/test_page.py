"""The crowding page: every lever and world on it, and a verdict that claims what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from pathlib import Path

from models.evaluate.metrics.resampling import Estimate
from models.reports.crowding.page import crowding_markdown, crowding_verdict
from models.reports.text import cell
from models.studies.crowding.measure import SHIPPED, CrowdRow
from tests.test_models.reports.crowding.sample import rows, write


def test_page_when_written_then_every_lever_world_and_number_is_on_it(tmp_path: Path) -> None:
    levers, worlds = rows()
    folder = write(tmp_path, 1_700_000_000_000)
    assert folder.name == "crowding-20231114T221320Z"
    page = (folder / "index.html").read_text()
    assert "SIMULATED FALLS" in page
    for row in levers:
        assert row.title in page
        assert cell(row.at(0.5).as_dict(), "ratio3").split(" (")[0] in page
    assert all(row.title in unescape(page) for row in worlds)
    numbers = json.loads((folder / "report.json").read_text())
    assert [row["name"] for row in numbers["levers"]] == [row.name for row in levers]
    assert numbers["levers"][0]["amplification"][-1]["value"] == levers[0].at(0.5).value
    assert numbers["headline"] == crowding_verdict(levers)[1]
    assert (folder / "table.md").read_text() == crowding_markdown(levers, worlds)


def _found(value: float, high: float) -> list[CrowdRow]:
    levers, _ = rows()
    (shipped,) = [row for row in levers if row.name == SHIPPED]
    found = tuple(
        Estimate(value, value, high) if a == 0.05 else e
        for a, e in zip(shipped.adoptions, shipped.amplification, strict=True)
    )
    return [replace(shipped, amplification=found), *levers[1:]]


def test_verdict_when_the_target_is_kept_or_missed_then_it_says_which() -> None:
    kind, headline, sentence = crowding_verdict(_found(1.03, 1.05))
    assert (kind, headline) == (
        "good",
        "At 5 % adoption the shipped defaults deepen the fall 1.03-fold: within 1.1.",
    )
    assert "reduce" in sentence
    assert "prevent" not in sentence
    kind, headline, _ = crowding_verdict(_found(1.08, 1.12))
    assert kind == "warn"
    assert headline.endswith("1.08-fold: not surely within 1.1.")
