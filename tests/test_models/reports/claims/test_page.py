"""The claims page: every test and verdict on it, and the same numbers for programs."""

from __future__ import annotations

import json
from pathlib import Path

from models.reports.claims.page import claims_markdown, claims_verdict, write_claims
from models.studies.claims.claimed import delay_curve
from tests.test_models.reports.claims.sample import CLOSE, RUN, rows


def test_page_when_written_then_every_test_verdict_and_delay_is_on_it(tmp_path: Path) -> None:
    found, curve = rows(), delay_curve(CLOSE)
    folder = write_claims(found, curve, RUN, tmp_path, 1_700_000_000_000)
    page = (folder / "index.html").read_text()
    assert folder.name == "claims-20231114T221320Z"
    assert "SIMULATED MARKET" in page
    for row in found:
        assert row["verdict"] in page
        assert row["test"].split(": ")[1].split("'")[0] in page
    assert "not trained: tcn, lstm" in page
    assert "1.5 s, random walk" in page
    numbers = json.loads((folder / "report.json").read_text())
    assert len(numbers["tests"]) == len(found)
    assert (folder / "table.md").read_text() == claims_markdown(found, curve)
    assert "://" not in page.replace("http://www.w3.org", "").split("<script>")[0]


def test_page_when_claim_seven_was_not_asked_for_then_nothing_is_said_of_delays(
    tmp_path: Path,
) -> None:
    folder = write_claims(rows()[:2], [], RUN, tmp_path, 1_700_000_000_000)
    assert "What a late signal is worth" not in (folder / "index.html").read_text()


def test_verdict_when_counted_then_the_headline_has_all_three_and_the_claims_are_named() -> None:
    headline, sentence = claims_verdict(rows())
    assert headline == "7 tests: 2 confirmed, 2 not confirmed, 3 contradicted."
    assert sentence.startswith("Confirmed: claim 2; not confirmed: claim 2; contradicted")
    assert sentence.endswith(". Intervals are not corrected for the number of tests.")
    assert "contradicted: claim 7" in sentence
