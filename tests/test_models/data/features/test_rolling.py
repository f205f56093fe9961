"""Trailing windows equal naive loops, and give the same bits wherever the frame starts."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.base.errors import InputError
from models.base.types import FloatArray
from models.data.features import rolling

NAIVE: dict[str, Callable[[FloatArray], float]] = {
    "rolling_mean": lambda x: float(np.mean(x)),
    "rolling_rms": lambda x: float(np.sqrt(np.mean(x * x))),
    "rolling_max": lambda x: float(np.max(x)),
    "rolling_min": lambda x: float(np.min(x)),
    "rolling_median": lambda x: float(np.median(x)),
}
values = arrays(np.float64, st.integers(0, 60), elements=st.floats(-1e6, 1e6, width=32))


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=40, deadline=None)
@given(x=values, window=st.integers(1, 20))
def test_rolling_when_compared_with_a_loop_then_every_row_agrees(
    name: str, x: FloatArray, window: int
) -> None:
    got = getattr(rolling, name)(x, window)
    expected = [
        NAIVE[name](x[t + 1 - window : t + 1]) if t + 1 >= window else np.nan for t in range(len(x))
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=40, deadline=None)
@given(
    window=st.sampled_from([1, 2, 12, 24, 48, 168]),
    first=st.integers(0, 200),
    dropped=st.integers(0, 200),
    seed=st.integers(0, 1000),
)
def test_rolling_when_the_frame_starts_later_or_ends_earlier_then_the_bits_are_the_same(
    name: str, window: int, first: int, dropped: int, seed: int
) -> None:
    x = np.random.default_rng(seed).normal(size=600) * 1e3
    function = getattr(rolling, name)
    last = len(x) - dropped
    part = function(x[first:last].copy(), window)[window - 1 :]
    np.testing.assert_array_equal(part, function(x, window)[first + window - 1 : last])


def test_rolling_median_when_the_window_is_a_month_of_minutes_then_windows_are_not_copied() -> None:
    x = np.random.default_rng(0).lognormal(size=10_000)
    tracemalloc.start()
    found = rolling.rolling_median(x, 8_640)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * x.nbytes  # all windows are 1,361 times as much
    assert found[-1] == np.median(x[-8_640:])


def test_rolling_control_when_a_running_sum_is_used_then_the_bits_do_depend_on_the_start() -> None:
    x = np.random.default_rng(0).normal(size=600) * 1e3

    def running(v: FloatArray) -> FloatArray:
        return (np.cumsum(v)[12:] - np.cumsum(v)[:-12]) / 12

    assert not np.array_equal(running(x[100:]), running(x)[100:])


def test_rolling_when_a_window_holds_a_nan_then_only_those_rows_are_nan() -> None:
    x = np.arange(10.0)
    x[4] = np.nan
    for name in ("rolling_mean", "rolling_rms", "rolling_max", "rolling_median"):
        out = getattr(rolling, name)(x, 3)
        assert np.flatnonzero(np.isnan(out)).tolist() == [0, 1, 4, 5, 6]


def test_rolling_when_the_window_is_empty_then_it_is_refused_with_the_number() -> None:
    with pytest.raises(InputError, match="at least 1 row, got 0"):
        rolling.rolling_mean(np.ones(3), 0)


def test_lag_when_it_reaches_before_the_frame_then_those_rows_are_nan() -> None:
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(rolling.lag(x, 0), x)
    np.testing.assert_array_equal(rolling.lag(x, 2), [np.nan, np.nan, 1.0])
    assert np.isnan(rolling.lag(x, 3)).all()
    assert np.isnan(rolling.lag(x, 9)).all()
