"""Monitors: quiet on what the reference was, loud on what it was not, the same in any portions."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.resampling import stationary_indices
from models.serve.monitor import (
    LEAST_DAYS,
    YEARLY_FALSE_ALARM,
    CusumCount,
    Monitor,
    fit_reference,
    monitors,
)
from models.serve.scores import COVERAGE, LOSS, SCORES

HOUR_MS = 3_600_000
DAY = 24


def walk(days: int, seed: int = 0) -> np.ndarray:
    """Hourly scores whose days hang together, as after a crash."""
    rng = np.random.default_rng(seed)
    level = np.zeros(days)
    for day in range(1, days):
        level[day] = 0.7 * level[day - 1] + 0.1 * rng.normal()
    return np.repeat(level, DAY) + rng.normal(1.0, 0.5, days * DAY)


def fitted(scores: np.ndarray, candle_ms: int = HOUR_MS, seed: int = 0) -> dict:
    return fit_reference(dict.fromkeys(SCORES, scores), candle_ms, seed)


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return monitors({"reference": fitted(walk(800))})[LOSS]


def first_alarm(monitor: Monitor, scores: np.ndarray) -> int | None:
    """Return the day of the first alarm, None without one."""
    count = CusumCount()
    for day, rows in enumerate(scores.reshape(-1, DAY)):
        count = monitor.advance(count, rows)
        if monitor.alarms(count):
            return day
    return None


def test_monitor_when_nothing_changes_then_alarms_in_a_year_are_as_rare_as_stated():
    reference = walk(800)
    found = monitors({"reference": fitted(reference)})[LOSS]
    days = reference.reshape(-1, DAY)
    years = stationary_indices(800, 10.0, 200, np.random.default_rng(5), length=365)
    alarms = sum(first_alarm(found, days[year].ravel()) is not None for year in years)
    assert alarms / 200 < YEARLY_FALSE_ALARM + 3 * np.sqrt(0.09 / 200)
    assert alarms > 0  # nor never: the statement is a rate


def test_monitor_when_the_scores_are_higher_then_it_alarms_and_sooner_the_more(monitor: Monitor):
    late = first_alarm(monitor, walk(365, seed=7) + 0.2)
    soon = first_alarm(monitor, walk(365, seed=7) + 0.5)
    assert late is not None
    assert soon is not None
    assert soon < late
    assert first_alarm(monitor, walk(365, seed=7) - 0.5) is None  # better is no alarm


def test_monitor_when_one_day_is_wild_then_it_is_no_drift(monitor: Monitor):
    scores = np.ones(30 * DAY)
    scores[DAY : 2 * DAY] = 1e6
    assert first_alarm(monitor, scores) is None


def test_monitor_when_rows_come_in_other_portions_or_are_missing_then_the_sum_is_the_same(
    monitor: Monitor,
):
    scores = walk(20, seed=3)
    whole = monitor.advance(CusumCount(), scores)
    parts = CusumCount()
    for part in np.split(scores, [1, 30, 31, 100, 399]):
        parts = monitor.advance(parts, part)
    assert parts == whole
    assert whole.days == 20
    holes = np.insert(scores, [5, 77], np.nan)
    assert monitor.advance(CusumCount(), holes) == whole


def test_monitor_when_the_future_changes_then_what_it_said_before_does_not(monitor: Monitor):
    scores = walk(60, seed=4) + 0.4
    changed = scores.copy()
    changed[30 * DAY :] = 9.0
    for day in (1, 10, 30):
        rows = slice(0, day * DAY)
        a, b = (monitor.advance(CusumCount(), s[rows]) for s in (scores, changed))
        assert a == b


def test_reference_when_there_are_too_few_days_or_nothing_varies_then_nobody_alarms():
    few = fitted(walk(LEAST_DAYS - 1))
    assert few["scores"][LOSS]["unfitted"].startswith("19 days of left-out rows")
    assert monitors({"reference": few}) == {}
    assert "as of a model without it" in fitted(np.ones(900))["scores"][COVERAGE]["unfitted"]
    missing = fitted(np.full(900, np.nan))
    assert missing["scores"][LOSS]["unfitted"].startswith("0 days")
    assert monitors({}) == {}  # an artifact of before


def test_reference_when_candles_are_of_another_length_then_a_day_still_is_one():
    assert fitted(walk(30), 15 * 60_000)["rows_per_day"] == 96
    assert fitted(walk(30), 4 * HOUR_MS)["rows_per_day"] == 6
    assert fitted(walk(30), 48 * HOUR_MS)["rows_per_day"] == 1
    assert fitted(walk(100), seed=1) == fitted(walk(100), seed=1)
