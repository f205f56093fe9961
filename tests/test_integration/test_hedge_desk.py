"""`make hedge` end to end on the simulated market: stock Freqtrade, audit, ladder, page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from freqtrade.configuration import Configuration

from models.base.errors import ConfigError
from strategies.bot.config import pack_config
from strategies.desk.backtests.hedge import HedgeOptions, hedge_timerange, run_hedge
from tests.places import USER_DATA


def report_of(userdir: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        (userdir / "reports" / "latest-hedge" / "report.json").read_text(encoding="utf-8")
    )
    return told


@pytest.mark.slow
def test_hedge_report_when_run_on_the_simulated_market_then_backtest_and_simulation_agree(
    simulated_datadir: Path, tmp_path: Path
) -> None:
    userdir = tmp_path / "user_data"
    userdir.mkdir()
    options = HedgeOptions(data=simulated_datadir, timerange="20240301-20240420", userdir=userdir)
    assert run_hedge(options) == 0
    told, folder = report_of(userdir), userdir / "reports" / "latest-hedge"
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


@pytest.mark.slow
def test_hedge_report_when_a_model_leans_then_it_is_judged_at_equal_ratio_and_cost(
    simulated_datadir: Path, tmp_path: Path
) -> None:
    userdir = tmp_path / "user_data"
    userdir.mkdir()
    shipped = USER_DATA / "config_litecoin_hedge_model.json"
    training = {"model_training_parameters": {"training": {"max_steps": 40}}}
    config = userdir / "config.json"
    config.write_text(json.dumps({
        "add_config_files": [str(shipped)],
        "freqai": {"train_period_days": 270, "backtest_period_days": 30, **training},
    }))  # fmt: skip
    options = HedgeOptions(
        data=simulated_datadir, timerange="20240301-20240420", userdir=userdir, config=config,
        model="HedgeForecaster",
    )  # fmt: skip
    assert run_hedge(options) == 0
    told = report_of(userdir)
    assert told["failures"] == []
    names = [row["name"] for row in told["table"]]
    assert "baseline and model, simulated" in names
    assert told["lean"]["es99"]["low"] <= told["lean"]["es99"]["value"]
    assert "HedgeForecaster" in told["verdict"]["sentence"]


def test_hedge_report_when_model_and_config_do_not_fit_then_it_says_so(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="FreqAI"):
        run_hedge(HedgeOptions(userdir=tmp_path, model="HedgeForecaster"))


def test_default_span_when_history_is_short_then_it_begins_after_the_warm_up(
    simulated_datadir: Path,
) -> None:
    config = Configuration.from_files([str(HedgeOptions.config)])
    hedge = pack_config(config).hedge
    assert hedge is not None
    # 960 candles for the ratio and two days to spare, from 2023-01-01; to the last whole day.
    assert hedge_timerange(simulated_datadir, config, hedge) == "20230212-20240603"
