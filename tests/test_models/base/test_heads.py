"""Decoding of raw outputs: layout, probabilities, and discrete-time survival."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.base.heads import (
    HeadLayout,
    chained,
    hazard_targets,
    onset_probability,
    sigmoid,
    softmax,
)
from models.base.types import FloatArray

edges = st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True).map(
    lambda e: tuple(sorted(e))
)


@given(bins=edges)
def test_layout_when_sliced_then_every_output_belongs_to_exactly_one_head(
    bins: tuple[int, ...],
) -> None:
    layout = HeadLayout(bin_edges=bins)
    owners = np.zeros(layout.width, dtype=int)
    for part in (layout.classes, layout.quantiles, layout.hazard(-1), layout.hazard(1)):
        owners[part] += 1
    assert (owners == 1).all()
    assert layout.width == 3 + 5 + 2 * len(bins)


@given(logits=arrays(np.float64, (4, 3), elements=st.floats(-700, 700)), shift=st.floats(-1e3, 1e3))
def test_softmax_when_logits_are_shifted_then_probabilities_stay_and_sum_to_one(
    logits: FloatArray, shift: float
) -> None:
    p = softmax(logits)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (p >= 0).all()
    np.testing.assert_allclose(softmax(logits + shift), p, atol=1e-9)
    larger = logits.copy()
    larger[:, 2] += 1.0
    assert (softmax(larger)[:, 2] >= p[:, 2]).all()


def test_softmax_when_computed_by_hand_then_it_agrees() -> None:
    # exp(0) : exp(log 2) : exp(log 5) = 1 : 2 : 5
    got = softmax(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(got, [[0.125, 0.25, 0.625]])
    assert np.isnan(softmax(np.array([[np.nan, 0.0, 0.0]]))).all()  # missing, never made up


@given(x=st.floats(-1e4, 1e4))
def test_sigmoid_when_the_sign_flips_then_the_two_sum_to_one(x: float) -> None:
    both = sigmoid(np.array([x, -x]))
    assert np.isfinite(both).all()
    assert both.sum() == pytest.approx(1.0)
    assert ((both >= 0) & (both <= 1)).all()


def test_sigmoid_when_computed_by_hand_then_it_agrees() -> None:
    np.testing.assert_allclose(sigmoid(np.log([1.0, 3.0, 0.25])), [0.5, 0.75, 0.2])


@given(h=arrays(np.float64, (3, 5), elements=st.floats(0, 1)), k=st.integers(0, 4))
def test_onset_probability_when_one_hazard_rises_then_it_never_falls(h: FloatArray, k: int) -> None:
    p = onset_probability(h)
    raised = h.copy()
    raised[:, k] += 0.5 * (1 - raised[:, k])
    assert (onset_probability(raised) >= p - 1e-15).all()
    assert (p >= h.max(axis=1) - 1e-12).all()  # at least as likely as in any one bin
    assert (p <= np.minimum(h.sum(axis=1), 1.0) + 1e-12).all()  # at most their sum


def test_onset_probability_when_hazards_are_equal_then_it_is_one_minus_their_survival() -> None:
    assert onset_probability(np.full(6, 0.1)) == pytest.approx(1 - 0.9**6)
    assert onset_probability(np.zeros(6)) == 0.0
    assert onset_probability(np.array([0.2, 1.0, 0.3])) == 1.0


def test_hazard_targets_when_worked_by_hand_then_bins_hold_the_onset() -> None:
    t = np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan])  # 5 = none within the horizon of 4
    event, at_risk = hazard_targets(t, (1, 2, 4))
    assert event.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert at_risk.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert event.dtype == at_risk.dtype == np.float32


@settings(max_examples=100)
@given(bins=edges, data=st.data())
def test_hazard_targets_when_made_then_an_event_needs_risk_and_happens_once(
    bins: tuple[int, ...], data: st.DataObject
) -> None:
    t = data.draw(arrays(np.float64, 8, elements=st.integers(1, bins[-1] + 1).map(float)))
    event, at_risk = hazard_targets(t, bins)
    assert (event <= at_risk).all()
    np.testing.assert_array_equal(event.sum(axis=1), (t <= bins[-1]).astype(float))
    assert (np.diff(at_risk, axis=1) <= 0).all()  # risk ends, it never starts again


def test_hazard_targets_when_the_hazard_is_constant_then_its_rate_is_recovered() -> None:
    # Geometric waiting times with p = 0.05 a candle; a bin of w candles has hazard 1 - 0.95^w.
    rng, bins = np.random.default_rng(0), (1, 2, 4, 8, 16)
    t = np.minimum(rng.geometric(0.05, 200_000), bins[-1] + 1).astype(np.float64)
    event, at_risk = hazard_targets(t, bins)
    widths = np.diff((0, *bins))
    hazard = event.sum(axis=0) / at_risk.sum(axis=0)
    expected = 1 - 0.95**widths
    error = np.sqrt(expected * (1 - expected) / at_risk.sum(axis=0))
    assert (np.abs(hazard - expected) < 4 * error).all()
    assert onset_probability(hazard) == pytest.approx(1 - 0.95**16, abs=0.004)


def test_chained_when_a_row_has_no_forecast_then_it_stays_without_one_and_nobody_is_warned() -> (
    None
):
    logits = np.array([[np.nan] * 3, [0.1, 0.2, 0.7]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = chained(logits, np.log([0.2, 0.6, 0.2]), 1.0, 1.0)
    assert np.isnan(p[0]).all()
    assert p[1].sum() == pytest.approx(1.0)
