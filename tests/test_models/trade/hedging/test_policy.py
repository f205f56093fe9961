"""The policy of the hedge: limits, bands, alarms, contingency, a person's word."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import ConfigError, InputError
from models.trade.hedging.policy import (
    HedgeAction,
    HedgeSignal,
    PolicyConfig,
    RatioSource,
    Situation,
    decide_hedge,
)
from models.trade.hedging.rounding import OrderRules, executable, reachable

CONFIG = PolicyConfig()
INSIDE = Situation(held=(0.75,), target=(0.8,), width=(0.1,))


def test_decide_when_inside_the_band_then_it_maintains() -> None:
    step = decide_hedge(INSIDE, CONFIG)
    assert (step.ratio, step.action, step.source) == (
        (0.75,), HedgeAction.MAINTAIN, RatioSource.BASELINE,
    )  # fmt: skip


def test_decide_when_outside_the_band_then_it_goes_to_the_edge_and_no_further() -> None:
    step = decide_hedge(replace(INSIDE, held=(0.65,)), CONFIG)
    assert step.action is HedgeAction.INCREASE
    assert step.ratio == pytest.approx((0.7,))
    assert decide_hedge(replace(INSIDE, held=(0.95,)), CONFIG).ratio == pytest.approx((0.9,))


def test_decide_when_far_away_then_one_step_at_a_time() -> None:
    assert decide_hedge(replace(INSIDE, held=(0.0,)), CONFIG).ratio == pytest.approx((0.1,))


def test_decide_when_the_target_is_too_large_then_the_limit_holds_on_the_sum() -> None:
    both = Situation(held=(0.55, 0.45), target=(0.9, 0.8), width=(0.05, 0.05))
    ratio = decide_hedge(both, CONFIG).ratio
    assert sum(ratio) <= 1.0 + 1e-9
    over = replace(both, held=(0.8, 0.7))  # prices moved it there
    assert sum(decide_hedge(over, CONFIG).ratio) < 1.5


def test_decide_when_the_day_is_used_up_then_it_waits_in_calm_but_not_when_far() -> None:
    near = replace(INSIDE, held=(0.65,), changes_today=4)
    assert decide_hedge(near, CONFIG).reason == "4 changes today already"
    far = replace(near, held=(0.2,))
    assert decide_hedge(far, CONFIG).action is HedgeAction.INCREASE
    alarm = replace(near, signal=HedgeSignal(false_alarms_against=0.05))
    assert decide_hedge(alarm, CONFIG).action is HedgeAction.INCREASE


def test_decide_when_a_cascade_threatens_then_it_hedges_more_at_once() -> None:
    calm = replace(INSIDE, held=(0.8,), signal=HedgeSignal(false_alarms_against=5.0))
    assert decide_hedge(calm, CONFIG).action is HedgeAction.MAINTAIN
    alarm = decide_hedge(replace(calm, signal=HedgeSignal(false_alarms_against=0.25)), CONFIG)
    assert alarm.action is HedgeAction.INCREASE
    assert alarm.ratio == pytest.approx((0.9,))
    assert alarm.source is RatioSource.MODEL


def test_decide_when_a_rate_is_chosen_then_the_alarm_begins_at_the_models_own_threshold() -> None:
    calm = replace(INSIDE, held=(0.8,))
    for per_week in (0.1, 1.0):
        config = replace(CONFIG, false_alarms_per_week=per_week)
        for rate, alarmed in ((per_week, True), (1.01 * per_week, False)):
            signal = HedgeSignal(false_alarms_against=rate)
            step = decide_hedge(replace(calm, signal=signal), config)
            assert (step.action is HedgeAction.INCREASE) is alarmed


def test_decide_when_a_cascade_in_favour_is_nearer_then_it_is_no_alarm() -> None:
    calm = replace(INSIDE, held=(0.8,))
    for against, in_favour, alarmed in ((0.2, 0.1, False), (0.2, 0.2, True), (0.2, None, True)):
        signal = HedgeSignal(false_alarms_against=against, false_alarms_for=in_favour)
        step = decide_hedge(replace(calm, signal=signal), CONFIG)
        assert (step.action is HedgeAction.INCREASE) is alarmed


def test_decide_when_the_action_head_wants_less_then_hazard_can_forbid_it() -> None:
    less = HedgeSignal(p_increase=0.1, p_decrease=0.8)
    at = replace(INSIDE, held=(0.8,), width=(0.02,), signal=less)
    assert decide_hedge(at, CONFIG).action is HedgeAction.DECREASE
    warned = replace(at, signal=replace(less, false_alarms_against=0.5))
    assert decide_hedge(warned, CONFIG).action is HedgeAction.MAINTAIN


@pytest.mark.parametrize(
    ("age", "source"),
    [(0, "model"), (1, "hold"), (3, "hold"), (4, "baseline"), (math.inf, "baseline")],
)
def test_decide_when_the_model_falls_silent_then_it_holds_and_then_follows_the_baseline(
    age: float, source: str
) -> None:
    # A silent model's last words are not listened to: the alarm in them is old.
    now = replace(
        INSIDE, held=(0.5,), signal=HedgeSignal(false_alarms_against=0.01, age_candles=age)
    )  # fmt: skip
    step = decide_hedge(now, CONFIG)
    assert step.source == source
    assert (step.action is HedgeAction.MAINTAIN) == (source == "hold")
    assert step.lean == (CONFIG.reach if source == "model" else 0.0)


def test_decide_when_prices_are_missing_then_it_holds() -> None:
    for gone in (replace(INSIDE, target=(math.nan,)), replace(INSIDE, width=(math.nan,))):
        step = decide_hedge(replace(gone, held=(0.2,)), CONFIG)
        assert (step.ratio, step.source) == ((0.2,), RatioSource.HOLD)


@pytest.mark.parametrize(
    "unknown", [{"signal": HedgeSignal(age_candles=1)}, {"target": (math.nan, math.nan)}]
)
def test_decide_when_it_holds_and_prices_move_it_past_the_limit_then_it_is_cut_back_to_it(
    unknown: dict[str, object],
) -> None:
    known = Situation(held=(0.63, 0.42), target=(0.5, 0.4), width=(0.1, 0.1), changes_today=9)
    drifted = replace(known, **unknown)
    step = decide_hedge(drifted, CONFIG)
    assert step.ratio == pytest.approx((0.6, 0.4))
    assert (step.action, step.source) == (HedgeAction.DECREASE, RatioSource.HOLD)
    assert "holding the limit" in step.reason
    assert decide_hedge(replace(drifted, frozen=True), CONFIG).ratio == (
        0.63,
        0.42,
    )  # a person's word
    small = replace(drifted, smallest_step=(0.05, 0.05))  # less than the exchange takes
    assert decide_hedge(small, CONFIG).ratio == (0.63, 0.42)


def test_decide_when_the_holding_is_unknown_then_it_refuses() -> None:
    with pytest.raises(InputError, match="held"):
        decide_hedge(replace(INSIDE, held=(math.nan,)), CONFIG)


def test_decide_when_a_person_sets_or_freezes_then_that_wins() -> None:
    alarm = replace(
        INSIDE, held=(0.5,), signal=HedgeSignal(false_alarms_against=0.01), changes_today=9
    )
    frozen = decide_hedge(replace(alarm, frozen=True), CONFIG)
    assert (frozen.ratio, frozen.source) == ((0.5,), RatioSource.PERSON)
    less = decide_hedge(replace(alarm, manual=0.0), CONFIG)
    assert (less.ratio, less.source) == ((0.4,), RatioSource.PERSON)
    blind = decide_hedge(replace(alarm, manual=0.6, target=(math.nan,)), CONFIG)
    assert blind.ratio == pytest.approx((0.6,))
    two = Situation(held=(0.4, 0.2), target=(0.2, 0.6), width=(0.1, 0.1), manual=0.8)
    assert decide_hedge(two, replace(CONFIG, max_step=1.0)).ratio == pytest.approx((0.2, 0.6))


def test_decide_when_the_smallest_order_is_larger_than_the_step_then_it_waits_for_it() -> None:
    small = replace(INSIDE, held=(0.0,), smallest_step=(0.5,))
    assert decide_hedge(small, CONFIG).ratio == pytest.approx((0.5,))
    assert decide_hedge(replace(small, held=(0.5,)), CONFIG).reason == "below the smallest order"


ratios = st.floats(0, 1.5)


@given(held=ratios, target=st.floats(0, 3), width=st.floats(0, 0.5), rate=st.floats(0, 2),
       share=st.floats(0, 1), lead=st.floats(0, 1))  # fmt: skip
def test_decide_when_the_danger_grows_then_the_hedge_never_shrinks(
    held: float, target: float, width: float, rate: float, share: float, lead: float
) -> None:
    def at(against: float) -> float:
        signal = HedgeSignal(false_alarms_against=against, p_increase=0.0, p_decrease=lead)
        now = Situation(held=(held,), target=(target,), width=(width,), signal=signal)
        return decide_hedge(now, CONFIG).ratio[0]

    # In an alarm the band is narrower, so a hedge far above its target may be cut to it.
    if held <= min(target, CONFIG.max_ratio):
        assert at(share * rate) >= at(rate) - 1e-9


@given(held=st.tuples(ratios, ratios), target=st.tuples(ratios, ratios), width=st.floats(0, 0.5),
       rate=st.floats(0, 2), increase=st.floats(0, 1))  # fmt: skip
def test_decide_when_anything_is_asked_then_limits_and_step_hold(
    held: tuple[float, float], target: tuple[float, float], width: float, rate: float,
    increase: float,
) -> None:  # fmt: skip
    signal = HedgeSignal(false_alarms_against=rate, p_increase=increase, p_decrease=1 - increase)
    now = Situation(held=held, target=target, width=(width, width), signal=signal)
    ratio = decide_hedge(now, CONFIG).ratio
    for before, after in zip(held, ratio, strict=True):
        assert after >= -1e-9
        assert abs(after - before) <= CONFIG.max_step + 1e-9
    if sum(held) <= CONFIG.max_ratio:
        assert sum(ratio) <= CONFIG.max_ratio + 2 * CONFIG.max_step
        if all(r >= h for r, h in zip(ratio, held, strict=True)):
            assert sum(ratio) <= CONFIG.max_ratio + 1e-9


def test_policy_config_when_out_of_range_then_it_is_refused() -> None:
    for wrong in ({"max_ratio": 2.0}, {"max_step": 0.0}, {"false_alarms_per_week": 0.0},
                  {"max_changes_day": 0}, {"min_ratio": 1.2}):  # fmt: skip
        with pytest.raises(ConfigError):
            PolicyConfig(**wrong)


def test_executable_when_closing_then_any_size_goes_and_no_dust_stays() -> None:
    rules = OrderRules(lot_base=0.001, min_notional_quote=5.0)
    assert executable(0.0015, -0.0015, 100.0, rules) == 0.0015
    assert executable(1.96, -2.0, 100.0, rules) == 2.0  # 4 dollars would stay
    assert executable(1.0, -2.0, 100.0, rules) == pytest.approx(1.0)
    assert executable(-0.04, -2.0, 100.0, rules) == 0.0  # an order of 4 dollars


def test_reachable_when_a_target_is_not_known_then_it_stays_unknown_and_is_not_nothing() -> None:
    told = reachable((float("nan"), 0.5), 1_000.0, (100.0, 20.0))
    assert math.isnan(told[0])
    assert told[1] == 0.5


def test_reachable_when_no_leg_can_be_ordered_then_there_is_no_hedge() -> None:
    assert reachable((0.3, 0.5), 100.0, (100.0, 100.0)) == (0.0, 0.0)
