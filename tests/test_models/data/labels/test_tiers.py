"""Tiers L1 and L2 of the cascade label: by hand, blind to the future, agreement counted."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import AlignmentError, InputError
from models.data.labels.tiers import confirm_l1, label_agreement, liquidation_spikes, past_rank


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


def test_agreement_when_nothing_or_everything_matches_then_counts_say_so():
    times = np.array([10, 50, 90])
    same = label_agreement(times, times + 1, 1)
    assert (same.first_matched, same.second_matched, same.median_lag) == (3, 3, 1.0)
    none = label_agreement(times, times + 5, 1)
    assert (none.first_matched, none.second_matched) == (0, 0)
    assert np.isnan(none.median_lag)
    assert label_agreement(times, np.array([], int), 1).first == 3
