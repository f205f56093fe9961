"""Controls: the same pipeline finds a planted edge, passes no noise, and catches a leak."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import columns
from models.studies.trials.registry import TriedReturns
from models.studies.validate.money import JudgedMarket
from tests.test_models.studies.validate.worlds import (
    judge,
    knowing,
    market,
    model,
    noise_trials,
)

EDGE = 0.34  # correlation of a claim with what comes: a yearly Sharpe ratio of 2 to 3 after costs


@pytest.fixture(scope="module")
def where() -> JudgedMarket:
    return market(6.0)


@pytest.fixture(scope="module")
def noise(where: JudgedMarket) -> list[TriedReturns]:
    return noise_trials(where, 30)


def test_edge_when_planted_among_noise_then_every_gate_lets_it_pass(
    where: JudgedMarket, noise: list[TriedReturns]
) -> None:
    # One of many seeds: how often it is found is asked below.
    [row], together = judge(where, [model("edge", knowing(where, EDGE, 502))], noise)
    assert row["judgement"] == "edge, the pack's rules: passes all 7 gates."
    assert together["tried"] == 31
    assert row["deflated"]["trials"] == 31


def test_leak_when_a_model_reads_the_next_candle_then_it_is_caught_and_nothing_else_is(
    where: JudgedMarket, noise: list[TriedReturns]
) -> None:
    f = knowing(where, EDGE, 501)
    come = np.nan_to_num(where.truth.outcome_return)
    told = np.random.default_rng(0).random(len(come)) < 0.3  # now and then it looks
    up = np.where(told, np.where(come > 0, 0.8, 0.1), f[columns.P_UP])
    leaky = {**f, columns.P_UP: up, columns.P_DOWN: 0.9 - up}
    for name in (columns.EDGE, columns.EDGE_LOW, *columns.RETURN_QUANTILES):
        leaky[name] = np.where(told, come, f[name])
    rows, _ = judge(where, [model("honest", f), model("leaky", leaky)], noise)
    honest, caught = (row["gates"][0] for row in rows)
    assert honest["passed"]
    assert not caught["passed"]
    assert "needs an audit" in caught["words"]


@pytest.mark.slow
def test_noise_when_a_hundred_strategies_are_judged_then_at_most_five_pass_any_gate_of_luck() -> (
    None
):
    where = market(3.0)
    rows, together = judge(where, [model(f"n{k}", knowing(where, 0.0, k)) for k in range(100)])
    passed = {name: sum(row["gates"][k]["passed"] for row in rows)
              for k, name in ((1, "deflated"), (3, "superior"))}  # fmt: skip
    assert all(count <= 5 for count in passed.values()), passed
    assert sum(row["passed"] for row in rows) == 0
    assert together["pbo"]["high"] > 0.5  # the bar of the whole registry


@pytest.mark.slow
def test_edge_when_planted_twenty_times_then_it_is_found_as_often_as_the_page_says(
    where: JudgedMarket, noise: list[TriedReturns]
) -> None:
    found = 0
    for seed in range(20):
        [row], _ = judge(where, [model("edge", knowing(where, EDGE, 600 + seed))], noise)
        found += row["passed"]
    assert found >= 12, found
