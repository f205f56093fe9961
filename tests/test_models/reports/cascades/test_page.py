"""The cascade study's page: the verdict above, the numbers as JSON."""

from __future__ import annotations

from models.reports.cascades import page
from tests.test_models.reports.cascades.sample import RUN, sample


def test_page_when_written_then_the_verdict_is_on_it_and_numbers_are_json(tmp_path):
    tables, against, scores = sample()
    folder = page.write_cascades(tables, RUN, tmp_path, 0)
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "does not beat the best simple hazard" in text
    assert "<td>-1</td><td>0</td><td>3</td><td>17</td>" in text
    assert "the tiers beyond candles are untested" in text
    assert "Levels chosen before the test" in text
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "| Hedge | 0.25 | 0.00 (0.00 to 0.00) | 0 of " in table  # none is as rare as that
    assert "| hazard | chosen, false alarms a week | fired on the test | caught |" in table
    assert "### Hour by hour" in table
    assert table.count("% : 0.5 |") == 24 * len(scores)
    assert (folder / "report.json").read_text(encoding="utf-8").startswith("{")
    won = [{**a, "low": 0.01} for a in against]
    assert "beats the best" in page.cascades_headline([{**tables[0], "against": won}])[0]
