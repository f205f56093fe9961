"""The validation's page: every model and gate on it, failing ones too, and the same as Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.reports.validate.page import (
    validation_markdown,
    validation_verdict,
    write_validation,
)
from models.studies.validate.gates import GATE_NAMES
from tests.test_models.reports.validate.sample import RUN, report

NOW = 1_700_000_000_000


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return report()


def test_page_when_written_then_every_model_gate_and_crash_is_in_all_three_files(
    found: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_validation(found, RUN, tmp_path, NOW)
    page = (folder / "index.html").read_text(encoding="utf-8")
    text = (folder / "validation.md").read_text(encoding="utf-8")
    numbers = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert len(numbers["rows"]) == 4
    for row in numbers["rows"]:
        assert row["judgement"] in text
        assert row["judgement"].replace("'", "&#39;") in page
        assert [gate["name"] for gate in row["gates"]] == list(GATE_NAMES)
    for said in (*GATE_NAMES, "FTX, November 2022", "knows nothing", "the worker died", "wild"):
        assert said in page
        assert said in text
    assert "SIMULATED MARKET" in page
    assert "8 trials stand in the registry" in page
    linear, edge = (
        next(row["skill"] for row in numbers["rows"] if row["name"] == name)
        for name in ("linear", "edge")
    )
    assert linear["over_linear"]["value"] is None
    assert edge["over_trees"]["value"] is None  # nobody trained them
    gap = edge["gain_millibits"]["value"] - linear["gain_millibits"]["value"]
    assert edge["over_linear"]["value"] == pytest.approx(gap)
    assert "NaN" not in (folder / "report.json").read_text(encoding="utf-8")
    assert text == validation_markdown(found, RUN)


def test_verdict_when_something_leaks_passes_or_nothing_does_then_it_says_so(
    found: dict[str, Any],
) -> None:
    assert validation_verdict(found)[0] == "Nothing passes: 0 of 4."
    first = found["rows"][0]
    passed = {**found, "rows": [{**first, "passed": True}, *found["rows"][1:]]}
    assert validation_verdict(passed)[0] == f"1 of 4 pass: {first['title']}."
    leak = [{**first["gates"][0], "passed": False}, *first["gates"][1:]]
    leaking = {**found, "rows": [{**first, "gates": leak}]}
    assert validation_verdict(leaking)[0] == f"Look for the leak: {first['title']}."
