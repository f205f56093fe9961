"""The gap limit: a repeat of the worst hour, through every stop, is bearable or not taken on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trade.risk.gap import (
    gap_loss_quote,
    hour_of,
    worst_hour_bearable,
    worst_loss_quote,
)
from models.trade.risk.limits import HardLimits, Limits
from models.trade.risk.run import GUARDS, HEDGING, Standing, decide_order, watch
from models.trade.risk.verdict import PASSED, Demand
from models.trade.risk.worst_hours import ASSUMED, CALM, WorstHour, recorded
from tests.test_models.trade.risk.worlds import LIMITS, OTHER, PAIR, SOUND, exposure, held, world

BTC, LTC = recorded(PAIR), recorded(OTHER)
SHIPPED = ("BTC", "ETH", "LTC", "BCH", "XRP")


# -- how large an order may be ----------------------------------------------------------------


def test_order_when_the_account_is_flat_then_the_worst_hour_costs_nine_tenths_of_the_limit() -> (
    None
):
    for side, worst in ((1, BTC.fall_frac), (-1, BTC.rise_frac)):
        verdict = worst_hour_bearable(world(intent__side=side), LIMITS)
        assert verdict.limit_quote == pytest.approx(0.225 * 10_000 / worst)
        assert f"BTC's worst hour ({-side * worst:+.1%})" in verdict.reason
        assert "may lose 25% of equity" in verdict.reason
        assert verdict.demand == Demand.NONE
    decision = decide_order(world(intent__notional_quote=20_000.0), LIMITS)
    assert decision.notional_quote == pytest.approx(0.225 * 10_000 / BTC.fall_frac)
    assert "worst_hour_bearable: sized for a repeat" in decision.reason


def test_order_when_something_is_held_then_its_side_counts_at_its_own_worst_hour() -> None:
    same = world(exposure=exposure(held(10.0)))  # 1,000 of LTC
    left = 0.225 * 10_000 - 1_000 * LTC.fall_frac
    assert worst_hour_bearable(same, LIMITS).limit_quote == pytest.approx(left / BTC.fall_frac)
    against = world(exposure=exposure(held(-10.0)))
    whole = 0.225 * 10_000 / BTC.fall_frac
    # A short is no relief to a long, and takes none of its room: one of both may be gone.
    assert worst_hour_bearable(against, LIMITS).limit_quote == pytest.approx(whole)
    waiting = world(exposure=exposure(pending_long_quote=500.0, pending_short_quote=9_000.0))
    left = 0.225 * 10_000 - 500 * max(BTC.fall_frac, LTC.fall_frac)
    assert worst_hour_bearable(waiting, LIMITS).limit_quote == pytest.approx(left / BTC.fall_frac)
    full = world(exposure=exposure(held(50.0)))
    assert worst_hour_bearable(full, LIMITS).limit_quote == 0.0
    losing = world(exposure=exposure(held(10.0, 500.0)))  # 4,000 lost already
    left = 0.225 * 6_000 - 1_000 * LTC.fall_frac
    assert worst_hour_bearable(losing, LIMITS).limit_quote == pytest.approx(left / BTC.fall_frac)


def test_order_when_part_of_the_equity_is_reserved_then_the_rest_bears_the_hour() -> None:
    kept = Limits(hard=replace(LIMITS.hard, reserve_quote=3_000.0, planned_withdrawals_quote=2e3))
    verdict = worst_hour_bearable(SOUND, kept)
    assert verdict.limit_quote == pytest.approx(0.225 * 5_000 / BTC.fall_frac)


def test_order_when_the_coin_is_unknown_then_it_is_worse_than_any_on_record() -> None:
    assert recorded("NEW/USDT:USDT") == recorded("LTC/BTC") == recorded("") == ASSUMED
    assert recorded("BTC/USDC:USDC") == BTC
    for coin in SHIPPED:
        hour = recorded(f"{coin}/USDT:USDT")
        assert hour != ASSUMED
        assert hour.or_worse(ASSUMED) == ASSUMED
        assert recorded(f"{coin}/USDT:USDT", at_marks=True).or_worse(hour) == hour
    new = world(exposure=exposure(marks={"NEW/USDT:USDT": 100.0}), intent__pair="NEW/USDT:USDT")
    assert worst_hour_bearable(new, LIMITS).limit_quote == pytest.approx(2_250 / 0.85)
    short = replace(new, intent=replace(new.intent, side=-1))
    assert worst_hour_bearable(short, LIMITS).limit_quote == pytest.approx(2_250 / 2.5)


def test_order_when_half_a_coin_is_held_then_its_whole_worth_counts() -> None:
    half = exposure(held(0.5, 4_000.0, pair=PAIR), marks={PAIR: 4_000.0})
    left = 0.225 * 10_000 - 2_000 * BTC.fall_frac
    assert worst_hour_bearable(world(exposure=half), LIMITS).limit_quote == pytest.approx(
        left / BTC.fall_frac
    )
    sold = exposure(held(-0.5, 4_000.0, pair=PAIR), marks={PAIR: 4_000.0})
    assert gap_loss_quote(sold, -1) == pytest.approx(2_000 * BTC.rise_frac)


def test_order_when_what_waits_is_of_no_coin_with_a_mark_then_it_counts_as_an_unknown_coin() -> (
    None
):
    waiting = exposure(pending_long_quote=100.0, pending_short_quote=10.0)
    unmarked = replace(waiting, marks={})
    assert gap_loss_quote(unmarked, 1) == pytest.approx(85.0)
    assert gap_loss_quote(unmarked, -1) == pytest.approx(25.0)


def test_order_when_the_candles_have_shown_worse_then_that_counts_and_calm_ones_never_help() -> (
    None
):
    shown = WorstHour(fall_frac=0.9, rise_frac=0.01)
    seen = world(exposure=exposure(worst_hours={PAIR: shown, OTHER: CALM}))
    assert worst_hour_bearable(seen, LIMITS).limit_quote == pytest.approx(0.225 * 10_000 / 0.9)
    short = replace(seen, intent=replace(seen.intent, side=-1))
    assert worst_hour_bearable(short, LIMITS).limit_quote == pytest.approx(2_250 / BTC.rise_frac)
    assert hour_of(seen.exposure, "NEW/USDT:USDT") == ASSUMED
    calm = world(exposure=exposure(worst_hours={PAIR: CALM}))
    assert worst_hour_bearable(calm, LIMITS) == worst_hour_bearable(SOUND, LIMITS)


def test_order_when_nothing_has_a_stop_then_the_marks_worst_hour_counts() -> None:
    ether = "ETH/USDT:USDT"
    marks = recorded(ether, at_marks=True)
    assert marks.rise_frac < recorded(ether).rise_frac  # a print no mark has followed
    bare = exposure(at_marks=True)
    s = world(exposure=replace(bare, marks={ether: 100.0}), intent__pair=ether, intent__side=-1)
    assert worst_hour_bearable(s, LIMITS).limit_quote == pytest.approx(2_250 / marks.rise_frac)


def test_order_when_scenarios_hold_a_worse_hour_possible_then_that_counts_and_is_named() -> None:
    ahead = WorstHour(fall_frac=0.6, rise_frac=0.01)
    wild = world(exposure=exposure(foreseen={PAIR: ahead, OTHER: CALM}))
    verdict = worst_hour_bearable(wild, LIMITS)
    assert verdict.limit_quote == pytest.approx(0.225 * 10_000 / 0.6)
    assert verdict.reason.startswith(
        "sized for the worst hour that scenarios hold possible of BTC now (-60.0%): the account"
    )
    short = replace(wild, intent=replace(wild.intent, side=-1))
    verdict = worst_hour_bearable(short, LIMITS)
    assert verdict.limit_quote == pytest.approx(2_250 / BTC.rise_frac)
    assert "a repeat of BTC's worst hour (+31.1%)" in verdict.reason
    both = replace(wild.exposure, worst_hours={PAIR: WorstHour(fall_frac=0.7, rise_frac=0.0)})
    verdict = worst_hour_bearable(replace(wild, exposure=both), LIMITS)
    assert verdict.limit_quote == pytest.approx(2_250 / 0.7)
    assert "a repeat of BTC's worst hour (-70.0%)" in verdict.reason


def test_order_when_what_is_held_may_have_a_worse_hour_then_it_leaves_less_room() -> None:
    ahead = WorstHour(fall_frac=0.8, rise_frac=0.0)
    wild = world(exposure=exposure(held(10.0), foreseen={OTHER: ahead}))  # 1,000 of LTC
    left = 0.225 * 10_000 - 1_000 * 0.8
    assert worst_hour_bearable(wild, LIMITS).limit_quote == pytest.approx(left / BTC.fall_frac)


def test_order_when_scenarios_hold_nothing_worse_possible_then_nothing_changes() -> None:
    for ahead in (CALM, BTC):  # as bad as the record is no worse
        calm = world(exposure=exposure(foreseen={PAIR: ahead}))
        assert worst_hour_bearable(calm, LIMITS) == worst_hour_bearable(SOUND, LIMITS)
    new = "NEW/USDT:USDT"
    calm = world(exposure=exposure(marks={new: 100.0}, foreseen={new: CALM}), intent__pair=new)
    assert worst_hour_bearable(calm, LIMITS).limit_quote == pytest.approx(2_250 / 0.85)


def test_order_when_scenarios_have_fallen_silent_then_that_coin_is_not_opened() -> None:
    silent = world(exposure=exposure(held(10.0), unforeseen={PAIR: "silent since noon"}))
    verdict = worst_hour_bearable(silent, LIMITS)
    assert verdict.limit_quote == 0.0
    assert verdict.reason == "silent since noon"
    assert verdict.demand == Demand.NONE
    assert verdict.shed_frac == 0.0
    other = replace(silent, intent=replace(silent.intent, pair=OTHER))
    assert worst_hour_bearable(other, LIMITS).limit_quote > 0.0
    assert worst_hour_bearable(replace(silent, intent=None), LIMITS) == PASSED


def test_hedge_when_scenarios_are_silent_or_wild_then_it_may_grow_as_by_the_record() -> None:
    short = world(exposure=exposure(held(10.0), at_marks=True), intent__side=-1)
    before = decide_order(short, LIMITS, HEDGING)
    assert before.allowed
    wild = WorstHour(fall_frac=0.85, rise_frac=2.5)
    hurt = replace(
        short,
        exposure=replace(
            short.exposure, foreseen={PAIR: wild, OTHER: wild}, unforeseen={PAIR: "silent"}
        ),
    )
    assert decide_order(hurt, LIMITS, HEDGING) == before


# -- nothing overrides it ---------------------------------------------------------------------


def test_limit_when_a_setting_would_raise_it_then_there_is_no_such_setting() -> None:
    for value in (0.2500001, 0.5, 1.0, math.inf):
        with pytest.raises(Exception, match=r"worst_hour_loss_frac <= 0\.25"):
            HardLimits(worst_hour_loss_frac=value)
    strict = Limits(hard=HardLimits(worst_hour_loss_frac=0.1, max_order_equity_frac=2.0))
    assert decide_order(world(intent__notional_quote=20_000.0), strict).notional_quote == (
        pytest.approx(0.09 * 10_000 / BTC.fall_frac)
    )
    for guards in (GUARDS, HEDGING):
        assert [g.standing for g in guards if g.check is worst_hour_bearable] == [Standing.ACCOUNT]


# -- what stands beyond it --------------------------------------------------------------------


def test_standing_when_a_position_has_outgrown_the_limit_then_it_is_cut_to_where_entries_end() -> (
    None
):
    quiet = replace(SOUND, intent=None)
    at = 0.25 * 10_000 / LTC.fall_frac / 100
    fine = replace(quiet, exposure=exposure(held(at * 0.999)))
    assert watch(fine, LIMITS, Standing.ACCOUNT).findings == ()
    grown = replace(quiet, exposure=exposure(held(1.252 * at)))
    seen = watch(grown, LIMITS, Standing.ACCOUNT)
    assert seen.demand == Demand.WARN
    assert "would cost 31.3% of equity, limit 25%" in seen.reason
    assert seen.shed_frac == pytest.approx(1 - 0.9 / 1.252)
    left = exposure(held(1.252 * at * (1 - seen.shed_frac)))
    assert worst_loss_quote(left) == pytest.approx(0.225 * 10_000)


def test_standing_when_the_cost_is_the_limit_to_the_cent_then_nothing_is_closed() -> None:
    quiet, to_nothing = replace(SOUND, intent=None), WorstHour(fall_frac=1.0, rise_frac=0.0)
    for amount, cut in ((25.0, False), (25.0001, True)):
        at = exposure(held(amount, pair=PAIR), worst_hours={PAIR: to_nothing})
        assert (worst_hour_bearable(replace(quiet, exposure=at), LIMITS) != PASSED) is cut


def test_standing_when_an_account_is_counted_in_whole_coins_then_it_is_cut_like_one_in_cents() -> (
    None
):
    quiet = replace(SOUND, intent=None)
    large = replace(quiet, exposure=exposure(held(100.0)))
    small = replace(quiet, exposure=exposure(held(0.01), wallet=1.0))
    cut = worst_hour_bearable(small, LIMITS).shed_frac
    assert cut == pytest.approx(worst_hour_bearable(large, LIMITS).shed_frac)
    assert cut == pytest.approx(1 - 0.225 / LTC.fall_frac)


def test_standing_when_there_is_no_equity_or_no_position_then_all_goes_or_nothing_is_said() -> None:
    quiet = replace(SOUND, intent=None)
    for wallet in (-5.0, 0.0):
        ruined = replace(quiet, exposure=exposure(held(10.0), wallet=wallet))
        seen = worst_hour_bearable(ruined, LIMITS)
        assert (seen.shed_frac, seen.demand) == (1.0, Demand.WARN)
        assert "no equity left" in seen.reason
    assert worst_hour_bearable(replace(quiet, exposure=exposure(wallet=-5.0)), LIMITS) == PASSED


def test_standing_when_a_hedge_is_held_then_it_neither_adds_to_the_cost_nor_takes_from_it() -> None:
    alone, hedged = exposure(held(40.0)), exposure(held(40.0), held(-10.0, pair=PAIR))
    assert worst_loss_quote(hedged) == worst_loss_quote(alone) == 4_000 * LTC.fall_frac
    turned = exposure(held(5.0), held(-60.0, pair=PAIR))
    assert worst_loss_quote(turned) == pytest.approx(6_000 * BTC.rise_frac)


positions = st.lists(
    st.tuples(st.sampled_from([PAIR, OTHER]), st.floats(-200, 200).filter(lambda a: abs(a) > 1e-3)),
    max_size=2, unique_by=lambda p: p[0],
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(held_now=positions, side=st.sampled_from([-1, 1]), asked=st.floats(1, 1e6),
       wallet=st.floats(1_000, 50_000), pair=st.sampled_from([PAIR, OTHER]))  # fmt: skip
def test_account_when_the_guard_let_an_order_through_then_its_side_bears_the_worst_hour(
    held_now: list[tuple[str, float]], side: int, asked: float, wallet: float, pair: str
) -> None:
    # Worked out here again, leg by leg, from prices after the hour.
    before = exposure(*(held(a, pair=p) for p, a in held_now), wallet=wallet)
    s = world(exposure=before, intent__side=side, intent__pair=pair, intent__notional_quote=asked)
    taken = min(worst_hour_bearable(s, LIMITS).limit_quote, asked)
    legs = [*held_now, *([(pair, side * taken / 100)] if taken > 0 else [])]
    after_hour = {
        p: 100 * (1 - recorded(p).fall_frac if side > 0 else 1 + recorded(p).rise_frac)
        for p in (PAIR, OTHER)
    }
    lost = sum(a * (100 - after_hour[p]) for p, a in legs if a * side > 0)
    already = sum(a * (100 - after_hour[p]) for p, a in held_now if a * side > 0)
    assert lost <= max(0.225 * wallet, already) * (1 + 1e-9) + 1e-6


def test_standing_when_scenarios_hold_a_worse_hour_possible_then_what_stands_is_not_cut() -> None:
    at = 0.25 * 10_000 / LTC.fall_frac / 100  # all that the record allows
    ahead = WorstHour(fall_frac=0.85, rise_frac=2.5)
    wild = replace(SOUND, intent=None, exposure=exposure(held(at * 0.999), foreseen={OTHER: ahead}))
    assert watch(wild, LIMITS, Standing.ACCOUNT).findings == ()
