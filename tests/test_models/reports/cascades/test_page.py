"""The cascade study's page: the verdict above, the numbers as JSON."""

from __future__ import annotations

import numpy as np

from models.reports.cascades import page
from models.studies.cascades.baselines import BASELINES, CONSTANT
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
    tables = [{"scheme": "walk-forward", "coin": "all coins", "rows": rows, "against": against}]
    split = {"coin": "A", "side": -1, "close_only": 0, "both": 3, "excursion_only": 17}
    run = {"title": "T", "span": "s", "seed": 0, "counts": [], "agreement": [split], "tiers": [],
           "trainings": []}  # fmt: skip
    folder = page.write_cascades(tables, run, tmp_path, 0)
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "does not beat the best simple hazard" in text
    assert "<td>-1</td><td>0</td><td>3</td><td>17</td>" in text
    assert "the tiers beyond candles are untested" in text
    assert (folder / "report.json").read_text(encoding="utf-8").startswith("{")
    won = [{**a, "low": 0.01} for a in against]
    assert "beats the best" in page.cascades_headline([{**tables[0], "against": won}])[0]
