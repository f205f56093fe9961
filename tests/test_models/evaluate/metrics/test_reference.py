"""The reference beside forecasts: same rows, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.types import FloatArray
from models.evaluate.metrics import Forecasts, reference_metrics

ROWS = 400


def forecasts(p: FloatArray, outcome: FloatArray) -> Forecasts:
    n = len(outcome)
    nothing = np.full(n, np.nan)
    return Forecasts(
        time_ms=3_600_000 * np.arange(n), p=p, outcome_class=outcome,
        quantiles=np.full((n, 5), np.nan), low=nothing, high=nothing, sigma=nothing,
        outcome_return=nothing, horizon_candles=1,
    )  # fmt: skip


def world() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Outcomes, a reference that knows when they move, and a model that knows where to as well."""
    rng = np.random.default_rng(0)
    outcome = rng.permutation(np.repeat([-1.0, 0.0, 1.0], (100, 200, 100)))
    moves = np.where(outcome == 0, 0.25, 0.75)
    reference = np.column_stack((moves / 2, 1 - moves, moves / 2))
    up = np.where(outcome > 0, 0.8, 0.2)
    model = np.column_stack((moves * (1 - up), 1 - moves, moves * up))
    return outcome, reference, model


def test_reference_when_worked_out_by_hand_then_its_gain_is_volatility_alone() -> None:
    outcome, reference, model = world()
    found = reference_metrics(forecasts(model, outcome), reference, np.random.default_rng(1))
    assert found["rows"] == ROWS
    of_moving = 1000 * np.log2(0.75 / 0.5)
    of_side = 1000 * np.log2(0.8 / 0.5) * 0.5  # half of the rows moved
    assert found["gain_millibits"]["value"] == pytest.approx(of_moving)
    assert found["gain_volatility_millibits"]["value"] == pytest.approx(of_moving)
    assert found["gain_direction_millibits"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["over_millibits"]["value"] == pytest.approx(of_side)
    assert found["over_volatility_millibits"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["over_millibits"]["low"] < of_side < found["over_millibits"]["high"]


def test_reference_when_either_lacks_a_row_then_it_counts_for_neither() -> None:
    outcome, reference, model = world()
    reference[:50], model[50:90], outcome[90:100] = np.nan, np.nan, np.nan
    found = reference_metrics(forecasts(model, outcome), reference, np.random.default_rng(1))
    rest = reference_metrics(
        forecasts(model[100:], outcome[100:]), reference[100:], np.random.default_rng(1)
    )
    assert found["rows"] == ROWS - 100
    assert found["over_millibits"]["value"] == rest["over_millibits"]["value"]


def test_reference_when_no_row_has_both_then_there_is_nothing_to_say() -> None:
    outcome, reference, model = world()
    f = forecasts(model, outcome)
    assert reference_metrics(f, np.nan * reference, np.random.default_rng(1)) == {}
