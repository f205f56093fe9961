"""What is earned: dearer, later and larger is less, and the parts add up."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import AlignmentError
from models.studies.hedge.account_sizes import KnownLiquidity
from models.studies.validate.money import (
    STYLES_JUDGED,
    JudgedMarket,
    conditions,
    money_by_crash,
    money_by_regime,
    traded_seeds,
    worst_of,
    worst_seed,
)
from models.studies.validate.rivals import rival_returns, superiority
from tests.test_models.studies.validate.worlds import TRADING, knowing, market, model


@pytest.fixture(scope="module")
def where() -> JudgedMarket:
    return market(1.2)


@pytest.fixture(scope="module")
def traded(where: JudgedMarket):
    entry = model("m", knowing(where, 0.4, 1), knowing(where, 0.0, 2)).entry
    return traded_seeds(entry, STYLES_JUDGED[0], where.truth, TRADING)


def test_worst_seed_when_one_knows_and_one_does_not_then_it_is_the_other(traded) -> None:
    assert worst_seed(traded) == 1


def test_conditions_when_dearer_or_larger_then_less_is_left(where: JudgedMarket, traded) -> None:
    found = conditions(traded[0].position, where, TRADING)
    assert found["gross"] > found["costs"]["1"] > found["costs"]["2"] > found["costs"]["3"]
    sizes = list(found["sizes"].values())
    assert found["costs"]["1"] > sizes[0] > sizes[1] > sizes[2] > sizes[3]
    assert found["costs"]["1"] == pytest.approx(traded[0].rows.sum())
    assert found["late"]["1"] < found["costs"]["1"]  # it knows one candle ahead


def test_impact_when_the_stake_is_a_hundred_times_as_large_then_it_is_ten_times_as_dear(
    where: JudgedMarket, traded
) -> None:
    found = conditions(traded[0].position, where, TRADING)
    base = found["costs"]["1"]
    once, hundredfold = (base - found["sizes"][size] for size in ("30000", "3e+06"))
    assert hundredfold == pytest.approx(10 * once)


def test_parts_when_summed_then_they_are_the_whole(where: JudgedMarket, traded) -> None:
    parts = money_by_regime(traded[0], where)
    assert sum(part["rows_frac"] for part in parts) == pytest.approx(1.0, abs=0.01)
    assert sum(part["net"] for part in parts) == pytest.approx(traded[0].rows.sum(), abs=0.02)


def test_crashes_when_not_in_the_span_then_nothing_is_said_of_them(
    where: JudgedMarket, traded
) -> None:
    told = {part["name"]: part["net"] for part in money_by_crash(traded[0], where)}
    assert np.isfinite(told["FTX, November 2022"])
    assert np.isnan(told["Yen carry, August 2024"])
    assert worst_of([{"name": "a", "net": np.nan}])[0] == ""


def test_rivals_when_there_are_some_then_the_coin_costs_once_and_cash_nothing(
    where: JudgedMarket,
) -> None:
    rivals = rival_returns(where, TRADING)
    move = float(np.log(where.truth.open[-1] / where.truth.open[0]))
    assert rivals["hold"].sum() == pytest.approx(move - TRADING.cost_frac / 2)
    assert not rivals["flat"].any()
    assert 0 < rivals["target"].std() < rivals["hold"].std()


def test_superiority_when_one_of_many_has_an_edge_then_only_it_is_held_better() -> None:
    rng = np.random.default_rng(0)
    made = 0.01 * rng.normal(size=(900, 20))
    made[:, 4] += 0.0025
    made[:, 5] = 0.0  # never traded
    rivals = {"flat": np.zeros(900), "hold": 0.03 * rng.normal(size=900)}
    for found in superiority(made, rivals).values():
        assert found["p"] < 0.05
        assert np.flatnonzero(found["superior"]).tolist() == [4]
    nothing = superiority(np.zeros((900, 2)), rivals)["flat"]
    assert np.isnan(nothing["p"])
    assert not nothing["superior"].any()
    with pytest.raises(AlignmentError, match="900 days"):
        superiority(made, {"flat": np.zeros(5)})


def test_market_when_its_rows_differ_then_it_is_refused(where: JudgedMarket) -> None:
    with pytest.raises(AlignmentError, match="rows of the market"):
        JudgedMarket(
            truth=where.truth, close=where.close[:-1], regime=where.regime,
            liquidity=KnownLiquidity(daily_quote=np.ones((3, 1)), sigma_day=np.ones((3, 1))),
        )  # fmt: skip
