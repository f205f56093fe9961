"""No label of one span reaches into the next, whatever the sizes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.windows import Span
from models.learn.training.split import split_rows


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
