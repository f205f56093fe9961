"""Tiers L1 and L2 of the cascade label: by hand, blind to the future, agreement counted."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import AlignmentError, InputError
from models.data.labels.tiers import (
    OPEN_INTEREST_DROP,
    confirm_l1,
    label_agreement,
    liquidation_spikes,
    past_rank,
)


def test_past_rank_when_later_values_change_then_earlier_ranks_stay():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    values[rng.integers(0, 200, 20)] = np.nan
    whole = past_rank(values, 50)
    for cut in (60, 120, 199):
        changed = values.copy()
        changed[cut:] = 100.0
        np.testing.assert_array_equal(past_rank(changed, 50)[:cut], whole[:cut])
    for t in (30, 77, 150):
        past = values[max(t - 50, 0) : t]
        known = past[np.isfinite(past)]
        if np.isfinite(values[t]):
            assert whole[t] == (known < values[t]).mean()


def test_past_rank_when_history_is_missing_then_it_is_unknown():
    values = np.array([np.nan, np.nan, 1.0, 2.0, 3.0, np.nan])
    np.testing.assert_array_equal(np.isnan(past_rank(values, 4)), [1, 1, 1, 1, 0, 1])
    with pytest.raises(InputError, match="window of at least 1"):
        past_rank(values, 0)


def test_past_rank_when_worked_by_hand_then_ties_are_not_below_and_half_the_past_is_enough():
    np.testing.assert_array_equal(past_rank(np.array([1.0, 2.0, 3.0, 0.0]), 2), [np.nan, 1, 1, 0])
    np.testing.assert_array_equal(past_rank(np.array([1.0, 2.0, 3.0]), 3), [np.nan, np.nan, 1])
    np.testing.assert_array_equal(past_rank(np.array([1.0, 1.0, 2.0]), 1), [np.nan, 0, 1])


def l1(side: int, funding_before: float, drop: float, known: bool = True):
    funding = np.linspace(-1e-4, 1e-4, 60)
    funding[39] = funding_before  # onset at row 40
    interest = np.full(60, 100.0)
    interest[43:] = 100.0 * (1 - drop)
    if not known:
        interest[39] = np.nan
    return confirm_l1(np.array([40]), side, funding, interest, history=30, window=5)


def test_l1_when_longs_paid_dearly_and_interest_fell_then_a_fall_is_confirmed_a_squeeze_not():
    assert l1(-1, 1e-3, 0.05).yes[0]
    assert not l1(1, 1e-3, 0.05).yes[0]
    assert l1(1, -1e-3, 0.05).yes[0]
    assert not l1(-1, 1e-3, 0.02).yes[0]
    assert not l1(-1, 0.0, 0.05).yes[0]


def test_l1_when_interest_fell_by_the_limit_itself_then_it_is_confirmed_and_by_less_is_not():
    assert l1(-1, 1e-3, OPEN_INTEREST_DROP).yes[0]
    assert not l1(-1, 1e-3, 0.029).yes[0]
    assert l1(-1, 1e-3, 0.04).yes[0]


@pytest.mark.parametrize(("cheaper", "crowded"), [(27, True), (26, False)])
def test_l1_when_funding_is_in_the_dearest_tenth_then_the_side_is_crowded(cheaper, crowded):
    # The rate before the onset is dearer than `cheaper` of the 30 before it.
    funding = np.zeros(60)
    funding[9:39] = np.where(np.arange(30) < cheaper, 1e-5, 3e-5)
    funding[39] = 2e-5
    interest = np.where(np.arange(60) >= 42, 50.0, 100.0)
    assert confirm_l1(np.array([40]), -1, funding, interest, history=30, window=5).yes == [crowded]


@pytest.mark.parametrize(("row", "within"), [(40, True), (45, True), (46, False)])
def test_l1_when_interest_falls_up_to_the_window_after_the_onset_then_it_counts(row, within):
    funding = np.zeros(60)
    funding[39] = 1e-3
    interest = np.full(60, 100.0)
    interest[row] = 50.0
    assert confirm_l1(np.array([40]), -1, funding, interest, history=30, window=5).yes == [within]


def test_l1_when_a_single_value_after_the_onset_is_known_then_it_tells_and_none_does_not():
    funding = np.zeros(60)
    funding[39] = 1e-3
    interest = np.full(60, 100.0)
    interest[40:] = np.nan
    blind = confirm_l1(np.array([40]), -1, funding, interest, history=30, window=5)
    assert (blind.yes[0], blind.told[0]) == (False, False)
    interest[44] = 50.0
    one = confirm_l1(np.array([40]), -1, funding, interest, history=30, window=5)
    assert (one.yes[0], one.told[0]) == (True, True)


def test_l1_when_interest_before_the_onset_is_unknown_then_it_is_not_told():
    confirmed = l1(-1, 1e-3, 0.05, known=False)
    assert not confirmed.told[0]
    assert not confirmed.yes[0]
    with pytest.raises(AlignmentError, match="got 3 and 2"):
        confirm_l1(np.array([1]), -1, np.zeros(3), np.zeros(2), history=2, window=1)


def test_l1_when_funding_moves_only_with_the_onset_then_it_does_not_count():
    funding = np.linspace(-1e-4, 1e-4, 60)
    funding[39] = 0.0
    funding[40:] = 1.0
    interest = np.where(np.arange(60) >= 42, 50.0, 100.0)
    rows = np.array([40])
    assert not confirm_l1(rows, -1, funding, interest, history=30, window=5).yes[0]


def test_liquidation_spikes_when_the_whole_level_is_revised_then_the_spikes_stay():
    rng = np.random.default_rng(1)
    notional = rng.lognormal(sigma=1.0, size=2000)
    notional[[900, 1500]] = 1e4
    spikes = liquidation_spikes(notional, 500)
    assert {900, 1500} <= set(np.flatnonzero(spikes))
    assert 2 <= spikes.sum() < 40
    np.testing.assert_array_equal(liquidation_spikes(1.18 * notional, 500), spikes)
    assert not spikes[:250].any()  # half the history is needed


def test_liquidation_spikes_when_a_value_is_beyond_the_quantile_itself_then_it_is_one():
    past = np.arange(200.0)
    for value, spike in ((198.5, True), (197.5, False)):  # beyond 199 and 198 of 200
        assert liquidation_spikes(np.append(past, value), 200)[-1] == spike


def test_agreement_when_nothing_or_everything_matches_then_counts_say_so():
    times = np.array([10, 50, 90])
    same = label_agreement(times, times + 1, 1)
    assert (same.first_matched, same.second_matched, same.median_lag) == (3, 3, 1.0)
    none = label_agreement(times, times + 5, 1)
    assert (none.first_matched, none.second_matched) == (0, 0)
    assert np.isnan(none.median_lag)
    nothing = np.array([], int)
    assert label_agreement(times, nothing, 1)[:4] == (3, 0, 0, 0)
    assert label_agreement(nothing, times, 1)[:4] == (0, 3, 0, 0)


def test_agreement_when_one_event_has_two_near_it_then_each_tier_counts_its_own():
    found = label_agreement(np.array([10, 50]), np.array([9, 12, 90]), 2)
    assert found == (2, 3, 1, 2, -1.0)
