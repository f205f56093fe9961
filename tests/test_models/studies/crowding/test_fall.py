"""The fall of a crowd against closed forms, conservation, and the guards asked of everybody."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.types import BoolArray, FloatArray
from models.studies.crowding import fall as falls
from models.studies.crowding.background import (
    LeveragedLongs,
    LeverageHistogram,
    leveraged_longs,
)
from models.studies.crowding.book import LevelBook
from models.studies.crowding.crowd import PAIR, Crowd
from models.studies.crowding.fall import crowded_fall
from models.studies.crowding.impact import ShapedMarket
from models.studies.crowding.levers import CrowdLevers, CrowdSize
from models.trade.risk.limits import GuardConfig, HardLimits
from models.trade.risk.worst_hours import recorded
from tests.test_models.studies.crowding.worlds import RULES, bare, crowded

SAME = CrowdLevers(guard_jitter_frac=0.0, guards_at_once=True)
ALONE = CrowdSize(adoption=0.3, agents=1, target_share=0.0)
NOBODY = CrowdSize(adoption=0.0, agents=20)
EVERY = CrowdLevers(decision_jitter_frac=0.2, stages=4, delay_min=30, exit_frac=0.5, cap_frac=0.01)


@pytest.mark.parametrize("levers", [CrowdLevers(), SAME, EVERY])
def test_fall_when_nothing_moves_the_price_then_amplification_is_exactly_one(
    levers: CrowdLevers,
) -> None:
    world = crowded("none")
    without = crowded_fall(world, levers, NOBODY, 3)
    with_crowd = crowded_fall(world, levers, replace(NOBODY, adoption=0.5), 3)
    assert sum(with_crowd.sold.values()) > 0.1
    assert with_crowd.trough_frac / without.trough_frac == 1.0
    assert (with_crowd.path == without.path).all()


def test_fall_when_one_stop_meets_linear_impact_then_it_is_the_closed_form() -> None:
    world = bare("linear", half_life_min=math.inf)
    out = crowded_fall(world, SAME, ALONE, 1)
    assert out.sold["stops"] == pytest.approx(0.3)
    pushed = world.impact.scale * 0.3
    assert out.trough_frac == pytest.approx(1 - 0.94 * math.exp(-pushed), rel=1e-12)
    without = crowded_fall(world, SAME, replace(ALONE, adoption=0.0), 1)
    assert without.trough_frac == pytest.approx(0.06, rel=1e-12)
    # And what it was paid for is the book's own integral, from where the stop went off.
    price = (1 - math.exp(-pushed)) / (pushed / 0.3)
    assert out.money == pytest.approx(price * _reference_at_stop(world), rel=1e-9)


def _reference_at_stop(world: falls.CrowdWorld) -> float:
    flow = crowded_fall(world, SAME, ALONE, 1).flow
    minute = int(np.flatnonzero(flow)[0]) + 1
    done = (minute - world.fall.before_min) / world.fall.fall_min
    return float(0.94 ** min(max(done, 0.0), 1.0))


def test_fall_when_the_book_recovers_then_it_is_a_loop_over_minutes() -> None:
    world = bare("linear", half_life_min=20.0)
    out = crowded_fall(world, SAME, ALONE, 1)
    sold_at = int(np.flatnonzero(out.flow)[0])
    taken, worst = 0.0, 0.0
    for minute in range(1, world.fall.minutes + 1):
        taken *= 0.5 ** (1 / 20)
        taken += 0.3 if minute - 1 == sold_at else 0.0
        done = min(max((minute - 30) / 60, 0.0), 1.0)
        worst = max(worst, 1 - 0.94**done * math.exp(-world.impact.scale * taken))
    assert out.trough_frac == pytest.approx(worst, rel=1e-12)


def test_traders_when_all_are_liquidated_then_the_flow_is_the_sum_of_their_positions() -> None:
    longs = leveraged_longs(LeverageHistogram(), 0.03, np.random.default_rng(0))
    assert longs.size == pytest.approx(0.5)
    parts = [longs.forced(fall) for fall in np.linspace(0.0, 5.0, 400)]
    assert sum(parts) == pytest.approx(longs.size)
    assert parts[0] == 0.0  # nobody is liquidated at the start
    assert longs.forced(9.0) == 0.0


def test_traders_when_their_leverage_is_known_then_they_go_where_the_formula_says() -> None:
    rules = LeverageHistogram(shares={10: 1.0}, held_days=1e-9, maintenance_frac=0.004)
    longs = leveraged_longs(rules, 0.03, np.random.default_rng(0))
    assert longs.falls == pytest.approx(-math.log(0.9 / 0.996), abs=1e-4)


def test_fall_when_everybody_leaves_then_everything_held_is_sold() -> None:
    out = crowded_fall(crowded(fall_frac=0.7), CrowdLevers(), CrowdSize(adoption=0.2, agents=30), 0)
    assert out.held == pytest.approx(0.2)
    assert out.left == pytest.approx(0.0, abs=1e-12)
    assert sum(out.sold.values()) == pytest.approx(out.held)
    assert out.flow.sum() == pytest.approx(out.held + out.forced)
    assert out.money < out.flow.sum()  # all of it below the price at the start


@pytest.mark.parametrize("levers", [CrowdLevers(), EVERY])
def test_fall_when_it_goes_on_then_sold_and_left_are_what_was_held(levers: CrowdLevers) -> None:
    out = crowded_fall(crowded(), levers, CrowdSize(adoption=0.4, agents=30, alarm=True), 2)
    assert sum(out.sold.values()) + out.left == pytest.approx(0.4)
    assert out.sold["guards"] > 0


def test_fall_when_in_a_book_level_by_level_then_it_is_as_deep() -> None:
    world, size = crowded(), CrowdSize(adoption=0.3, agents=20)
    closed = crowded_fall(world, CrowdLevers(), size, 4)
    book = LevelBook(world.impact)
    level = crowded_fall(world, CrowdLevers(), size, 4, market=book)
    assert level.trough_frac == pytest.approx(closed.trough_frac, rel=0.01)
    assert book.makers_coins == pytest.approx(level.flow.sum())
    assert book.sellers_money + book.makers_money == pytest.approx(0.0, abs=1e-12)


def test_fall_when_the_book_is_of_single_orders_then_each_seed_has_its_own_and_all_are_alike() -> (
    None
):
    world, size = crowded(), CrowdSize(adoption=0.3, agents=20)
    closed, level = (
        [crowded_fall(w, CrowdLevers(), size, seed).trough_frac for seed in range(4)]
        for w in (world, replace(world, levels=True))
    )
    assert level != closed
    assert level == pytest.approx(closed, rel=0.03)


def test_fall_when_others_stand_close_by_then_one_sets_off_the_next() -> None:
    world = bare("linear", half_life_min=math.inf)
    stop = _only_stop(world)
    others = LeveragedLongs(np.array([stop + 0.01, 0.5]), np.array([0.2, 0.2]))
    out = crowded_fall(world, SAME, replace(ALONE, adoption=0.2), 1, others=others)
    pushed = world.impact.scale * 0.4  # the stop, and the nearer of the two within the minute
    assert out.forced == 0.2
    assert out.trough_frac == pytest.approx(1 - 0.94 * math.exp(-pushed), rel=1e-12)
    assert np.count_nonzero(out.flow) == 1


def _only_stop(world: falls.CrowdWorld) -> float:
    out = crowded_fall(world, SAME, replace(ALONE, adoption=1e-12), 1)
    return -math.log(float(out.path[int(np.flatnonzero(out.flow)[0])]))


def test_fall_when_its_seed_is_the_same_then_it_is_the_same() -> None:
    size = CrowdSize(adoption=0.2, agents=20)
    a, b = (crowded_fall(crowded(), EVERY, size, 9) for _ in range(2))
    assert (a.path == b.path).all()
    assert a.sold == b.sold
    c = crowded_fall(crowded(), EVERY, size, 10)
    assert c.trough_frac != a.trough_frac


def test_fall_when_the_future_is_another_then_the_minutes_before_it_are_the_same() -> None:
    size = CrowdSize(adoption=0.4, agents=20)
    short = crowded(after_min=60)
    long = replace(short, fall=replace(short.fall, after_min=200))
    a, b = (crowded_fall(w, CrowdLevers(), size, 9) for w in (bare(), bare("linear")))
    assert (a.path == b.path).all()
    deep = replace(bare(), fall=replace(bare().fall, fall_frac=0.3, noise=False))
    c = crowded_fall(deep, CrowdLevers(), size, 9)
    before = deep.fall.before_min
    assert (c.path[:before] == a.path[:before]).all()
    assert not (c.path[before:] == a.path[before:]).all()
    assert long.fall.minutes > short.fall.minutes


# -- the guards ------------------------------------------------------------------------------------


class Everybody(Crowd):
    """The control: asks the guards of every copy in every minute."""

    def _odd(self, equity: FloatArray, price: float) -> BoolArray:
        return np.ones(len(equity), dtype=np.bool_)


@pytest.mark.parametrize("alarm", [False, True])
def test_guards_when_asked_of_everybody_then_nothing_else_comes_out(
    monkeypatch: pytest.MonkeyPatch, alarm: bool
) -> None:
    size = CrowdSize(adoption=0.3, agents=12, alarm=alarm)
    world = crowded(fall_frac=0.35, after_min=45)
    spread = CrowdLevers(same_entries=False)  # some near the limit on losses from the peak
    few = crowded_fall(world, spread, size, 5)
    monkeypatch.setattr(falls, "Crowd", Everybody)
    every = crowded_fall(world, spread, size, 5)
    assert few.halted > 0
    assert few.sold["guards"] > 0
    assert every.sold == few.sold
    assert every.halted == few.halted
    assert (every.path == few.path).all()


def _lived(levers: CrowdLevers, size: CrowdSize, **rules: Any) -> Crowd:
    """One path nobody moves, through a fall of 30 %; returns the crowd afterwards."""
    sigma, past = 0.03, np.zeros(240)
    past[1::2] = 0.003  # hours that do move
    past = past - past[-1]
    crowd = Crowd(replace(RULES, **rules), levers, size, past, np.random.default_rng(11))
    market = ShapedMarket(bare("none").impact)
    run = falls._Fall(crowd, LeveragedLongs(np.empty(0), np.empty(0)), market)
    for minute in range(1, 181):
        run.minute(minute, minute / 180 * math.log(0.7))
        crowd.look(minute, run.price, sigma, False)
    return crowd


@pytest.mark.parametrize("frac", [0.2, 0.5])
def test_hard_limits_when_guards_are_jittered_then_they_fire_at_the_same_instant(
    frac: float,
) -> None:
    size = CrowdSize(adoption=0.1, agents=40)
    steady = _lived(CrowdLevers(guard_jitter_frac=0.0), size)
    jittered = _lived(CrowdLevers(guard_jitter_frac=frac), size)
    soft = {limits.soft.false_alarms_per_week for limits in jittered._limits}
    assert len(soft) == 40  # each has thresholds of its own
    assert np.isfinite(steady.halted_min[steady.holds_target]).all()
    assert np.isfinite(steady.stop_min[~steady.holds_target]).all()
    assert (jittered.halted_min == steady.halted_min).all()
    assert (jittered.stop_min == steady.stop_min).all()
    assert (jittered.amount == steady.amount).all()
    assert {limits.hard for limits in jittered._limits} == {HardLimits()}


@pytest.mark.parametrize(
    "levers",
    [CrowdLevers(decision_jitter_frac=0.2), CrowdLevers(stages=4), CrowdLevers(delay_min=60),
     CrowdLevers(exit_frac=0.5), CrowdLevers(cap_frac=1e-4), EVERY],
)  # fmt: skip
def test_stop_when_any_lever_is_pulled_then_it_is_never_later_and_nothing_stays(
    levers: CrowdLevers,
) -> None:
    size = CrowdSize(adoption=0.1, agents=40, target_share=0.0)
    steady, pulled = _lived(CrowdLevers(), size), _lived(levers, size)
    assert (pulled.stop_min <= steady.stop_min).all()
    assert (pulled.amount == 0).all()
    if levers.decision_jitter_frac or levers.stages > 1:
        assert (pulled.stop_min < steady.stop_min).any()


def test_size_when_a_position_is_taken_then_it_is_what_the_guards_leave() -> None:
    crowd = _lived(CrowdLevers(), CrowdSize(adoption=0.1, agents=4, target_share=0.0))
    share = crowd.first / crowd._start_equity
    assert (share <= HardLimits().max_order_equity_frac * 1.02).all()  # at the entry's price
    targets = _lived(CrowdLevers(), CrowdSize(adoption=0.1, agents=4, target_share=1.0))
    room = 0.9 * HardLimits().worst_hour_loss_frac / recorded(PAIR).against(1)
    assert (targets.first / targets._start_equity <= room).all()


def test_guards_when_their_steps_are_capped_then_no_minute_takes_more_than_the_cap() -> None:
    size = CrowdSize(adoption=0.5, agents=5, target_share=1.0, alarm=True)
    world, nobody_else = bare(), LeveragedLongs(np.empty(0), np.empty(0))
    world = replace(world, fall=replace(world.fall, fall_frac=0.1, after_min=59))
    no_cuts = CrowdLevers(cap_frac=1e-9)  # so that only guards sell
    capped = crowded_fall(world, no_cuts, size, 5, others=nobody_else)
    whole = crowded_fall(world, replace(no_cuts, guards_at_once=True), size, 5, others=nobody_else)
    cap = size.agents * GuardConfig().step_volume_frac * size.volume_ratio / 1440
    assert capped.sold["guards"] > 0
    assert capped.sold["stops"] == whole.sold["stops"] == 0
    assert whole.flow.max() > 2 * cap
    assert cap / size.agents * 0.99 < capped.flow.max() <= cap * (1 + 1e-6)
