"""What a run that did not trade says: where its candles went, and what would change it."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.reports.backtest.build import backtest_numbers
from models.reports.backtest.funnel import trade_funnel
from models.reports.backtest.page import backtest_page
from models.reports.backtest.record import RunRecord
from models.trade.decision.signals import DecisionConfig, signals
from strategies.desk import cli
from tests.test_models.reports.records import idle_record, make_record

AFTER = ("forecast", "trusted", "direction", "edge", "hazard", "filled")


@pytest.fixture(scope="module")
def record() -> RunRecord:
    return make_record(days=20)


def counts(record: RunRecord) -> dict[str, int]:
    return {step["name"]: step["count"] for step in trade_funnel(record)["steps"]}


def changed(record: RunRecord, **columns_to: Any) -> RunRecord:
    series = record.forecasts[0]
    values = {**series.values, **{getattr(columns, k): v for k, v in columns_to.items()}}
    return dataclasses.replace(record, forecasts=(dataclasses.replace(series, values=values),))


def test_funnel_when_counted_then_its_end_is_what_the_signals_enter(record: RunRecord) -> None:
    series, found = record.forecasts[0], counts(record)
    names = [name for name in columns.FORECAST if name in series.values]
    forecast = {name: series.values[name] for name in names}
    side = signals(forecast, series.do_predict, series.cost_frac, DecisionConfig()).side
    here = (series.time_ms >= record.start_ms) & (series.time_ms <= record.stop_ms)
    assert found["candles"] == here.sum()
    assert found["hazard"] == (side[here] != 0).sum() > 0
    assert found["filled"] == len(record.trades)
    held = sum((t.close_ms - t.open_ms) // record.candle_ms - 1 for t in record.trades)
    assert found["hazard"] - held <= found["free"] <= found["hazard"]
    assert backtest_numbers(record)["advice"] == {}


def without(record: RunRecord, at: str) -> RunRecord:
    """The idle run whose forecasts stop at a step."""
    rows = len(record.forecasts[0].time_ms)
    idle = idle_record(record, believed=1.0)
    return {
        "forecast": lambda: changed(idle, P_UP=np.full(rows, np.nan)),
        "trusted": lambda: changed(idle, ABSTAIN=np.ones(rows)),
        "direction": lambda: changed(idle, P_UP=idle.forecasts[0].values[columns.P_DOWN]),
        "edge": lambda: idle_record(record, believed=0.1),
        "hazard": lambda: changed(idle, FALSE_ALARMS_DOWN=np.full(rows, 0.01),
                                  FALSE_ALARMS_UP=np.full(rows, 0.01)),
        "filled": lambda: dataclasses.replace(idle, refused={"the spread is … wide": 3}),
    }[at]()  # fmt: skip


@pytest.mark.parametrize("at", AFTER)
def test_page_when_nothing_was_traded_then_it_says_at_which_step_and_what_would_change_it(
    record: RunRecord, at: str
) -> None:
    idle = without(record, at)
    n = backtest_numbers(idle)
    assert n["advice"]["at"] == at
    assert n["advice"]["changes"]
    assert "No trade" in n["verdict"]["sentences"][0]["headline"]
    assert n["headline"] == n["verdict"]["sentences"][0]["headline"]
    page = backtest_page(idle, n)
    assert page.count('<li class="stop">') == 1
    assert "What would change it" in page
    if at == "edge":
        best = n["funnel"]["best_edge_bps"]
        assert 0 < best < n["edge"]["bar_bps"]
        assert f"was +{best:.1f} bps; an entry needs 12.0 bps" in n["advice"]["why"]
    if at == "filled":
        assert "The guards refused: the spread is … wide (3)." in n["advice"]["why"]
        assert "the spread is … wide" in page


def test_page_when_the_strategy_has_rules_of_its_own_then_no_steps_are_made_up(
    record: RunRecord,
) -> None:
    idle = dataclasses.replace(idle_record(record), decision=None)
    n = backtest_numbers(idle)
    assert n["funnel"]["steps"] == []
    assert "rules of its own" in n["advice"]["headline"]
    assert '<ol class="steps">' not in backtest_page(idle, n)


def test_advice_when_it_names_a_command_then_the_command_line_takes_it(record: RunRecord) -> None:
    tried = backtest_numbers(idle_record(record))["advice"]["next"]
    assert len(tried) == 3
    for _, command in tried:
        name, *words = shlex.split(command)
        assert name == "breakwater"
        assert cli._parser().parse_args(words).run
