"""The comparison's numbers by hand: positions, money, gains, intervals, verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.studies.compare import Trading, measure_models
from models.studies.compare.money import positions
from models.studies.compare.records import Truth
from models.trade.decision.signals import DecisionConfig, Signals
from tests.test_models.studies.compare.worlds import (
    ROWS,
    TRADING,
    constant,
    entry,
    forecast,
    knowing,
    truth,
)


def decided(side: list[int], leave_long: list[int] = (), leave_short: list[int] = ()) -> Signals:  # type: ignore[assignment]
    rows = np.arange(len(side))
    return Signals(
        np.array(side, dtype=np.int8), np.isin(rows, leave_long), np.isin(rows, leave_short)
    )


def row_of(t: Truth, *forecasts: dict[str, FloatArray]) -> dict[str, Any]:
    rows = measure_models([entry("base", constant(t)), entry("x", *forecasts)], t, TRADING, "base")
    return rows[1]


# -- positions and money --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "max_hold", "expected"),
    [
        (decided([0, 1, 0, 0, 0]), 9, [0, 1, 1, 1, 1]),
        (decided([1, 0, 0, 0], leave_long=[2]), 9, [1, 1, 0, 0]),
        (decided([1, 0, 0, 0], leave_short=[2]), 9, [1, 1, 1, 1]),
        (decided([-1, 0, 0, 1], leave_short=[2]), 9, [-1, -1, 0, 1]),
        (decided([1, -1, 0, 0]), 9, [1, 1, 1, 1]),  # the other side alone is no exit signal
        (decided([1, 0, 0, 0, 0]), 2, [1, 1, 0, 0, 0]),
        (decided([1, 1, 1, 1, 1]), 2, [1, 1, 0, 1, 1]),
    ],
)
def test_positions_when_rules_fire_then_each_candle_is_as_worked_out(
    given: Signals, max_hold: int, expected: list[int]
) -> None:
    assert positions(given, max_hold).tolist() == expected


def test_money_when_one_trade_is_made_then_it_is_the_move_between_the_fills_less_the_cost() -> None:
    t = truth(rows=48)
    p = np.full((48, 3), 1 / 3)
    f = forecast(p, np.zeros(48), 1e-6)
    f[columns.P_UP][10], f[columns.P_DOWN][10] = 0.6, 0.1
    f[columns.EDGE_LOW] = np.zeros(48)
    for name in (*columns.RETURN_QUANTILES, columns.EDGE_LOW):
        f[name][10] = 0.05
    f[columns.P_UP][14], f[columns.P_DOWN][14] = 0.1, 0.6  # leave; too small an edge to go short
    r = row_of(t, f)
    assert r["trades"] == 1
    # Decided at 10's close: in at the open of 11; decided at 14's: out at the open of 15.
    expected = np.log(t.open[15] / t.open[11]) - 0.002
    assert r["net_return"]["value"] == pytest.approx(expected, abs=1e-12)
    late = np.log(t.open[16] / t.open[12]) - 0.004
    assert r["stressed_return"]["value"] == pytest.approx(late, abs=1e-12)


def test_money_when_nothing_is_forecast_then_nothing_is_traded_and_nothing_lost() -> None:
    t = truth()
    silent = {name: np.full(ROWS, np.nan) for name in columns.FORECAST}
    r = row_of(t, silent)
    assert (r["trades"], r["net_return"]["value"], r["given_frac"]) == (0, 0, 0)
    assert np.isnan(r["accuracy"]["value"])
    assert r["gain_millibits"]["value"] == 0


# -- skill ------------------------------------------------------------------------------------


def test_gain_when_the_forecast_is_the_class_frequencies_then_it_is_zero() -> None:
    t = truth()
    assert row_of(t, constant(t))["gain_millibits"]["value"] == pytest.approx(0, abs=1e-9)


def test_gain_when_worked_out_by_hand_then_it_is_that() -> None:
    t = truth()
    share = np.bincount((t.outcome_class + 1).astype(int)) / ROWS
    entropy = -(share * np.log2(share)).sum() * 1000
    r = row_of(t, knowing(t, trust=0.8))
    assert r["gain_millibits"]["value"] == pytest.approx(entropy + 1000 * np.log2(0.8), rel=1e-9)
    parts = r["gain_volatility"]["value"] + r["gain_direction"]["value"]
    assert parts == pytest.approx(r["gain_millibits"]["value"])
    assert r["gain_over_reference"]["value"] == pytest.approx(r["gain_millibits"]["value"])
    assert r["accuracy"]["value"] == 1
    assert r["coverage"]["value"] == 1


def test_trading_when_the_rules_waive_a_head_then_they_do_so_for_models_that_have_it() -> None:
    t = truth()
    unbelieved = knowing(t) | {columns.EDGE_LOW: np.zeros(ROWS)}
    waiving = Trading(cost_frac=TRADING.cost_frac, decision=DecisionConfig(without=("quantiles",)))
    trades = [
        measure_models([entry("m", unbelieved)], t, rules, "m")[0]["trades"]
        for rules in (TRADING, waiving)
    ]
    assert trades[0] == 0
    assert trades[1] > 100


def test_seeds_when_they_differ_then_the_mean_and_their_range_are_given() -> None:
    t = truth()
    wrong = forecast(
        np.column_stack([knowing(t)[n] for n in (columns.P_UP, columns.P_FLAT, columns.P_DOWN)]),
        -t.outcome_return,
    )
    r = row_of(t, knowing(t), wrong)
    assert r["seeds"] == 2
    assert r["accuracy"]["value"] == pytest.approx(0.5)
    assert (r["accuracy"]["seed_low"], r["accuracy"]["seed_high"]) == (0, 1)


def test_interval_when_there_is_no_skill_then_it_holds_a_half() -> None:
    held = 0
    for seed in range(20):
        t, rng = truth(seed), np.random.default_rng(1000 + seed)
        p = rng.dirichlet((3, 3, 3), size=ROWS)
        a = row_of(t, forecast(p, np.zeros(ROWS)))["accuracy"]
        held += a["low"] <= 0.5 <= a["high"]
    assert held >= 16  # 19 of 20 expected


def test_measure_when_the_reference_is_missing_or_lengths_differ_then_it_is_refused() -> None:
    t = truth()
    with pytest.raises(InputError, match="expected 'linear' among the models, got"):
        measure_models([entry("x", constant(t))], t, TRADING, "linear")
    short = {name: values[:-1] for name, values in constant(t).items()}
    with pytest.raises(InputError, match="expected 1440 rows of x"):
        measure_models([entry("x", short)], t, TRADING, "x")
