"""Runs never cross a gap; sequences count every row with full context exactly once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.base.errors import AlignmentError
from models.base.types import BoolArray, IntArray
from models.base.windows import Span, contiguous_runs, sequences

STEP = 60_000


@settings(max_examples=150, deadline=None)
@given(
    gaps=arrays(np.int64, st.integers(1, 40), elements=st.sampled_from([1, 1, 1, 2, 5])),
    data=st.data(),
)
def test_runs_when_candles_or_features_are_missing_then_they_are_maximal_and_unbroken(
    gaps: IntArray, data: st.DataObject
) -> None:
    times = STEP * np.cumsum(gaps)
    valid: BoolArray = data.draw(arrays(np.bool_, len(times)))
    runs = contiguous_runs(times, STEP, valid)
    inside = np.zeros(len(times), dtype=int)
    for run in runs:
        inside[run.start : run.stop] += 1
        assert len(run) > 0
        assert (np.diff(times[run.start : run.stop]) == STEP).all()
    np.testing.assert_array_equal(inside, valid.astype(int))  # each valid row in exactly one run
    for a, b in pairwise(runs):
        # Two runs that touch are kept apart by a missing candle.
        assert a.stop < b.start or times[b.start] - times[a.stop - 1] > STEP


@pytest.mark.parametrize("second", [0, -STEP])
def test_runs_when_times_do_not_rise_then_the_row_and_both_times_are_named(second: int) -> None:
    times = np.array([0, STEP, 2 * STEP, 2 * STEP + second])
    with pytest.raises(AlignmentError, match=f"got {times[3]} after {times[2]}") as caught:
        contiguous_runs(times, STEP, np.ones(4, bool))
    assert caught.value.where == "row 3"


def test_runs_when_there_are_no_rows_then_there_are_none() -> None:
    assert contiguous_runs(np.empty(0, np.int64), STEP, np.empty(0, bool)) == []


@settings(max_examples=300, deadline=None)
@given(
    start=st.integers(0, 50),
    rows=st.integers(1, 200),
    burn_in=st.integers(0, 40),
    steps=st.integers(1, 50),
    data=st.data(),
)
def test_sequences_when_tiled_at_any_phase_then_each_full_row_counts_once(
    start: int, rows: int, burn_in: int, steps: int, data: st.DataObject
) -> None:
    phase = data.draw(st.integers(0, steps - 1))
    run = Span(start, start + rows)
    counted = np.zeros(run.stop, dtype=int)
    for span, first in sequences(run, burn_in, steps, phase):
        assert run.start <= span.start < span.stop <= run.stop
        assert first - span.start == burn_in
        assert 0 < span.stop - first <= steps
        counted[first : span.stop] += 1
    expected = np.zeros(run.stop, dtype=int)
    expected[run.start + burn_in :] = 1
    np.testing.assert_array_equal(counted, expected)


def test_sequences_when_the_phase_changes_then_the_cuts_move() -> None:
    cuts = {p: [first for _, first in sequences(Span(0, 20), 2, 6, p)] for p in (0, 2, 5)}
    assert cuts == {0: [2, 8, 14], 2: [2, 4, 10, 16], 5: [2, 7, 13, 19]}


def test_sequences_when_the_run_is_not_longer_than_the_burn_in_then_there_are_none() -> None:
    assert list(sequences(Span(3, 8), burn_in=5, steps=4)) == []
    assert list(sequences(Span(3, 8), burn_in=9, steps=4, phase=3)) == []
    assert [(s.start, s.stop, f) for s, f in sequences(Span(3, 9), 5, 4)] == [(3, 9, 8)]
