"""Labels look ahead by a stated number of candles, say so with NaN, and find planted crashes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.base import columns
from models.base.errors import InputError
from models.base.types import BoolArray, Candles, FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.data.labels.cascade import (
    CascadeConfig,
    candles_to_onset,
    cascade_hits,
    cascade_onsets,
    coin_floor,
    hazard_bins,
)
from models.data.labels.returns import cost_aware_class, forward_log_return
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from tests.test_models.markets import random_walk

HISTORY = 100  # candles, instead of 30 days
RULE = CascadeConfig(history_ms=HISTORY * HOUR_MS)
CALM = random_walk(600, sigma=0.002)


def with_moves(moves: dict[int, float], volume: float = 50.0, sigma: float = 0.002) -> Candles:
    """A calm market with log moves planted at rows, and `volume` at those rows."""
    calm = random_walk(600, sigma=sigma)
    step, traded = np.zeros(600), np.ones(600)
    for row, move in moves.items():
        step[row] = move
        traded[row] = volume
    close = calm.close * np.exp(np.cumsum(step))
    # No wicks: what a candle reached is what it closed at.
    return dataclasses.replace(calm, low=close, high=close, close=close, volume=traded)


def onsets(candles: Candles, side: int, rule: CascadeConfig = RULE) -> list[int]:
    return np.flatnonzero(cascade_onsets(candles, HOUR_MS, side, rule)[0]).tolist()


# -- forward returns ----------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    close=arrays(np.float64, st.integers(1, 30), elements=st.floats(0.01, 1e5)),
    horizon=st.integers(1, 40),
)
def test_forward_return_when_compared_with_a_loop_then_rows_agree_and_the_tail_is_nan(
    close: FloatArray, horizon: int
) -> None:
    out = forward_log_return(close, horizon)
    for t in range(len(close)):
        known = t + horizon < len(close)
        expected = np.log(close[t + horizon] / close[t]) if known else np.nan
        np.testing.assert_allclose(out[t], expected)


def test_forward_return_when_the_horizon_is_zero_then_it_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 candle, got 0"):
        forward_log_return(np.ones(3), 0)


def test_cost_aware_class_when_a_move_only_pays_the_cost_then_it_is_flat() -> None:
    r = np.array([-0.0015, -0.0014, 0.0, 0.0014, 0.0015, np.nan])
    np.testing.assert_array_equal(cost_aware_class(r, 0.0014), [-1.0, 0.0, 0.0, 0.0, 1.0, np.nan])
    np.testing.assert_array_equal(cost_aware_class(r, 0.0)[:5], [-1.0, -1.0, 0.0, 1.0, 1.0])
    for cost in (-0.001, np.nan):
        with pytest.raises(InputError, match="round-trip cost >= 0"):
            cost_aware_class(r, cost)


# -- cascades -----------------------------------------------------------------------------------


def test_cascade_when_a_crash_is_planted_then_only_its_side_has_it_at_its_candle() -> None:
    crash = with_moves({300: -0.06})
    assert onsets(crash, -1) == [300]
    assert onsets(crash, 1) == []
    squeeze = with_moves({300: 0.06})
    assert onsets(squeeze, -1) == []
    assert onsets(squeeze, 1) == [300]
    assert onsets(CALM, -1) == onsets(CALM, 1) == []


def with_wick(row: int, side: int, reach: float = 0.06) -> Candles:
    """A calm market, but for one candle on volume that trades `reach` away and comes back."""
    calm = with_moves({row: 0.0})
    low, high = calm.low.copy(), calm.high.copy()
    if side < 0:
        low[row] = calm.close[row - 1] * np.exp(-reach)
    else:
        high[row] = calm.close[row - 1] * np.exp(reach)
    return dataclasses.replace(calm, low=low, high=high)


@pytest.mark.parametrize("side", [-1, 1])
def test_cascade_when_only_a_wick_passes_the_bar_then_it_is_one_and_its_close_sees_none(
    side: int,
) -> None:
    wick = with_wick(300, side)
    assert onsets(wick, side) == [300]
    assert onsets(wick, -side) == []
    assert onsets(wick, side, dataclasses.replace(RULE, by_close=True)) == []


def test_cascade_when_a_wick_is_held_against_the_floor_then_it_counts_from_the_last_close() -> None:
    # The candle before closed at its low: what is measured is the hour's own move, not the range.
    for reach, found in ((0.0299, []), (0.0301, [300])):
        assert onsets(with_wick(300, -1, reach), -1) == found


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), side=st.sampled_from((-1, 1)))
def test_cascade_when_it_counts_by_the_close_then_it_counts_by_excursion_too(
    seed: int, side: int
) -> None:
    market = random_walk(600, seed=seed, sigma=0.02)
    low_bar = dataclasses.replace(RULE, sigma_multiple=1.0, volume_multiple=1.0)
    by_close = dataclasses.replace(low_bar, by_close=True)
    hits, closing = (cascade_hits(market, HOUR_MS, side, r)[0] for r in (low_bar, by_close))
    assert closing.any()
    assert hits[closing].all()
    assert hits.sum() > closing.sum()


def test_cascade_when_moves_come_within_a_day_then_they_are_one_episode() -> None:
    assert onsets(with_moves({300: -0.06, 310: -0.06}), -1) == [300]
    # A chain counts as one as long as each link is within a day of the last one.
    assert onsets(with_moves({300: -0.06, 315: -0.06, 330: -0.06}), -1) == [300]
    assert onsets(with_moves({300: -0.06, 330: -0.06}), -1) == [300, 330]


def test_cascade_when_hits_are_exactly_the_merge_time_apart_then_they_are_still_one() -> None:
    day = RULE.merge_ms // HOUR_MS
    assert onsets(with_moves({300: -0.06, 300 + day: -0.06}), -1) == [300]
    assert onsets(with_moves({300: -0.06, 301 + day: -0.06}), -1) == [300, 301 + day]


def test_cascade_when_its_own_volume_would_raise_the_bar_then_it_is_held_against_those_before() -> (
    None
):
    # Ones and threes by turns: their median is 2, and 3 as soon as the cascade's own is among them
    # in place of a one. Three medians are 6 before it and 9 with it; it trades 7.
    crash = with_moves({300: -0.06}, volume=7.0)
    volume = np.where(np.arange(600) % 2 == 0, 1.0, 3.0)
    volume[300] = 7.0
    assert onsets(dataclasses.replace(crash, volume=volume), -1) == [300]


def test_cascade_when_the_move_is_under_the_floor_then_many_sigmas_do_not_make_it_one() -> None:
    small = with_moves({300: -0.025}, sigma=0.0005)  # 50 sigmas
    assert onsets(small, -1) == []
    assert onsets(small, -1, dataclasses.replace(RULE, floor_frac=0.02)) == [300]


def test_cascade_when_volatility_is_high_then_the_floor_does_not_make_it_one() -> None:
    move = {300: -0.06}
    assert onsets(with_moves(move, sigma=0.03), -1) == []  # two sigmas
    assert onsets(with_moves(move, sigma=0.005), -1) == [300]  # twelve


def test_cascade_when_volume_is_ordinary_then_it_is_none() -> None:
    assert onsets(with_moves({300: -0.06}, volume=3.0), -1) == []
    assert onsets(with_moves({300: -0.06}, volume=3.1), -1) == [300]


def test_cascade_when_volume_is_held_against_the_median_then_it_is_a_multiple_of_it() -> None:
    # The median of ones and threes is 2, three of it are 6.
    volume = np.where(np.arange(600) % 2 == 0, 1.0, 3.0)
    for traded, found in ((5.9, []), (6.1, [300])):
        volume[300] = traded
        assert onsets(dataclasses.replace(with_moves({300: -0.06}), volume=volume), -1) == found


def test_cascade_when_volume_rose_just_before_then_the_last_candle_counts_in_the_median() -> None:
    short = dataclasses.replace(RULE, history_ms=3 * HOUR_MS)
    volume = np.ones(600)
    volume[298:300] = 3.0
    volume[300] = 7.0
    assert onsets(dataclasses.replace(with_moves({300: -0.06}), volume=volume), -1, short) == []


def test_cascade_when_the_move_is_the_floor_itself_then_it_is_none_and_a_hair_more_is_one() -> None:
    crash = with_moves({300: -0.06})
    move = float(np.log(crash.close[299]) - np.log(crash.close[300]))
    assert onsets(crash, -1, dataclasses.replace(RULE, floor_frac=move)) == []
    below = float(np.nextafter(move, 0.0))
    assert onsets(crash, -1, dataclasses.replace(RULE, floor_frac=below)) == [300]


def test_cascade_when_candles_are_as_long_as_the_move_then_two_of_them_do_not_add_up() -> None:
    assert onsets(with_moves({300: -0.02, 301: -0.02}), -1) == []


def test_cascade_when_the_move_takes_several_candles_then_volatility_is_that_over_as_many() -> None:
    # Four candles of 1 % are 2 % together, and four times that is the bar: 8 %.
    hours = dataclasses.replace(RULE, move_ms=4 * HOUR_MS)
    for move, found in ((-0.06, []), (-0.11, [300])):
        steps = np.where(np.arange(600) % 2, 0.01, -0.01)
        steps[300] = move
        market = with_moves({300: move})
        close = 100.0 * np.exp(np.cumsum(steps))
        assert onsets(dataclasses.replace(market, low=close, close=close), -1, hours) == found


def test_cascade_when_merging_takes_no_longer_than_a_candle_then_only_neighbours_are_one() -> None:
    alone = dataclasses.replace(RULE, merge_ms=1)
    assert onsets(with_moves({300: -0.06, 301: -0.06, 303: -0.06}), -1, alone) == [300, 303]


def test_cascade_when_the_history_is_too_short_for_two_returns_then_two_are_taken() -> None:
    rule = dataclasses.replace(RULE, history_ms=HOUR_MS)
    onset, known = cascade_onsets(with_moves({10: -0.06}), HOUR_MS, -1, rule)
    assert known.tolist() == [False] * 3 + [True] * 597
    assert np.flatnonzero(onset).tolist() == [10]


def test_cascade_when_history_is_missing_then_the_rows_are_unknown_and_without_onset() -> None:
    crash = with_moves({50: -0.06, 300: -0.06})
    onset, known = cascade_onsets(crash, HOUR_MS, -1, RULE)
    first = HISTORY + 1  # returns of HISTORY candles, ending one candle earlier
    assert known.tolist() == [False] * first + [True] * (600 - first)
    assert not onset[~known].any()


@settings(max_examples=20, deadline=None)
@given(last=st.integers(0, 598))
def test_cascade_when_later_candles_change_then_earlier_onsets_stay(last: int) -> None:
    market = with_moves({200: -0.06, 300: 0.06, 400: -0.06})
    changed = {
        name: np.concatenate((getattr(market, name)[: last + 1], getattr(CALM, name)[last + 1 :]))
        for name in ("low", "high", "close", "volume")
    }
    for side in (-1, 1):
        whole = cascade_onsets(market, HOUR_MS, side, RULE)
        other = cascade_onsets(dataclasses.replace(market, **changed), HOUR_MS, side, RULE)
        for a, b in zip(whole, other, strict=True):
            np.testing.assert_array_equal(a[: last + 1], b[: last + 1])


def test_cascade_when_the_side_or_a_setting_is_wrong_then_it_is_refused() -> None:
    with pytest.raises(InputError, match="side -1 or \\+1, got 0"):
        cascade_onsets(CALM, HOUR_MS, 0)
    for name in ("move_ms", "sigma_multiple", "floor_frac", "volume_multiple", "history_ms"):
        with pytest.raises(ValueError, match=f"expected {name} > 0, got 0"):
            CascadeConfig(**{name: 0})


def test_cascade_rule_when_nothing_is_set_then_it_is_the_documented_one() -> None:
    rule = CascadeConfig()
    assert (rule.move_ms, rule.history_ms, rule.merge_ms) == (HOUR_MS, 30 * DAY_MS, DAY_MS)
    assert (rule.sigma_multiple, rule.floor_frac, rule.volume_multiple) == (4.0, 0.03, 3.0)
    assert (rule.retrace_frac, rule.longest_ms) == (0.382, DAY_MS)
    assert (coin_floor("BTC"), coin_floor("XRP")) == (0.03, 0.04)


# -- candles to onset ---------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    onset=arrays(np.bool_, st.integers(0, 40)),
    horizon=st.integers(1, 12),
    unknown=st.integers(0, 10),
)
def test_candles_to_onset_when_compared_with_a_loop_then_rows_agree(
    onset: BoolArray, horizon: int, unknown: int
) -> None:
    known = np.arange(len(onset)) >= unknown
    out = candles_to_onset(onset, known, horizon)
    for t in range(len(onset)):
        ahead = np.flatnonzero(onset[t + 1 : t + 1 + horizon])
        seen = t + horizon < len(onset) and known[t]
        expected = (ahead[0] + 1 if len(ahead) else horizon + 1) if seen else np.nan
        np.testing.assert_array_equal(out[t], expected)


def test_candles_to_onset_when_the_onset_is_now_then_it_is_not_ahead() -> None:
    onset = np.array([True, False, False, True, False, False, False])
    out = candles_to_onset(onset, np.ones(7, bool), 2)
    np.testing.assert_array_equal(out, [3, 2, 1, 3, 3, np.nan, np.nan])


def test_candles_to_onset_when_candles_ahead_are_unknown_then_the_row_is_not_called_quiet() -> None:
    known = np.array([True, True, False, False, True, True, True, True])
    out = candles_to_onset(np.zeros(8, bool), known, 2)
    assert np.isnan(out[[0, 1]]).all()


def test_candles_to_onset_when_one_candle_is_unknown_then_only_rows_that_look_at_it_are() -> None:
    known = np.arange(8) != 3
    out = candles_to_onset(np.zeros(8, bool), known, 2)
    np.testing.assert_array_equal(np.isnan(out), [0, 1, 1, 1, 0, 0, 1, 1])
    first = candles_to_onset(np.zeros(4, bool), np.arange(4) > 0, 1)
    np.testing.assert_array_equal(np.isnan(first), [1, 0, 0, 1])


# -- bins ---------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_hazard_bins_when_made_then_edges_rise_from_one_to_the_horizon(data: st.DataObject) -> None:
    horizon = data.draw(st.integers(1, 300))
    bins = data.draw(st.integers(1, horizon))
    edges = hazard_bins(horizon, bins)
    assert len(edges) == bins
    assert edges[-1] == horizon
    assert all(b > a for a, b in zip((0, *edges), edges, strict=False))


def test_hazard_bins_when_worked_by_hand_then_they_are_spaced_by_logarithms() -> None:
    assert hazard_bins(24, 6) == (1, 2, 4, 7, 13, 24)
    assert hazard_bins(24, 4) == (1, 3, 8, 24)
    assert hazard_bins(5, 5) == (1, 2, 3, 4, 5)
    assert hazard_bins(9, 1) == (9,)


def test_hazard_bins_when_more_than_the_horizon_or_none_then_refused_with_both_numbers() -> None:
    for horizon, bins in ((3, 4), (3, 0)):
        with pytest.raises(InputError, match=f"got {bins} bins for {horizon} candles"):
            hazard_bins(horizon, bins)


# -- all labels of one market -------------------------------------------------------------------

LABEL_ROWS = 900  # 721 rows before a cascade can be told, then room on both sides
SETTINGS = LabelSettings(horizon_candles=4, cascade_horizon_candles=24)
PURGE = SETTINGS.purge_candles
QUIET = dataclasses.replace(
    random_walk(LABEL_ROWS, seed=3, sigma=0.002), volume=np.ones(LABEL_ROWS)
)
QUIET_LABELS = label_columns(QUIET, HOUR_MS, SETTINGS)
told = st.integers(721, LABEL_ROWS - PURGE - 2)  # rows with every label, and a row after the purge


def jumped(row: int, move: float) -> Candles:
    """The quiet market with a log move and abnormal volume at `row`; prices stay there."""
    at = np.arange(LABEL_ROWS)
    factor = np.exp(move * (at >= row))
    return dataclasses.replace(
        QUIET,
        low=QUIET.low * factor,
        high=QUIET.high * factor,
        close=QUIET.close * factor,
        volume=np.where(at == row, 50.0, QUIET.volume),
    )


def test_label_columns_when_made_then_each_has_a_row_per_candle_and_a_nan_tail() -> None:
    assert set(QUIET_LABELS) == {*columns.LABELS, *columns.HEDGE_LABELS, *columns.AHEAD_PRICES}
    assert np.isnan(QUIET_LABELS[columns.LABEL_PEAK]).all()  # nothing happens here
    ahead = {columns.LABEL_RETURN: 4, columns.LABEL_DIRECTION: 4}
    ahead |= dict.fromkeys(columns.AHEAD_PRICES, 1)
    for name, values in QUIET_LABELS.items():
        tail = ahead.get(name, 24)
        assert len(values) == LABEL_ROWS
        assert np.isnan(values[-tail:]).all(), name
        if name != columns.LABEL_PEAK:
            assert np.isfinite(values[721:-tail]).all(), name


@settings(max_examples=40, deadline=None)
@given(t=told, move=st.sampled_from([-0.2, 0.2]), later=st.integers(1, 60))
def test_label_columns_when_rows_after_the_purge_change_then_no_label_up_to_there_does(
    t: int, move: float, later: int
) -> None:
    row = min(t + PURGE + later, LABEL_ROWS - 1)
    changed = label_columns(jumped(row, move), HOUR_MS, SETTINGS)
    for name, values in QUIET_LABELS.items():
        np.testing.assert_array_equal(changed[name][: t + 1], values[: t + 1], err_msg=name)


@settings(max_examples=40, deadline=None)
@given(t=told, ahead=st.integers(1, PURGE), side=st.sampled_from([-1, 1]))
def test_label_columns_when_a_row_inside_the_horizon_changes_then_labels_do_look_forward(
    t: int, ahead: int, side: int
) -> None:
    changed = label_columns(jumped(t + ahead, 0.2 * side), HOUR_MS, SETTINGS)
    own, other = columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP
    own, other = (own, other) if side < 0 else (other, own)
    assert QUIET_LABELS[own][t] == PURGE + 1
    assert changed[own][t] == ahead
    assert changed[other][t] == PURGE + 1
    within = ahead <= SETTINGS.horizon_candles
    assert (changed[columns.LABEL_RETURN][t] != QUIET_LABELS[columns.LABEL_RETURN][t]) == within
    if within:
        assert changed[columns.LABEL_DIRECTION][t] == side


def test_label_columns_control_when_the_purge_is_one_candle_short_then_a_label_crosses_it() -> None:
    t = 800
    changed = label_columns(jumped(t + PURGE, -0.2), HOUR_MS, SETTINGS)
    name = columns.LABEL_CASCADE_DOWN
    assert changed[name][t] == PURGE
    assert changed[name][t] != QUIET_LABELS[name][t]


def test_label_columns_when_a_row_is_worked_by_hand_then_the_return_is_in_units_of_sigma() -> None:
    # Every return is 1 % in size, so sigma is 0.01 and the horizon's is 0.02.
    close = np.exp(0.01 * (np.arange(LABEL_ROWS) % 2))
    close[204:] *= np.exp(0.05)
    out = label_columns(dataclasses.replace(QUIET, close=close), HOUR_MS, SETTINGS)
    assert out[columns.LABEL_RETURN][200] == pytest.approx(0.05 / 0.02)
    assert out[columns.LABEL_DIRECTION][200] == 1.0
    assert out[columns.LABEL_DIRECTION][190] == 0.0


def test_label_columns_when_a_fall_lies_inside_a_squeeze_then_the_peak_is_that_of_the_fall() -> (
    None
):
    # The squeeze of 20 % peaks at once and is not taken back by the fall, which deepens at 807.
    steps = np.zeros(LABEL_ROWS)
    steps[[800, 805, 807]] = 0.2, -0.05, -0.01
    close = QUIET.close[0] * np.exp(np.cumsum(steps) + 1e-4 * (np.arange(LABEL_ROWS) % 2))
    volume = np.ones(LABEL_ROWS)
    volume[[800, 805]] = 50.0
    market = dataclasses.replace(QUIET, close=close, high=close, low=close, volume=volume)
    peak = label_columns(market, HOUR_MS, SETTINGS)[columns.LABEL_PEAK]
    np.testing.assert_array_equal(peak[799:809], [np.nan, 2, 1, 1, 1, 1, 4, 3, 2, 1])
