"""The cascade study's page: the verdict above, the numbers as JSON."""

from __future__ import annotations

import numpy as np

from models.reports.cascades import page
from models.studies.cascades.baselines import BASELINES, CONSTANT
from models.studies.cascades.chosen import hour_by_hour, measure_chosen
from models.studies.cascades.measure import measure_hazards
from tests.test_models.studies.cascades.worlds import EDGES, ROWS, coin


def test_page_when_written_then_the_verdict_is_on_it_and_numbers_are_json(tmp_path):
    coins = [coin("A", 0), coin("B", 1)]
    train = {c.name: np.arange(ROWS) < 3000 for c in coins}
    hazard = BASELINES[CONSTANT](coins, train, EDGES)
    scores = {name: {c.name: hazard(c) for c in coins} for name in (CONSTANT, "Hedge")}
    rows = measure_hazards(coins, scores, EDGES)
    against = [
        {"side": side, "rival": CONSTANT, "value": 0.0, "low": -0.1, "high": 0.1}
        for side in (-1, 1)
    ]
    rate = {c.name: np.full((ROWS, 2), 0.5) for c in coins}
    warned = dict.fromkeys(scores, rate)
    chosen = measure_chosen(coins, scores, warned, EDGES)
    hours = hour_by_hour(coins[:1], scores, warned, int(coins[0].time_ms[-48]))
    tables = [{"scheme": "walk-forward", "coin": "all coins", "rows": rows, "chosen": chosen,
               "against": against, "hours": hours}]  # fmt: skip
    split = {"coin": "A", "side": -1, "close_only": 0, "both": 3, "excursion_only": 17}
    run = {"title": "T", "span": "s", "seed": 0, "counts": [], "agreement": [split], "tiers": [],
           "trainings": []}  # fmt: skip
    folder = page.write_cascades(tables, run, tmp_path, 0)
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
