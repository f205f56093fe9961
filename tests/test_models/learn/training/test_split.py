"""No label of one span reaches into the next, whatever the sizes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.windows import Span
from models.learn.training.split import left_out_blocks, split_rows


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(200, 5000),
    purge=st.integers(0, 20),
    validation=st.floats(0.15, 0.45),
    calibration=st.floats(0.15, 0.45),
)
def test_split_when_cut_at_any_sizes_then_no_label_looks_into_the_next_span(
    rows: int, purge: int, validation: float, calibration: float
) -> None:
    s = split_rows(
        rows,
        purge=purge,
        validation_frac=validation,
        calibration_frac=calibration,
        minimum=0,
    )
    ordered = (s.train, s.validation, s.calibration, Span(rows, rows))
    assert s.train.start == 0
    for earlier, later in pairwise(ordered):
        # The label of the last row looks at most `purge` rows ahead.
        assert earlier.stop - 1 + purge < later.start
        assert later.start - earlier.stop == purge  # and not a row is wasted
    for span, frac in ((s.validation, validation), (s.calibration, calibration)):
        assert abs(len(span) + purge - frac * rows) <= 2


def test_split_when_a_span_is_too_short_then_all_three_lengths_are_named() -> None:
    with pytest.raises(InputError, match=r"at least 50 rows .* got 55, 15, 15 of 100 rows"):
        split_rows(100, purge=5, validation_frac=0.2, calibration_frac=0.2, minimum=50)
    exact = split_rows(100, purge=5, validation_frac=0.2, calibration_frac=0.2, minimum=15)
    assert len(exact.validation) == 15


def test_split_when_the_purge_is_longer_than_a_span_then_it_is_refused_not_overlapped() -> None:
    with pytest.raises(InputError, match="of 100 rows"):
        split_rows(100, purge=30, validation_frac=0.2, calibration_frac=0.2, minimum=1)
    with pytest.raises(InputError, match="of 0 rows"):
        split_rows(0, purge=5, validation_frac=0.2, calibration_frac=0.2, minimum=1)


@settings(max_examples=200, deadline=None)
@given(rows=st.integers(100, 5000), purge=st.integers(0, 40), blocks=st.integers(2, 9))
def test_blocks_when_cut_at_any_sizes_then_every_row_but_the_last_purged_is_left_out_once(
    rows: int, purge: int, blocks: int
) -> None:
    cut = left_out_blocks(rows, purge=purge, blocks=blocks, minimum=1)
    assert len(cut) == blocks
    assert cut[0].start == 0
    assert cut[-1].stop == rows - purge
    assert all(a.stop == b.start for a, b in pairwise(cut))
    assert max(map(len, cut)) - min(map(len, cut)) < blocks


def test_blocks_when_one_would_be_too_short_then_sizes_and_cure_are_named() -> None:
    assert len(left_out_blocks(110, purge=10, blocks=5, minimum=20)) == 5
    with pytest.raises(InputError) as caught:
        left_out_blocks(109, purge=10, blocks=5, minimum=20)
    assert "at least 20 rows in each of 5 blocks left out in turn, got 19 of 109" in str(
        caught.value
    )
    assert "lower training.cross_fit" in str(caught.value)
