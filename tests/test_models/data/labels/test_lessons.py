"""What a running bot learns from a cascade that is over, and from when on it may."""

from __future__ import annotations

import dataclasses

import numpy as np

from models.base.types import Candles
from models.base.units import DAY_MS, HOUR_MS
from models.data.labels.lessons import Lesson, lessons
from models.data.labels.settings import LabelSettings
from tests.test_models.markets import rows_of

LABELS = LabelSettings()
ROWS = 900


def market(*falls: int) -> Candles:
    """Prices that stand still but for falls of 6 %, each taken back by 4 points two rows later."""
    step = np.zeros(ROWS)
    for row in falls:
        step[[row, row + 2]] = -6.0, 4.0
    close = 100.0 + np.cumsum(step) + 0.01 * (np.arange(ROWS) % 2)
    volume = np.ones(ROWS)
    volume[list(falls)] = 50.0
    return Candles(
        time_ms=HOUR_MS * np.arange(ROWS, dtype=np.int64),
        open=close, high=close, low=close, close=close, volume=volume,
    )  # fmt: skip


def test_lessons_when_cascades_are_over_then_they_reach_a_horizon_back_and_are_known_later() -> (
    None
):
    # Known a day after the end, when the labels of its last row are.
    found = lessons(market(750, 820), HOUR_MS, LABELS, after_ms=0)
    hours = [(726, 750, 752, 776), (796, 820, 822, 846)]
    assert found == [Lesson(*(HOUR_MS * h for h in lesson)) for lesson in hours]


def test_lessons_when_known_at_the_candle_asked_for_then_they_are_no_news() -> None:
    both = market(750, 820)
    assert len(lessons(both, HOUR_MS, LABELS, after_ms=775 * HOUR_MS)) == 2
    (late,) = lessons(both, HOUR_MS, LABELS, after_ms=776 * HOUR_MS)
    assert late.onset_ms == 820 * HOUR_MS
    assert lessons(both, HOUR_MS, LABELS, after_ms=846 * HOUR_MS) == []


def test_lessons_when_later_candles_are_not_there_yet_then_what_is_known_is_the_same() -> None:
    both = market(750, 820)
    early = lessons(rows_of(both, slice(0, 777)), HOUR_MS, LABELS, after_ms=0)
    assert early == lessons(both, HOUR_MS, LABELS, after_ms=0)[:1]
    assert lessons(rows_of(both, slice(0, 776)), HOUR_MS, LABELS, after_ms=0) == []


def test_lessons_when_the_horizon_reaches_before_the_frame_then_they_begin_with_it() -> None:
    # Daily candles: thirty are enough to tell a cascade, and the hazard looks 50 ahead.
    days = dataclasses.replace(market(40), time_ms=DAY_MS * np.arange(ROWS, dtype=np.int64))
    labels = LabelSettings(cascade_horizon_candles=50)
    (found,) = lessons(days, DAY_MS, labels, after_ms=0)
    assert found == Lesson(*(DAY_MS * day for day in (0, 40, 42, 92)))
