"""Onset, peak, end and states of a cascade, by hand; what is known when, by changing the future."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.heads import cumulative_incidence, hazard_targets
from models.base.types import Candles
from models.base.units import HOUR_MS
from models.data.labels.action import LEVERAGE, MIDDLE, STEP, best_action, step_benefit
from models.data.labels.cascade import CascadeConfig
from models.data.labels.episodes import (
    Episode,
    Leg,
    State,
    candles_to_peak,
    cascade_legs,
    closed_episodes,
    episodes,
    inside,
    states,
    unsettled,
)
from tests.test_models.markets import random_walk, rows_of

RULE = CascadeConfig(history_ms=100 * HOUR_MS, floor_frac=0.03)
DAY = 24


def path(moves: dict[int, float], rows: int = 400) -> Candles:
    """Prices that stand still but for percentage points added at rows, with volume there."""
    noise = 0.0005 * np.where(np.arange(rows) % 2, 1.0, -1.0)
    step = np.zeros(rows)
    for row, move in moves.items():
        step[row] = move
    close = 100.0 * (1 + np.cumsum(step) + noise)
    volume = np.ones(rows)
    volume[list(moves)] = 50.0
    return Candles(
        time_ms=HOUR_MS * np.arange(rows, dtype=np.int64),
        open=close, high=close, low=close, close=close, volume=volume,
    )  # fmt: skip


def test_legs_when_a_fall_deepens_and_rebounds_then_peak_and_end_are_where_it_turned():
    # Falls 6 %, two candles later 4 % more (100 -> 90), then back 2 and 2: 38.2 % of 10 is 3.82.
    market = path({300: -0.06, 302: -0.04, 305: 0.02, 308: 0.02})
    assert cascade_legs(market, HOUR_MS, -1, RULE) == ([Leg(300, 302, 308)], None)
    assert cascade_legs(market, HOUR_MS, 1, RULE) == ([], None)
    (found,) = episodes(market, HOUR_MS, RULE)
    assert (found.onset, found.peak, found.end, found.side) == (300, 302, 308, -1)


def test_legs_when_a_squeeze_never_turns_then_it_ends_after_a_day():
    market = path({300: 0.06})
    legs, opened = cascade_legs(market, HOUR_MS, 1, RULE)
    assert legs == [Leg(300, 301, 300 + DAY)]  # the first of the equal extremes
    assert opened is None


def test_legs_when_a_move_comes_at_the_very_end_of_one_then_it_opens_no_other():
    market = path({300: 0.06, 300 + DAY: 0.06})
    assert cascade_legs(market, HOUR_MS, 1, RULE) == ([Leg(300, 324, 324)], None)


def test_legs_when_a_move_began_before_the_onset_then_only_its_last_hour_is_to_be_taken_back():
    # 38.2 % of the 6 points of the hour are 2.3, of the 8 of two hours 3.1; 2.6 came back.
    market = path({299: -0.02, 300: -0.06, 303: 0.026})
    assert cascade_legs(market, HOUR_MS, -1, RULE) == ([Leg(300, 300, 303)], None)


def test_legs_when_exactly_the_share_is_taken_back_then_it_is_over():
    close = np.full(400, 100.0)
    close[300:] = 92.0
    close[302:] = 96.0
    half = dataclasses.replace(RULE, retrace_frac=0.5)
    market = dataclasses.replace(path({300: -0.08}), close=close, high=close, low=close)
    assert cascade_legs(market, HOUR_MS, -1, half) == ([Leg(300, 300, 302)], None)


def test_legs_when_the_frame_ends_with_its_end_then_it_is_finished():
    market = rows_of(path({300: -0.06, 302: -0.04, 305: 0.02, 308: 0.02}), slice(0, 309))
    assert cascade_legs(market, HOUR_MS, -1, RULE) == ([Leg(300, 302, 308)], None)


def test_legs_when_they_may_last_less_than_a_candle_then_they_last_one():
    market = path({300: 0.06, 303: 0.06})
    short = dataclasses.replace(RULE, longest_ms=1)
    legs, _ = cascade_legs(market, HOUR_MS, 1, short)
    assert [(leg.onset, leg.end) for leg in legs] == [(300, 301), (303, 304)]


def with_wicks(market: Candles, low: dict[int, float], high: dict[int, float]) -> Candles:
    """The market with prices at rows that a candle reached but did not close at."""
    lows, highs = market.low.copy(), market.high.copy()
    lows[list(low)], highs[list(high)] = list(low.values()), list(high.values())
    return dataclasses.replace(market, low=lows, high=highs)


def test_legs_when_a_wick_reaches_further_than_any_close_then_the_peak_is_there():
    fall = with_wicks(path({300: -0.06, 306: 0.04}), {302: 92.0}, {304: 110.0})
    assert cascade_legs(fall, HOUR_MS, -1, RULE)[0] == [Leg(300, 302, 306)]
    squeeze = with_wicks(path({300: 0.06, 306: -0.04}), {302: 92.0}, {304: 108.0})
    assert cascade_legs(squeeze, HOUR_MS, 1, RULE)[0] == [Leg(300, 304, 306)]


def test_legs_when_the_frame_ends_inside_one_then_it_is_open_and_its_peak_unknown():
    market = rows_of(path({300: -0.06, 302: -0.04, 305: 0.05}), slice(0, 304))
    assert cascade_legs(market, HOUR_MS, -1, RULE) == ([], 300)
    assert inside(market, HOUR_MS, -1, RULE)[300:].all()
    assert np.isnan(candles_to_peak(market, HOUR_MS, -1, RULE)).all()


def test_episode_when_two_legs_are_less_than_a_day_apart_then_it_peaks_at_the_deeper_one():
    market = path({300: -0.06, 303: 0.025, 316: -0.09, 320: 0.02, 321: 0.02})
    (found,) = episodes(market, HOUR_MS, RULE)
    assert (found.onset, found.peak, found.end) == (300, 316, 321)
    legs, _ = cascade_legs(market, HOUR_MS, -1, RULE)
    assert [(leg.onset, leg.end) for leg in legs] == [(300, 303), (316, 321)]


def test_episode_when_wicks_decide_which_leg_is_deeper_then_those_of_its_side_do():
    # Legs of the same closes but for a wick; the other side's wicks say the opposite, and are no
    # cascade: 2.5 % from the close before.
    fall = with_wicks(
        path({300: -0.06, 303: 0.015, 304: 0.015, 310: -0.04}),
        {310: 90.0}, {300: 99.0, 310: 99.5},
    )  # fmt: skip
    (found,) = episodes(fall, HOUR_MS, RULE)
    assert (found.onset, found.peak, found.end, found.side) == (300, 310, 310, -1)
    squeeze = with_wicks(
        path({300: 0.06, 303: -0.015, 304: -0.015, 310: 0.04}),
        {300: 101.0, 310: 100.5}, {310: 110.0},
    )  # fmt: skip
    (found,) = episodes(squeeze, HOUR_MS, RULE)
    assert (found.onset, found.peak, found.end, found.side) == (300, 310, 310, 1)


def test_episodes_when_hits_are_exactly_a_day_apart_then_they_are_one_and_an_hour_more_two():
    for later, onsets in ((300 + DAY, [300]), (301 + DAY, [300, 301 + DAY])):
        market = path({300: -0.06, 302: 0.02, 303: 0.02, later: -0.06, later + 2: 0.02})
        assert [e.onset for e in episodes(market, HOUR_MS, RULE)] == onsets


def test_episodes_when_merging_takes_no_longer_than_a_candle_then_only_neighbours_are_one():
    alone = dataclasses.replace(RULE, merge_ms=1)
    market = with_wicks(path({300: -0.06, 302: -0.04}), {300: 80.0, 302: 70.0}, {})
    assert [(e.onset, e.end) for e in episodes(market, HOUR_MS, alone)] == [(300, 300), (302, 302)]
    # Nothing to wait for but the candle that could still join.
    assert [row for _, row in closed_episodes(market, HOUR_MS, 0, alone)] == [301, 303]


def test_closed_episodes_when_a_leg_of_it_is_still_open_then_it_is_not_over():
    # Three hits, of which the last opened a leg that may last for two days.
    slow = dataclasses.replace(RULE, longest_ms=2 * DAY * HOUR_MS)
    market = path(
        {300: -0.06, 301: -0.04, 304: 0.025, 305: 0.025, 316: -0.09, 360: 0.02, 361: 0.02}
    )
    open_still = rows_of(market, slice(0, 350))
    assert [e.end for e in episodes(open_still, HOUR_MS, slow)] == [305]
    assert closed_episodes(open_still, HOUR_MS, 1, slow) == []
    ((whole, row),) = closed_episodes(market, HOUR_MS, 1, slow)
    assert (whole.onset, whole.peak, whole.end, row) == (300, 316, 361, 362)


def test_episode_when_its_leg_its_day_and_its_labels_are_over_then_it_is_closed_and_not_before():
    market = path({300: -0.06, 303: 0.025, 316: -0.09, 320: 0.02, 321: 0.02})
    for settle, row in ((30, 351), (2, 340)):  # 30 after the end, or a day after the last hit
        (whole,) = closed_episodes(market, HOUR_MS, settle, RULE)
        assert whole == (episodes(market, HOUR_MS, RULE)[0], row)
        assert closed_episodes(rows_of(market, slice(0, row)), HOUR_MS, settle, RULE) == []
        early = rows_of(market, slice(0, row + 1))
        assert closed_episodes(early, HOUR_MS, settle, RULE) == [whole]


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(150, 398), seed=st.integers(0, 3), settle=st.sampled_from([1, 12, 24, 40]))
def test_closed_episodes_when_the_future_is_cut_off_or_changed_then_earlier_ones_stay(
    cut, seed, settle
):
    market = wild(seed)
    whole = closed_episodes(market, HOUR_MS, settle, RULE)
    assert len(whole) > 1
    before = [found for found in whole if found[1] < cut]
    assert closed_episodes(rows_of(market, slice(0, cut)), HOUR_MS, settle, RULE) == before
    factor = np.where(np.arange(400) < cut, 1.0, 0.8)
    prices = {k: factor * getattr(market, k) for k in ("open", "high", "low", "close")}
    other = closed_episodes(dataclasses.replace(market, **prices), HOUR_MS, settle, RULE)
    assert [found for found in other if found[1] < cut] == before


def test_inside_when_a_leg_is_over_then_rows_from_its_onset_to_before_its_end_are():
    market = path({300: -0.06, 302: -0.04, 305: 0.02, 308: 0.02})
    assert np.flatnonzero(inside(market, HOUR_MS, -1, RULE)).tolist() == list(range(300, 308))
    assert not inside(market, HOUR_MS, 1, RULE).any()


def test_candles_to_peak_when_inside_then_it_counts_down_to_one_and_stays():
    out = candles_to_peak(path({300: -0.06, 302: -0.04, 305: 0.02, 308: 0.02}), HOUR_MS, -1, RULE)
    np.testing.assert_array_equal(out[299:309], [np.nan, 3, 2, 1, 1, 1, 1, 1, 1, np.nan])


def test_states_when_episodes_overlap_then_during_wins_and_before_beats_after():
    market = path({300: -0.06, 303: 0.025, 340: 0.06, 343: -0.025})
    found = episodes(market, HOUR_MS, RULE)
    assert [e.side for e in found] == [-1, 1]
    out = states(found, len(market), before_candles=30, after_candles=24)
    assert (out[270:300] == State.BEFORE).all()
    assert (out[300:303] == State.DURING).all()
    assert (out[303:310] == State.AFTER).all()
    assert (out[310:340] == State.BEFORE).all()
    assert out[269] == State.CALM


def test_states_when_worked_by_hand_then_they_are_numbered_in_order_of_time():
    assert states([Episode(3, 4, 5, -1)], 8, 2, 1).tolist() == [0, 1, 1, 2, 2, 3, 0, 0]
    assert states([Episode(3, 3, 3, -1)], 6, 10, 1).tolist() == [1, 1, 1, 2, 0, 0]


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(150, 398), seed=st.integers(0, 3))
def test_inside_when_the_future_is_cut_off_or_changed_then_earlier_rows_stay(cut, seed):
    market = wild(seed)
    other = dataclasses.replace(
        market,
        **{
            name: np.concatenate((getattr(market, name)[:cut], 1.1 * getattr(market, name)[cut:]))
            for name in ("open", "high", "low", "close", "volume")
        },
    )
    for side in (-1, 1):
        whole = inside(market, HOUR_MS, side, RULE)
        np.testing.assert_array_equal(inside(other, HOUR_MS, side, RULE)[:cut], whole[:cut])
        short = inside(rows_of(market, slice(0, cut)), HOUR_MS, side, RULE)
        np.testing.assert_array_equal(short, whole[:cut])


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(150, 398), seed=st.integers(0, 3))
def test_candles_to_peak_when_rows_beyond_a_day_change_then_it_stays_and_within_it_is_a_label(
    cut, seed
):
    market = wild(seed)
    other = dataclasses.replace(
        market, close=np.where(np.arange(400) >= cut, 1.2 * market.close, market.close)
    )
    a, b = (candles_to_peak(m, HOUR_MS, -1, RULE) for m in (market, other))
    np.testing.assert_array_equal(a[: cut - DAY], b[: cut - DAY])


def test_candles_to_peak_control_when_the_peak_itself_changes_then_rows_before_it_do():
    moves = {300: -0.06, 302: -0.04, 305: 0.08}
    a = candles_to_peak(path(moves), HOUR_MS, -1, RULE)
    b = candles_to_peak(path({**moves, 302: 0.0, 304: -0.04}), HOUR_MS, -1, RULE)
    assert (a[300], b[300]) == (3, 5)


def wild(seed: int) -> Candles:
    market = random_walk(400, seed=seed, sigma=0.01)
    jump = np.zeros(400)
    jump[150:390:40] = [-0.08, 0.09, -0.1, -0.07, 0.08, -0.09]
    factor = np.exp(np.cumsum(jump))
    volume = np.where(jump != 0, 90.0, market.volume)
    prices = {k: factor * getattr(market, k) for k in ("open", "high", "low", "close")}
    return dataclasses.replace(market, volume=volume, **prices)


def test_wild_market_when_used_as_a_probe_then_it_has_cascades_of_both_sides():
    for seed in range(4):
        assert {e.side for e in episodes(wild(seed), HOUR_MS, RULE)} == {-1, 1}


# -- competing risks ------------------------------------------------------------------------------


def test_hazard_targets_when_the_other_side_comes_first_then_the_row_leaves_the_risk_set():
    own, other = np.array([5.0, 2.0, 9.0]), np.array([2.0, 5.0, 9.0])
    event, at_risk = hazard_targets(own, (1, 2, 4, 8), competing=other)
    np.testing.assert_array_equal(event, [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(at_risk, [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_incidence_when_summed_over_sides_then_it_is_the_chance_of_any_onset(hazards):
    down, up = np.array(hazards).T
    fall, squeeze = cumulative_incidence(down, up)
    assert fall + squeeze == pytest.approx(1 - np.prod((1 - down) * (1 - up)), abs=1e-12)


# -- the action -----------------------------------------------------------------------------------


def test_step_benefit_when_worked_by_hand_then_it_is_the_change_of_log_utility_less_cost():
    close = np.array([100.0, 90.0])
    raised, lowered = step_benefit(close, 1, cost_frac=0.001, leverage=5.0)
    # x = (1 - h) * -0.1; u = x - 2.5 x^2. u(.5) = -.05625, u(.6) = -.044, u(.4) = -.069.
    assert raised[0] == pytest.approx(-0.044 + 0.05625 - STEP * 0.001)
    assert lowered[0] == pytest.approx(-0.069 + 0.05625 - STEP * 0.001)
    assert np.isnan(raised[1])


def test_step_benefit_when_variance_has_no_weight_then_it_is_the_step_of_the_return():
    raised, lowered = step_benefit(np.array([100.0, 90.0]), 1, cost_frac=0.0, leverage=0.0)
    assert (raised[0], lowered[0]) == (pytest.approx(0.01), pytest.approx(-0.01))
    with pytest.raises(InputError, match="leverage"):
        step_benefit(np.ones(2), 1, cost_frac=0.0, leverage=-1.0)


def test_step_benefit_when_nothing_is_set_then_it_is_a_tenth_of_a_hedged_half_at_leverage_five():
    assert (STEP, MIDDLE, LEVERAGE) == (0.1, 0.5, 5.0)
    close = np.array([100.0, 90.0])
    assert step_benefit(close, 1, 0.001)[0][0] == step_benefit(close, 1, 0.001, 5.0)[0][0]


def test_best_action_when_a_move_does_not_pay_the_step_then_it_is_maintain():
    r = np.array([-0.05, -0.001, 0.0, 0.001, 0.05])
    close = np.ravel(np.column_stack((np.full(5, 100.0), 100.0 * (1 + r))))
    np.testing.assert_array_equal(best_action(close, 1, 0.0014)[::2], [1, 0, 0, 0, -1])
    np.testing.assert_array_equal(best_action(np.ones(2), 1, 0.0), [0, np.nan])  # pays nothing
    with pytest.raises(InputError, match="cost >= 0"):
        best_action(close, 1, -0.1)


def test_unsettled_when_a_leg_is_open_or_less_than_a_day_behind_then_it_is_not_over():
    market = path({300: -0.06, 308: 0.025})  # a leg from 300 to 308
    told = {
        row: unsettled(market.cut(slice(0, row + 1)), HOUR_MS, RULE)
        for row in (299, 300, 308, 323, 324)
    }
    assert told == {299: False, 300: True, 308: True, 323: True, 324: False}
    squeeze = path({300: 0.06})
    assert unsettled(squeeze.cut(slice(0, 310)), HOUR_MS, RULE)


def test_unsettled_when_a_candle_is_longer_than_legs_are_merged_over_then_one_behind_is_over():
    market = path({300: -0.06, 301: 0.025})  # a leg of one candle
    short = replace(RULE, merge_ms=HOUR_MS // 2)
    assert unsettled(market.cut(slice(0, 301)), HOUR_MS, short)
    assert not unsettled(market.cut(slice(0, 302)), HOUR_MS, short)


def test_unsettled_when_the_future_changes_then_what_it_said_before_does_not():
    market = path({300: -0.06, 308: 0.04})
    other = path({300: -0.06, 308: 0.04, 320: -0.08})
    for row in (290, 305, 319):
        rows = slice(0, row + 1)
        told = [unsettled(one.cut(rows), HOUR_MS, RULE) for one in (market, other)]
        assert told[0] == told[1]
