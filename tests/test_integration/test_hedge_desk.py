"""`make hedge` end to end on the simulated market: stock Freqtrade, audit, ladder, page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategies.desk.hedge import HedgeOptions, run_hedge


@pytest.mark.slow
def test_hedge_report_when_run_on_the_simulated_market_then_backtest_and_simulation_agree(
    simulated_datadir: Path, tmp_path: Path
) -> None:
    userdir = tmp_path / "user_data"
    userdir.mkdir()
    options = HedgeOptions(data=simulated_datadir, timerange="20240301-20240420", userdir=userdir)
    assert run_hedge(options) == 0
    folder = userdir / "reports" / "latest"
    told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert told["failures"] == []
    assert told["run"]["simulated"]
    assert "SIMULATED MARKET" in (folder / "index.html").read_text(encoding="utf-8")
    table = {row["name"]: row for row in told["table"]}
    engine, beside = table["LitecoinHedge, backtested"], table["the same, simulated"]
    # Lots, the order in which legs fill and the first candles differ; nothing else may.
    assert engine["mean_ratio"] == pytest.approx(beside["mean_ratio"], abs=0.05)
    assert engine["effectiveness"]["value"] == pytest.approx(
        beside["effectiveness"]["value"], abs=0.03
    )
    assert engine["es99"] == pytest.approx(beside["es99"], rel=0.1)
    assert engine["es99"] < table["no hedge"]["es99"]
    assert [bar["met"] for bar in told["bars"]][1] is None  # a simulation has no spot candles
    assert len(told["matched"]) == 7
    assert all(week["name"].startswith("worst week") for week in told["crashes"])
