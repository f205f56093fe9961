"""Stretched quantiles: in order, around their median, each row by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base.columns import FEATURE_SIGMA
from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray
from models.base.units import HOUR_MS
from models.serve.conditions import CLOCK_HOURS, ConditionInputs
from models.serve.stretch import Stretch, StretchInputs

LAYOUT = HeadLayout(bin_edges=(1, 2))
NAMES = ("%-range_gen_BTC/USDTUSDT_1h", "%-other", FEATURE_SIGMA)
THURSDAY_MS = 0  # 1970-01-01, midnight


def outputs(rows: int, seed: int = 0) -> tuple[FloatArray, Float32Array]:
    """Ordered quantiles among other outputs, and features."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(rows, LAYOUT.width))
    raw[:, LAYOUT.quantiles] = np.sort(raw[:, LAYOUT.quantiles], axis=1)
    x = np.exp(rng.normal(size=(rows, len(NAMES)))).astype(np.float32)
    return raw, x


def fitted(**fields: Any) -> dict[str, Any]:
    none = {"mean": [0.0] * 3, "std": [1.0] * 3, "slope": [0.0] * 3}
    return {**none, "clock": [0.0] * CLOCK_HOURS, "intercept": 0.0, **fields}


def stretched(raw: FloatArray, x: Float32Array, first_ms: int = 0, **fields: Any) -> FloatArray:
    times = first_ms + HOUR_MS * np.arange(len(raw), dtype=np.int64)
    return Stretch(fitted(**fields), NAMES, HOUR_MS, LAYOUT)(raw, x, times)


@pytest.mark.parametrize("seed", range(5))
def test_stretch_when_any_is_fitted_then_quantiles_stay_in_order_around_their_median(
    seed: int,
) -> None:
    (raw, x), rng = outputs(200, seed), np.random.default_rng(seed)
    out = stretched(raw, x, slope=rng.normal(size=3), clock=rng.normal(size=CLOCK_HOURS))
    q, before = out[:, LAYOUT.quantiles], raw[:, LAYOUT.quantiles]
    assert (np.diff(q, axis=1) >= 0).all()
    np.testing.assert_array_equal(q[:, 2], before[:, 2])
    assert not np.allclose(q, before)
    rest = np.delete(np.arange(LAYOUT.width), np.arange(LAYOUT.width)[LAYOUT.quantiles])
    np.testing.assert_array_equal(out[:, rest], raw[:, rest])


def test_stretch_when_a_row_is_asked_alone_then_it_is_the_same_to_the_bit() -> None:
    (raw, x), rng = outputs(50), np.random.default_rng(1)
    fields = {"slope": rng.normal(size=3), "clock": rng.normal(size=CLOCK_HOURS)}
    together = stretched(raw, x, **fields)
    for t in (0, 7, 49):
        alone = stretched(raw[t : t + 1], x[t : t + 1], first_ms=t * HOUR_MS, **fields)
        np.testing.assert_array_equal(alone[0], together[t])


def test_stretch_when_there_is_no_forecast_then_there_is_still_none() -> None:
    raw, x = outputs(3)
    raw[1], x[1] = np.nan, np.nan
    out = stretched(raw, x, intercept=0.5)
    assert np.isnan(out[1, LAYOUT.quantiles]).all()
    assert np.isfinite(out[[0, 2]]).all()


def test_stretch_when_worked_out_then_the_factor_is_that_of_the_row_and_its_hour() -> None:
    raw, x = np.zeros((2, LAYOUT.width)), np.ones((2, len(NAMES)), np.float32)
    raw[:, LAYOUT.quantiles] = [-2.0, -1.0, 0.0, 1.0, 2.0]
    clock = np.zeros(CLOCK_HOURS)
    clock[2] = np.log(3.0)  # of the second row, whose candle closes at two on a Thursday
    out = stretched(raw, x, THURSDAY_MS, slope=[1.0, 0.0, 0.0], clock=clock)
    # The first input is the log of half the width, here of 2.
    np.testing.assert_allclose(out[0, LAYOUT.quantiles], [-4, -2, 0, 2, 4])
    np.testing.assert_allclose(out[1, LAYOUT.quantiles], [-12, -6, 0, 6, 12])


def test_stretch_when_inputs_are_beyond_all_measure_then_the_factor_is_bounded() -> None:
    raw, x = outputs(20)
    x[:10], x[10:] = 1e30, 0.0
    out = stretched(raw, x, slope=[50.0, -50.0, 50.0])
    width = np.ptp(out[:, LAYOUT.quantiles], axis=1) / np.ptp(raw[:, LAYOUT.quantiles], axis=1)
    assert np.isfinite(out).all()
    assert ((width > 1 / 21) & (width < 21)).all()


def test_stretch_when_the_model_has_no_quantiles_then_outputs_stay_as_they_are() -> None:
    raw, x = outputs(4)
    times = np.arange(4, dtype=np.int64)
    np.testing.assert_array_equal(Stretch(None, NAMES, HOUR_MS, LAYOUT)(raw, x, times), raw)


def test_inputs_when_asked_then_half_the_width_stands_before_the_conditions() -> None:
    inputs = StretchInputs(NAMES, HOUR_MS)
    assert inputs.names == ("half width", FEATURE_SIGMA, NAMES[0])
    raw, x = outputs(5)
    q = raw[:, LAYOUT.quantiles]
    found = inputs(q, x)
    np.testing.assert_allclose(found[:, 0], np.log((q[:, -1] - q[:, 0]) / 2))
    np.testing.assert_array_equal(found[:, 1:], ConditionInputs(NAMES, HOUR_MS)(x))
