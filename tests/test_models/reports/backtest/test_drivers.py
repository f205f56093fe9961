"""The report's section on what drove the forecasts: complete, or it says why there is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from models.evaluate.explain import WindowForecaster, explain, importance
from models.reports.backtest.build import backtest_numbers
from models.reports.backtest.page import backtest_page, figures
from models.reports.backtest.record import DrivenForecast, Drivers, RunRecord
from tests.test_contract.echo import CANDLE_MS, echo_artifact, echo_rows
from tests.test_models.reports.records import HOUR, PAIR, make_record


@pytest.fixture(scope="module")
def record() -> RunRecord:
    plain = make_record(days=45)
    forecaster, rows = WindowForecaster(echo_artifact()), echo_rows(20)
    entry = max(plain.trades, key=lambda t: t.profit_quote).open_ms - HOUR
    times = entry + CANDLE_MS * np.arange(-19, 1, dtype=np.int64)
    e = explain(forecaster, rows, times)
    sample = [(forecaster, forecaster.window(rows[:i], times[:i])) for i in range(8, 20)]
    drivers = Drivers(
        forecasts=(DrivenForecast(which="best trade", pair=PAIR, explanation=e),),
        overview={PAIR: importance(sample)},
    )
    return dataclasses.replace(plain, drivers=drivers)


@pytest.fixture(scope="module")
def n(record: RunRecord) -> dict[str, Any]:
    return backtest_numbers(record)


def test_report_when_forecasts_were_explained_then_the_moves_add_up(n: dict[str, Any]) -> None:
    (f,) = n["drivers"]["forecasts"]
    total = sum(d["value"] for d in f["drivers"]) + f["rest"]["value"]
    assert total == pytest.approx(f["total"] - f["base"], abs=1e-6)
    assert f["drivers"][0]["feature"] == "echo"


def test_report_when_a_trade_followed_then_its_side_and_profit_are_beside_the_forecast(
    record: RunRecord, n: dict[str, Any]
) -> None:
    best = max(record.trades, key=lambda t: t.profit_quote)
    (f,) = n["drivers"]["forecasts"]
    assert f["time_ms"] == best.open_ms - HOUR
    assert (f["side"], f["profit_quote"]) == (best.side, best.profit_quote)


def test_report_when_forecasts_were_explained_then_every_figure_has_its_place(
    record: RunRecord, n: dict[str, Any]
) -> None:
    page, drawn = backtest_page(record, n), figures(record, n)
    for name in ("features-0", "ages-0", "driven-0", "driven-ages-0"):
        assert name in drawn
        assert f'data-figure="{name}"' in page
    assert "Best trade: " in page


def test_report_when_forecasts_cannot_be_explained_then_it_says_why(record: RunRecord) -> None:
    gone = dataclasses.replace(record, drivers=Drivers(missing="models are <gone>"))
    n = backtest_numbers(gone)
    assert n["drivers"]["missing"] == "models are <gone>"
    page = backtest_page(gone, n)
    assert "Not explained: models are &lt;gone&gt;" in page
    assert "driven-0" not in figures(gone, n)


def test_report_when_trees_tell_their_importance_then_the_newest_is_shown(
    record: RunRecord,
) -> None:
    def told(training: Any, value: float) -> Any:
        block = {"unit": "millibits", "block_candles": 24, "repeats": 5, "rows": 700,
                 "features": {"%-rsi_14_gen_BTC/USDTUSDT_1h": [value, 0.1]}}  # fmt: skip
        return dataclasses.replace(training, manifest={**training.manifest, "importance": block})

    older, newer, bare = record.trainings
    trees = dataclasses.replace(record, trainings=(told(newer, 2.0), told(older, 1.0), bare))
    n = backtest_numbers(trees)
    (shown,) = n["drivers"]["permutation"]
    assert shown["features"][0]["value"] == 2.0
    assert shown["trained_until_ms"] == newer.trained_until_ms
    assert "BTC rsi_14" in figures(trees, n)["permutation-0"].data[0].y
    assert "worth of a feature by permutation" in backtest_page(trees, n)
