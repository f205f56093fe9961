"""What calibration reads of a row: found by name, row by row, known at its close."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.columns import FEATURE_SIGMA
from models.base.units import DAY_MS, HOUR_MS
from models.serve.conditions import (
    CLOCK_HOURS,
    INPUT_CLIP,
    ConditionInputs,
    ConditionTerm,
)

NAMES = ("%-range_gen_BTC/USDTUSDT_1h", "%-other", FEATURE_SIGMA)
INPUTS = ConditionInputs(NAMES, HOUR_MS)


def test_inputs_when_features_are_missing_then_it_does_without_them() -> None:
    assert INPUTS.names == (FEATURE_SIGMA, NAMES[0])
    whole = ("%-range", "%-range_mid", "%-vol_mid_slow", "%-vol_fast_mid", FEATURE_SIGMA)
    assert len(ConditionInputs(whole, HOUR_MS).names) == 5


def test_inputs_when_worked_out_then_logarithms_of_sigma_and_ranges_and_ratios_as_they_are() -> (
    None
):
    inputs = ConditionInputs(("%-vol_fast_mid", "%-range", FEATURE_SIGMA), HOUR_MS)
    x = np.array([[-0.5, 1.95, 0.25], [0.5, -1.0, 0.0]], np.float32)
    before = x.copy()
    found = inputs(x)
    np.testing.assert_allclose(found[0], [np.log(0.25), np.log(2.0), -0.5], rtol=1e-6)
    np.testing.assert_allclose(found[1], [np.log(1e-9), np.log(0.05), 0.5])  # nothing traded
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("opened_ms", "hour"),
    [(0, 1), (23 * HOUR_MS, 0), (2 * DAY_MS, 25), (4 * DAY_MS - HOUR_MS, 0)],
    ids=["Thursday", "Friday's midnight", "Saturday", "Monday's midnight"],
)
def test_clock_when_it_is_a_weekend_then_its_hours_are_others(opened_ms: int, hour: int) -> None:
    assert INPUTS.clock(np.array([opened_ms])).tolist() == [hour]


def test_term_when_worked_out_then_inputs_hour_and_level_are_added() -> None:
    clock = np.zeros(CLOCK_HOURS)
    clock[2] = 5.0
    term = ConditionTerm(
        {"mean": [1.0, 0.0], "std": [2.0, 1.0], "slope": [3.0, 0.5], "clock": clock,
         "intercept": 0.25}
    )  # fmt: skip
    inputs = np.array([[3.0, 0.0], [1.0, 2.0], [1e9, 0.0]])
    found = term(inputs, np.array([0, 2, 0]))
    np.testing.assert_allclose(found, [3.25, 6.25, 0.25 + 3.0 * INPUT_CLIP])


def test_term_when_a_row_is_asked_alone_then_it_is_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    term = ConditionTerm(
        {"mean": [0.1, 0.2], "std": [0.7, 1.3], "slope": rng.normal(size=2),
         "clock": rng.normal(size=CLOCK_HOURS), "intercept": 0.3}
    )  # fmt: skip
    inputs, clock = rng.normal(size=(50, 2)), rng.integers(CLOCK_HOURS, size=50)
    together = term(inputs, clock)
    for t in (0, 7, 49):
        np.testing.assert_array_equal(term(inputs[t : t + 1], clock[t : t + 1])[0], together[t])
