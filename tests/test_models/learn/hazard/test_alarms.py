"""Alarms by hand, and levels whose false alarms come as often on other rows as they were chosen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS
from models.learn.hazard.alarms import (
    MIN_WEEKS,
    SELDOM,
    Watch,
    false_alarm_levels,
    raise_alarms,
)
from models.serve.decode import false_alarms_per_week

WINDOW = 24
WEEK = 168
ROWS = 300 * WEEK


def everywhere(score: FloatArray, onsets: IntArray) -> Watch:
    return Watch(score, np.ones(len(score), bool), onsets)


def planted(seed: int) -> tuple[FloatArray, IntArray]:
    """Hazards (N,) that hang on for hours, and onsets drawn from them."""
    rng = np.random.default_rng(seed)
    noise, state = rng.normal(size=ROWS), np.zeros(ROWS)
    for t in range(1, ROWS):
        state[t] = 0.97 * state[t - 1] + 0.25 * noise[t]
    hazard = 1 / (1 + np.exp(5.5 - 1.5 * state))
    onsets = np.flatnonzero(rng.random(ROWS) < hazard / WINDOW) + 1
    return hazard, onsets[np.diff(onsets, prepend=-WINDOW) >= WINDOW]  # merged as episodes are


def at_level(score: FloatArray, fitted: dict[str, Any], per_week: float) -> FloatArray:
    return (false_alarms_per_week(score, fitted) <= per_week).astype(np.float64)


def test_alarms_when_worked_by_hand_then_recall_lead_and_false_ones_are_counted():
    score = np.zeros(100)
    score[[10, 12, 40, 58, 59, 80]] = 1.0
    watch = Watch(score, np.ones(100, bool), np.array([15, 60, 95]))
    found = raise_alarms(watch, 0.5, window=5)
    # 10 stands until 14 and swallows 12: no hit at 15. 40 and 80 are false. 58 catches 60.
    np.testing.assert_array_equal(found.caught, [True, True, False])
    np.testing.assert_array_equal(found.lead, [5, 2, np.nan])
    assert found.false == 2


def test_alarms_when_on_the_onset_itself_or_where_none_is_asked_then_they_do_not_count():
    score = np.zeros(50)
    score[[20, 30]] = 1.0
    asked = np.ones(50, bool)
    asked[30] = False
    found = raise_alarms(Watch(score, asked, np.array([20, 33])), 0.5, window=5)
    assert not found.caught.any()
    assert found.false == 1


# -- levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("per_week", [0.25, 1.0])
def test_levels_when_applied_to_other_rows_then_false_alarms_come_as_often_as_chosen(
    per_week: float,
) -> None:
    fitted = false_alarm_levels([everywhere(*planted(0))], WINDOW, HOUR_MS)
    hazard, onsets = planted(1)
    found = raise_alarms(everywhere(at_level(hazard, fitted, per_week), onsets), 1.0, WINDOW)
    expected = per_week * ROWS / WEEK
    # Chosen on as many weeks as it is judged on: chance twice, and the step of a level.
    assert abs(found.false - expected) < 3 * np.sqrt(2 * expected) + 0.1 * expected
    # Chance is the share of time an alarm stands.
    chance = (found.false + found.caught.sum()) * WINDOW / ROWS
    assert found.caught.mean() > 3 * chance


def test_levels_when_onsets_have_nothing_to_do_with_the_hazard_then_recall_is_chance() -> None:
    rng = np.random.default_rng(5)
    (hazard, onsets), (other, later) = planted(0), planted(1)
    shuffled, judged = (np.sort(rng.choice(ROWS, len(at), replace=False)) for at in (onsets, later))
    fitted = false_alarm_levels([everywhere(hazard, shuffled)], WINDOW, HOUR_MS)
    found = raise_alarms(everywhere(at_level(other, fitted, 1.0), judged), 1.0, WINDOW)
    chance = (found.false + found.caught.sum()) * WINDOW / ROWS
    deviation = np.sqrt(chance * (1 - chance) / len(judged))
    assert abs(found.caught.mean() - chance) < 3 * deviation
    assert found.false > 0  # it does warn


def test_levels_when_worked_by_hand_then_false_alarms_are_episodes_over_asked_weeks() -> None:
    score = np.full(10 * WEEK, 0.01)
    score[[100, 105, 110]] = 0.5  # one alarm, false
    score[[700, 1500]] = 0.5, 0.9  # right, and false
    fitted = false_alarm_levels([everywhere(score, np.array([710]))], WINDOW, HOUR_MS)
    assert fitted["weeks"] == 10.0
    assert (fitted["onsets"], fitted["unfitted"]) == (1, None)
    told = false_alarms_per_week(np.array([0.5, 0.9, 0.95]), fitted)
    np.testing.assert_allclose(told, [0.2, 0.1, SELDOM])
    assert false_alarms_per_week(np.array([0.01]), fitted)[0] > 5  # one after the other
    half = np.arange(10 * WEEK) < 5 * WEEK
    fewer = false_alarm_levels([Watch(score, half, np.array([710]))], WINDOW, HOUR_MS)
    assert fewer["weeks"] == 5.0
    assert false_alarms_per_week(np.array([0.5]), fewer)[0] == 0.2  # 1 in 5: the other is not asked


def test_levels_when_another_model_serves_then_they_are_its_own_and_as_many_rows_reach_them() -> (
    None
):
    hazard, onsets = planted(0)
    watch, flatter = everywhere(hazard, onsets), 0.4 * np.sqrt(hazard)
    own = false_alarm_levels([watch], WINDOW, HOUR_MS)
    other = false_alarm_levels([watch], WINDOW, HOUR_MS, [flatter])
    for per_week in (0.25, 1.0):
        warned = at_level(hazard, own, per_week).sum()
        assert (
            at_level(hazard, other, per_week).sum() != warned
        )  # a level of one is none of the other
        assert at_level(flatter, other, per_week).sum() == pytest.approx(warned, rel=0.01)
    # Of equal hazards all reach a level or none: never more rows than were counted.
    coarse = false_alarm_levels([watch], WINDOW, HOUR_MS, [np.round(flatter, 2)])
    for per_week in (0.25, 1.0):
        reached = at_level(np.round(flatter, 2), coarse, per_week).sum()
        assert 0 < reached <= at_level(hazard, own, per_week).sum()


def test_levels_when_two_coins_are_watched_then_the_rate_is_a_week_and_coins() -> None:
    score = np.full(10 * WEEK, 0.01)
    score[[100, 700]] = 0.5
    two = [everywhere(score, np.array([900])), everywhere(np.full(10 * WEEK, 0.02), np.array([5]))]
    fitted = false_alarm_levels(two, WINDOW, HOUR_MS)
    assert fitted["weeks"] == 20.0
    assert false_alarms_per_week(np.array([0.5]), fitted)[0] == pytest.approx(2 / 20)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), spread=st.sampled_from([0.0, 0.01, 1.0]))
def test_levels_when_hazards_are_any_then_the_rate_never_rises_with_the_hazard(
    seed: int, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    score = np.clip(0.05 + spread * rng.normal(size=6 * WEEK), 0, 1)
    onsets = np.sort(rng.choice(6 * WEEK, 4, replace=False))
    fitted = json.loads(
        json.dumps(false_alarm_levels([everywhere(score, onsets)], WINDOW, HOUR_MS))
    )
    asked = np.sort(np.concatenate((score, rng.random(200), [0.0, 1.0])))
    told = false_alarms_per_week(asked, fitted)
    assert (np.diff(told) <= 0).all()
    assert (told > 0).all()
    assert len(fitted["hazard"]) == len(fitted["per_week"]) == len(fitted["caught"])
    above = false_alarms_per_week(np.array([np.nextafter(score.max(), 2.0)]), fitted)
    assert above[0] == SELDOM  # what was never seen alarms at any rate a person may choose


@pytest.mark.parametrize(("weeks", "onsets"), [(MIN_WEEKS - 1, 3), (MIN_WEEKS + 1, 0), (0, 0)])
def test_levels_when_weeks_or_onsets_are_too_few_then_none_is_fitted_and_it_says_so(
    weeks: float, onsets: int
) -> None:
    rows = int(weeks * WEEK)
    score = np.random.default_rng(0).random(rows)
    told = false_alarm_levels([everywhere(score, np.arange(onsets) * 50 + 30)], WINDOW, HOUR_MS)
    assert told["hazard"] == told["per_week"] == []
    assert f"{onsets} onsets in {weeks:.1f} weeks" in told["unfitted"]
    assert np.isnan(false_alarms_per_week(np.array([0.0, 0.5, 1.0]), told)).all()
    enough = false_alarm_levels([everywhere(np.tile(score, 9), np.array([40]))], WINDOW, HOUR_MS)
    assert bool(enough["hazard"]) == (rows > 0)
