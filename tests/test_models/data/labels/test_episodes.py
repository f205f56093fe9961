"""Onset, peak, end and states of a cascade, by hand; what is known when, by changing the future."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.heads import cumulative_incidence, hazard_targets
from models.base.types import Candles
from models.base.units import HOUR_MS
from models.data.labels.action import STEP, best_action, step_benefit
from models.data.labels.cascade import CascadeConfig
from models.data.labels.episodes import (
    Leg,
    State,
    candles_to_peak,
    cascade_legs,
    closed_episodes,
    episodes,
    inside,
    states,
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
    assert [(leg.onset, leg.end) for leg in legs] == [(300, 300 + DAY)]
    assert opened is None


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


def test_best_action_when_a_move_does_not_pay_the_step_then_it_is_maintain():
    r = np.array([-0.05, -0.001, 0.0, 0.001, 0.05])
    close = np.ravel(np.column_stack((np.full(5, 100.0), 100.0 * (1 + r))))
    np.testing.assert_array_equal(best_action(close, 1, 0.0014)[::2], [1, 0, 0, 0, -1])
    with pytest.raises(InputError, match="cost >= 0"):
        best_action(close, 1, -0.1)
