"""The worst day: what a repeat would cost one position, and no order makes it cost more."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trade.risk.gap import hour_of
from models.trade.risk.limits import Limits
from models.trade.risk.run import HEDGING, Guard, decide_order
from models.trade.risk.snapshot import Effect, Exposure, Intent, Snapshot, Stage
from models.trade.risk.verdict import PASSED
from models.trade.risk.worst_day import WorstDayCost, WorstDayRule, worst_day_of
from models.trade.risk.worst_hours import (
    ASSUMED_DAY,
    CALM_DAY,
    CoinRecord,
    WorstDay,
    WorstHour,
    recorded_day,
)
from tests.test_models.trade.risk.worlds import LIMITS, OTHER, PAIR, exposure, held, world

RULE = WorstDayRule(pair=OTHER, side=1, most_frac=0.15)
FALL = recorded_day(OTHER).fall_frac
HALF = WorstDay(fall_frac=0.5, rise_frac=4.0)


def test_record_when_another_is_given_then_both_rules_go_by_it_and_not_by_the_shipped_one() -> None:
    calm = CoinRecord(hour=WorstHour(fall_frac=0.1, rise_frac=0.1),
                      day=WorstDay(fall_frac=0.2, rise_frac=0.2))  # fmt: skip
    here = exposure(record={"LTC": {"traded": calm}}, at_marks=True)
    assert worst_day_of(here, OTHER) == calm.day
    assert hour_of(here, OTHER) == calm.hour
    assert worst_day_of(here, PAIR) == ASSUMED_DAY  # a coin that is not in it has no record
    shown = replace(here, worst_days={OTHER: HALF})
    assert worst_day_of(shown, OTHER) == HALF


@pytest.mark.parametrize(
    ("notional", "smallest", "share"),
    [(1.0, 0.0, 1 - 0.15 / 0.58), (1.0, 0.75, 0.0), (1.0, 0.7, 1 - 0.15 / 0.58), (0.25, 0.0, 0.0),
     (0.0, 0.0, 0.0), (math.nan, 0.0, 0.0)],
)  # fmt: skip
def test_share_to_cut_when_the_excess_is_no_order_then_it_is_nothing(
    notional: float, smallest: float, share: float
) -> None:
    assert cost(notional).share_to_cut(smallest) == pytest.approx(share)


def test_share_to_cut_when_the_excess_is_the_smallest_order_then_it_is_cut() -> None:
    whole = cost(400.0, against=0.5, equity=1_000.0)  # 300 can be borne
    assert whole.share_to_cut(100.0) == 0.25
    assert whole.share_to_cut(math.nextafter(100.0, 200.0)) == 0.0


def cost(notional: float, against: float = 0.58, equity: float = 1.0, most: float = 0.15) -> Any:
    return WorstDayCost(
        notional_quote=notional, against_frac=against, equity_quote=equity, most_frac=most
    )


def order(notional: float = 1_000.0, **changes: Any) -> Snapshot:
    """Return a sound world in which Litecoin is to be bought."""
    intent = {"intent__pair": OTHER, "intent__notional_quote": notional}
    return world(**intent | changes)


def limit(s: Snapshot, rule: WorstDayRule = RULE, limits: Limits = LIMITS) -> float:
    return rule.worst_day_bearable(s, limits).limit_quote


# -- one position, by hand ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "fits", "lost"), [(0.2, True, 0.116), (1.0, False, 0.58), (3.0, False, 1.74)]
)
def test_cost_when_litecoin_falls_as_on_2025_10_10_then_a_fifth_of_equity_is_borne_and_more_is_not(
    size: float, fits: bool, lost: float
) -> None:
    day = cost(size)
    assert (day.bearable, day.cost_frac) == (fits, pytest.approx(lost))
    assert day.largest_quote == pytest.approx(0.2586, abs=5e-5)
    assert day.excess_quote == pytest.approx(max(size - 0.15 / 0.58, 0.0))


def test_cost_when_it_is_the_number_exactly_then_it_is_borne_and_a_hair_more_is_not() -> None:
    exact = cost(300.0, against=0.5, equity=1_000.0)
    assert exact.largest_quote == 300.0
    assert (exact.bearable, exact.excess_quote, exact.cost_frac) == (True, 0.0, 0.15)
    more = cost(math.nextafter(300.0, 400.0), against=0.5, equity=1_000.0)
    assert not more.bearable
    assert 0 < more.excess_quote < 1e-9
    all_of_it = cost(1_000.0, against=1.0, equity=1_000.0, most=1.0)
    assert (all_of_it.bearable, all_of_it.cost_frac) == (True, 1.0)


def test_cost_when_there_is_no_equity_or_no_position_then_nothing_fits_or_nothing_is_lost() -> None:
    for equity in (0.0, -5.0):
        ruined = cost(1.0, equity=equity)
        assert (ruined.bearable, ruined.largest_quote, ruined.excess_quote) == (False, 0.0, 1.0)
        assert ruined.cost_frac == math.inf
        nothing = cost(0.0, equity=equity)
        assert (nothing.bearable, nothing.cost_frac) == (True, 0.0)
    calm = cost(1e9, against=0.0)
    assert (calm.bearable, calm.largest_quote, calm.excess_quote) == (True, math.inf, 0.0)


# -- an order -------------------------------------------------------------------------------------


def test_order_when_it_opens_the_position_then_the_largest_that_can_is_left_of_it() -> None:
    assert limit(order()) == pytest.approx(0.15 * 10_000 / FALL)
    short = WorstDayRule(pair=OTHER, side=-1, most_frac=0.15)
    rise = recorded_day(OTHER).rise_frac
    assert limit(order(intent__side=-1), short) == pytest.approx(0.15 * 10_000 / rise)
    at_marks = order(exposure=exposure(at_marks=True))
    assert limit(at_marks) == pytest.approx(1_500 / recorded_day(OTHER, at_marks=True).fall_frac)
    assert limit(at_marks) > limit(order())


def test_order_when_it_is_of_another_pair_or_side_then_the_rule_has_no_say() -> None:
    for other in ({"intent__pair": PAIR}, {"intent__side": -1}, {"intent__pair": "LTC/USDC:USDC"}):
        assert RULE.worst_day_bearable(order(1e9, **other), LIMITS) == PASSED


def test_order_when_some_is_held_or_on_its_way_then_only_the_rest_is_left() -> None:
    room = 1_500 / FALL
    assert limit(order(exposure=exposure(held(10.0)))) == pytest.approx(room - 1_000)
    waiting = exposure(held(10.0), pending_long_quote=200.0, pending_short_quote=5_000.0)
    assert limit(order(exposure=waiting)) == pytest.approx(room - 1_200)
    sold = WorstDayRule(pair=OTHER, side=-1, most_frac=0.15)
    short = order(intent__side=-1, exposure=replace(waiting, account=exposure().account))
    assert limit(short, sold) == 0.0  # 5,000 are on their way on its side
    assert limit(order(exposure=exposure(held(30.0)))) == 0.0


def test_order_when_the_legs_are_held_then_they_are_credited_nothing() -> None:
    alone = limit(order())
    legs = exposure(held(-20.0, pair=PAIR))
    assert limit(order(exposure=legs)) == alone
    losing = exposure(held(-20.0, 50.0, pair=PAIR))  # a loss of 1,000 is equity that is gone
    assert limit(order(exposure=losing)) == pytest.approx(alone * 0.9)


def test_order_when_equity_is_reserved_then_the_rest_bears_the_day() -> None:
    kept = Limits(hard=replace(LIMITS.hard, reserve_quote=3_000.0, planned_withdrawals_quote=2e3))
    assert limit(order(), limits=kept) == pytest.approx(0.15 * 5_000 / FALL)


def test_order_when_candles_have_shown_worse_or_the_coin_is_unknown_then_that_counts() -> None:
    shown = exposure(worst_days={OTHER: WorstDay(fall_frac=0.75, rise_frac=0.0), PAIR: CALM_DAY})
    assert limit(order(exposure=shown)) == pytest.approx(1_500 / 0.75)
    milder = exposure(worst_days={OTHER: HALF})
    assert limit(order(exposure=milder)) == limit(order())
    new = WorstDayRule(pair="NEW/USDT:USDT", side=1, most_frac=0.15)
    known = exposure(marks={new.pair: 100.0}, worst_days={new.pair: HALF})
    assert worst_day_of(known, new.pair) == ASSUMED_DAY
    unknown = order(exposure=known, intent__pair=new.pair)
    assert limit(unknown, new) == pytest.approx(1_500.0)  # all of it can go


def test_order_when_a_part_of_the_world_is_unknown_then_the_runner_refuses_it() -> None:
    guards = (Guard(check=RULE.worst_day_bearable),)
    for blind in (
        {"exposure": None},
        {"intent__notional_quote": math.nan},
        {"exposure": exposure(held(1.0, pair=PAIR), marks={PAIR: math.nan})},  # no equity known
        {"exposure": replace(exposure(), marks={PAIR: 100.0})},
        {"exposure": exposure(marks={OTHER: 0.0})},
    ):
        decision = decide_order(order(**blind), LIMITS, guards)
        assert (decision.allowed, decision.findings[0].unknown) == (False, True), blind


def test_words_when_a_position_does_not_fit_then_they_name_number_cost_and_the_largest() -> None:
    said = RULE.worst_day_bearable(order(10_000.0), LIMITS).reason
    assert said.startswith(f"a repeat of LTC's worst day (-61.4%) would cost {FALL:.1%} of equity,")
    assert "15 % of equity is what it may (breakwater.hedge.worst_day_equity_frac)" in said
    assert "The largest position that can: 24.41 LTC, 0.2441x of equity." in said
    assert said.endswith("credited nothing: it does not hold a coin that moves alone")
    s = exposure(marks={OTHER: 100.0})
    gone = RULE.words(s, replace(cost(3.0), equity_quote=1.0))
    assert "would cost 174.0% of equity, which is liquidated on the way, and" in gone
    assert "can: 0.002586 LTC, 0.2586x of equity" in gone  # at 100 each
    for equity in (0.0, -1.0):
        assert "more than all of equity" in RULE.words(s, cost(3.0, equity=equity))
        assert "can: 0 LTC, 0x of equity" in RULE.words(s, cost(3.0, equity=equity))
    short = WorstDayRule(pair=OTHER, side=-1, most_frac=0.125)
    assert "worst day (+58.0%)" in short.words(s, cost(3.0, most=0.125))
    assert "and 12.5 % of equity" in short.words(s, cost(3.0, most=0.125))
    assert "would cost 100.0% of equity, which is" in RULE.words(s, cost(1.0, against=1.0))


# -- in front of every order ----------------------------------------------------------------------

GUARDED = (*HEDGING, Guard(check=RULE.worst_day_bearable))
amounts, fracs = st.floats(0.0, 200.0), st.floats(0.01, 1.0)


@settings(max_examples=300, deadline=None)
@given(
    held_now=amounts, asked=st.floats(1.0, 1e6), wallet=st.floats(0.0, 50_000), most=fracs,
    shown=st.floats(0.0, 1.0), pending=st.floats(0.0, 5_000.0), short=amounts,
)  # fmt: skip
def test_order_when_it_was_let_through_then_a_repeat_costs_no_more_than_the_number(
    held_now: float, asked: float, wallet: float, most: float, shown: float, pending: float,
    short: float,
) -> None:  # fmt: skip
    rule = WorstDayRule(pair=OTHER, side=1, most_frac=most)
    legs = [held(held_now), held(-short, pair=PAIR)]
    there = exposure(
        *(leg for leg in legs if leg.amount_base), wallet=wallet, pending_long_quote=pending,
        worst_days={OTHER: WorstDay(fall_frac=shown, rise_frac=0.0)},
    )  # fmt: skip
    s = order(asked, exposure=there)
    guards = (Guard(check=rule.worst_day_bearable),)
    taken = decide_order(s, LIMITS, guards).notional_quote
    after = max(FALL, shown) * (100 * held_now + pending + taken)  # by hand, at 100 each
    if taken > 0:
        assert after <= most * wallet * (1 + 1e-9)
    else:
        assert max(FALL, shown) * (100 * held_now + pending) >= most * wallet * (1 - 1e-9)
    assert taken <= asked
    # More guards never allow more, and what they allowed before is all they may.
    with_all = decide_order(s, LIMITS, (*HEDGING, *guards)).notional_quote
    assert with_all == min(taken, decide_order(s, LIMITS, HEDGING).notional_quote)


@settings(max_examples=200, deadline=None)
@given(notional=st.floats(0.0, 1e9), wallet=st.floats(-1e4, 1e4), stage=st.sampled_from(Stage),
       blind=st.booleans())  # fmt: skip
def test_order_when_it_reduces_then_all_of_it_passes_whatever_a_repeat_would_cost(
    notional: float, wallet: float, stage: Stage, blind: bool
) -> None:
    known: Exposure | None = exposure(held(100.0), wallet=wallet)
    intent = Intent(pair=OTHER, side=1, notional_quote=notional, effect=Effect.REDUCE)
    s = world(intent=intent, stage=stage, exposure=None if blind else known)
    decision = decide_order(s, LIMITS, GUARDED)
    assert (decision.notional_quote, decision.findings) == (notional, ())


@settings(max_examples=200, deadline=None)
@given(a=fracs, b=fracs, fall=st.floats(0.01, 1.0), deeper=st.floats(0.0, 1.0),
       equity=st.floats(0.0, 1e6), richer=st.floats(0.0, 1e6), held_now=amounts)  # fmt: skip
def test_largest_when_number_or_equity_grow_then_it_never_shrinks_and_a_worse_day_never_helps(
    a: float, b: float, fall: float, deeper: float, equity: float, richer: float, held_now: float
) -> None:
    low, high = sorted((a, b))
    base = cost(held_now, against=fall, equity=equity, most=low)
    assert base.largest_quote <= replace(base, most_frac=high).largest_quote
    assert base.largest_quote <= replace(base, equity_quote=equity + richer).largest_quote
    worse = min(fall + deeper, 1.0)
    assert base.largest_quote >= replace(base, against_frac=worse).largest_quote
    # What is left after the cut fits, to a rounding; what fitted is not cut.
    assert held_now - base.excess_quote <= base.largest_quote + 1e-12 * held_now
    assert base.bearable == (base.excess_quote == 0)
