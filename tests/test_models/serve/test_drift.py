"""Drift from the training sample: shares by hand, known at t only, the same row by row, and quiet
on what it was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.types import Float32Array, FloatArray
from models.serve.drift import LEAST, WINDOW, Drift, fit_drift, stability

ALL = np.ones(3, np.bool_)


def walk(rows: int, seed: int = 0, slow: float = 0.98) -> Float32Array:
    """Return three features that remember: autoregressions of first order."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, 3))
    out = np.empty((rows, 3))
    out[0] = noise[0]
    for t in range(1, rows):
        out[t] = slow * out[t - 1] + np.sqrt(1 - slow**2) * noise[t]
    return out.astype(np.float32)


@pytest.fixture(scope="module")
def drift() -> Drift:
    return Drift(fit_drift(walk(4 * LEAST)), ALL)


def test_index_when_worked_by_hand_then_it_is_the_sum_over_the_bins() -> None:
    trained = np.arange(1000, dtype=np.float32)[:, None]
    reference = fit_drift(trained)
    edges = np.asarray(reference["edges"], np.float32)
    shares = np.asarray(reference["shares"])
    assert edges[0].tolist() == pytest.approx([99.9 * k for k in range(1, 10)], rel=1e-5)
    assert shares[0] == pytest.approx(0.1)
    # All of a window in the lowest bin: one share is 256.5 / 261, nine are 0.5 / 261.
    (index,) = stability(np.zeros((WINDOW, 1), np.float32), edges, shares)
    p = np.array([256.5 / 261] + 9 * [0.5 / 261])
    assert index[0] == pytest.approx(((p - 0.1) * np.log(p / 0.1)).sum())
    even = np.arange(0, 1000, 1000 / WINDOW, dtype=np.float32)[:, None]
    assert stability(even, edges, shares)[0] < 0.002
    unknown = np.full((WINDOW, 1), np.nan, np.float32)
    assert stability(unknown, edges, shares)[0] == index[0]


def test_threshold_when_fitted_then_the_training_stays_under_it_but_for_one_in_a_hundred() -> None:
    rows = walk(3 * LEAST)
    reference = fit_drift(rows)
    score = Drift(reference, ALL)(rows)[WINDOW - 1 :]
    assert (score > 1).mean() == pytest.approx(0.01, abs=1e-3)
    assert min(reference["usual"]) > 0.25  # by independent rows it would be on most of the time
    assert (stability(rows, *_arrays(reference)) > 0.25).mean() > 0.5
    independent = fit_drift(walk(2 * LEAST, slow=0.0))
    assert independent["usual"] == [0.25] * 3  # never below what is called a drift
    assert independent["threshold"] == 1.0


def _arrays(reference: dict[str, list[float]]) -> tuple[Float32Array, FloatArray]:
    return np.asarray(reference["edges"], np.float32), np.asarray(reference["shares"])


def test_drift_when_the_sample_goes_on_then_quiet_and_when_a_feature_changes_then_not(
    drift: Drift,
) -> None:
    later = walk(20 * WINDOW, seed=1)
    assert (drift(later)[WINDOW - 1 :] > 1).mean() < 0.1
    frozen = later.copy()
    frozen[:, 1] = later[0, 1]
    assert (drift(frozen)[WINDOW - 1 :] > 1).all()
    shifted = later.copy()
    shifted[:, 2] += 3.0
    assert (drift(shifted)[WINDOW - 1 :] > 1).mean() > 0.8


def test_drift_when_there_are_too_few_candles_or_training_rows_then_nobody_knows(
    drift: Drift,
) -> None:
    rows = walk(WINDOW + 1, seed=2)
    assert np.isnan(drift(rows)[: WINDOW - 1]).all()
    assert np.isfinite(drift(rows)[WINDOW - 1 :]).all()
    assert np.isnan(drift(rows[: WINDOW - 1])).all()
    assert len(drift(rows[:0])) == 0
    small = fit_drift(walk(LEAST - 1))
    assert small["threshold"] is None
    assert np.isnan(Drift(small, ALL)(rows)).all()


def test_drift_when_the_future_changes_then_no_row_before_it_does(drift: Drift) -> None:
    rows = walk(5000, seed=3)
    changed = rows.copy()
    changed[3000:] = np.nan
    assert np.array_equal(drift(rows)[:3000], drift(changed)[:3000], equal_nan=True)
    assert not np.array_equal(drift(rows)[3000:], drift(changed)[3000:])


def test_drift_when_asked_row_by_row_as_live_then_it_is_exactly_that_of_a_backtest(
    drift: Drift,
) -> None:
    rows = walk(5000, seed=4)
    whole = drift(rows)
    for t in (WINDOW - 1, WINDOW, 2303, 2304, 4999):
        assert drift(rows[t - WINDOW + 1 : t + 1])[-1] == whole[t]


def test_drift_when_a_feature_is_optional_then_it_does_not_count(drift: Drift) -> None:
    rows = walk(400, seed=5)
    more = np.column_stack((rows[:, 0], np.full(len(rows), np.nan), rows[:, 1:]))
    partly = Drift(fit_drift(walk(4 * LEAST)), np.array([True, False, True, True]))
    assert np.array_equal(partly(more.astype(np.float32)), drift(rows), equal_nan=True)
