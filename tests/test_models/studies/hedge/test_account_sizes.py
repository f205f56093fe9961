"""The hedge by account: too small for an order stays open, too large pays the root of its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.studies.hedge.account_sizes import KnownLiquidity, by_account, liquidity
from models.trade.hedging.rounding import OrderRules
from tests.test_models.studies.hedge.sample import make_scene

RULES = (OrderRules(lot_base=0.001, min_notional_quote=20.0),
         OrderRules(lot_base=0.001, min_notional_quote=100.0))  # fmt: skip


def market(rows: int, daily: float = 1e8) -> KnownLiquidity:
    return KnownLiquidity(daily_quote=np.full((rows, 2), daily), sigma_day=np.full((rows, 2), 0.04))


def test_accounts_when_the_order_is_too_small_then_nothing_is_hedged_and_it_says_so() -> None:
    scene = make_scene()
    none, small, large = by_account(
        scene, RULES, market(len(scene.time_ms)), np.random.default_rng(0), (90.0, 300.0, 30_000.0)
    )
    assert none == {"equity_quote": 90.0, "position_quote": 0.0}  # 18 dollars are no order
    assert small["position_quote"] == pytest.approx(60.0, rel=0.01)
    assert (small["unhedged"], small["trades"], small["without_leg"]) == (1.0, 0, [1.0])
    assert small["effectiveness"]["value"] == 0.0
    assert large["unhedged"] < 0.2
    assert large["effectiveness"]["value"] > 0.3
    assert large["without_leg"][0] < 0.1


def test_accounts_when_a_hundred_times_larger_then_impact_is_ten_times_of_the_position() -> None:
    scene = make_scene()
    free = (OrderRules(), OrderRules())
    one, other = by_account(
        scene, free, market(len(scene.time_ms)), np.random.default_rng(0), (1e4, 1e6)
    )
    assert other["trades"] == one["trades"]
    assert other["impact_year"] == pytest.approx(10 * one["impact_year"])
    assert other["cost_year"] == pytest.approx(one["cost_year"])
    assert other["opening_impact"] == pytest.approx(0.04 * np.sqrt(2e5 / 1e8), rel=1e-3)
    assert other["opening_of_hour"] == pytest.approx(2e5 * 24 / 1e8, rel=1e-3)
    # What impact takes, the hedge loses.
    dear = by_account(
        scene, free, market(len(scene.time_ms), 1e4), np.random.default_rng(0), (1e6,)
    )[0]
    assert dear["es99"] > other["es99"]


def test_liquidity_when_read_at_a_row_then_only_candles_before_it_count() -> None:
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal((80, 2)), axis=0))
    volume = rng.uniform(1.0, 2.0, (80, 2))
    known = liquidity(close, volume)
    assert np.isnan(known.daily_quote[:24]).all()
    assert known.daily_quote[40] == pytest.approx((volume * close)[16:40].sum(axis=0))
    moves = np.diff(np.log(close), axis=0)
    assert known.sigma_day[40] == pytest.approx(np.sqrt((moves[15:39] ** 2).sum(axis=0)))
    later = close.copy()
    later[40:] *= 3
    assert liquidity(later, volume).sigma_day[40] == pytest.approx(known.sigma_day[40])
    assert liquidity(later, volume).daily_quote[40] == pytest.approx(known.daily_quote[40])


def test_accounts_when_a_leg_cannot_be_ordered_then_the_other_takes_its_part() -> None:
    scene = make_scene()
    rng = np.random.default_rng(5)
    first = scene.hedges[0]
    apart = np.exp(np.cumsum(0.004 * rng.standard_normal(len(first.close))))
    other = replace(first, pair="ETH", close=first.close * apart, open=first.open * apart)
    two = replace(scene, hedges=[first, other])
    wide = KnownLiquidity(daily_quote=np.full((len(scene.time_ms), 3), 1e8),
                     sigma_day=np.full((len(scene.time_ms), 3), 0.04))  # fmt: skip
    free, large = OrderRules(), OrderRules(min_notional_quote=100.0)
    told = [
        by_account(two, (free, large, rules), wide, np.random.default_rng(0), (300.0,))[0]
        for rules in (OrderRules(min_notional_quote=5.0), large)
    ]
    assert [row["without_leg"][0] for row in told] == [1.0, 1.0]
    assert told[0]["without_leg"][1] < 1.0
    assert told[0]["unhedged"] < 0.9
    assert (told[1]["without_leg"][1], told[1]["unhedged"]) == (1.0, 1.0)
