"""A feed is known when it was published, ages, and is never filled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import AlignmentError, InputError
from models.data.feeds.point_in_time import join

CLOSE = np.arange(10, 210, 10)


@settings(max_examples=100, deadline=None)
@given(
    times=st.lists(st.integers(0, 200), unique=True, max_size=20).map(sorted),
    lag=st.integers(0, 30),
    longest=st.integers(0, 60),
    data=st.data(),
)
def test_join_when_compared_with_a_loop_then_rows_agree(times, lag, longest, data):
    values = np.array(
        data.draw(
            st.lists(
                st.one_of(st.floats(-5, 5), st.just(float("nan"))),
                min_size=len(times), max_size=len(times),
            )
        ),
        dtype=float,
    )  # fmt: skip
    out = join(CLOSE, np.array(times, dtype=int), values, lag_ms=lag, longest_ms=longest)
    for i, close in enumerate(CLOSE):
        public = [
            (close - t - lag, v)
            for t, v in zip(times, values, strict=True)
            if t + lag <= close and np.isfinite(v)
        ]
        age, value = min(public, default=(np.nan, np.nan))
        np.testing.assert_array_equal(out.age_ms[i], age)
        np.testing.assert_array_equal(out.value[i], value if age <= longest else np.nan)


def test_join_when_a_value_is_not_yet_public_then_changing_it_changes_nothing():
    about, values = np.array([50, 100, 150]), np.array([1.0, 2.0, 3.0])
    before = join(CLOSE, about, values, lag_ms=7, longest_ms=1000)
    after = join(CLOSE, about, np.array([1.0, 2.0, 99.0]), lag_ms=7, longest_ms=1000)
    early = CLOSE < 157
    np.testing.assert_array_equal(before.value[early], after.value[early])
    assert (after.value[~early] == 99.0).all()


def test_join_when_there_is_no_feed_at_all_then_everything_is_missing_not_zero():
    out = join(CLOSE, np.array([], dtype=int), np.array([]), lag_ms=0, longest_ms=10)
    assert np.isnan(out.value).all()
    assert np.isnan(out.age_ms).all()


def test_join_when_times_are_wrong_then_it_is_refused():
    with pytest.raises(AlignmentError, match="increasing feed times, got 5 after 5"):
        join(CLOSE, np.array([5, 5]), np.zeros(2), lag_ms=0, longest_ms=1)
    with pytest.raises(AlignmentError, match="increasing candle closes"):
        join(CLOSE[::-1], np.array([5]), np.zeros(1), lag_ms=0, longest_ms=1)
    with pytest.raises(AlignmentError, match="got 1 and 2"):
        join(CLOSE, np.array([5]), np.zeros(2), lag_ms=0, longest_ms=1)
    with pytest.raises(InputError, match="lag"):
        join(CLOSE, np.array([5]), np.zeros(1), lag_ms=-1, longest_ms=1)
