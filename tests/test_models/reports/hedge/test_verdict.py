"""The hedge's verdict: which bars are met, missed, or cannot be told."""

from __future__ import annotations

from models.reports.hedge.verdict import bars, hedge_verdict


def numbers(gone: float, es99: float, cost: float) -> dict[str, object]:
    return {"effectiveness": {"value": gone}, "es99": es99, "cost_year": cost}


def test_verdict_when_a_bar_is_missed_or_cannot_be_told_then_it_says_so() -> None:
    crash = {"name": "flush", "drawdown_net": 0.1, "drawdown_primary": 0.2, "es99_net": 0.01,
             "es99_primary": 0.02}  # fmt: skip
    band = numbers(0.6, 0.02, 0.05)
    all_met = bars(numbers(0.61, 0.02, 0.01), band, [crash], numbers(0.99, 0.0, 0.0))
    assert hedge_verdict(all_met)["headline"] == "All 5 bars met."
    untold = bars(numbers(0.61, 0.02, 0.01), band, [], None)
    assert [r["met"] for r in untold] == [True, None, True, True, None]
    assert hedge_verdict(untold)["kind"] == "warn"
    worse = {**crash, "es99_net": 0.03}
    missed = bars(numbers(0.59, 0.03, 0.06), band, [crash, worse], numbers(0.9, 0.0, 0.0))
    assert [r["met"] for r in missed] == [False] * 5
    assert missed[-1]["got"] == "1 of 2; not in flush"
    assert hedge_verdict(missed)["headline"] == "5 of 5 bars missed."
    gain = {"es99": {"value": -0.001, "low": -0.002, "high": -0.0005}}
    assert "earns its place" in hedge_verdict(all_met, "HedgeForecaster", gain)["sentence"]
    none = {"es99": {"value": -0.001, "low": -0.002, "high": 0.0005}}
    assert "no gain" in hedge_verdict(all_met, "HedgeForecaster", none)["sentence"]
