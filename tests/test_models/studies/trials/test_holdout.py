"""The hold-out: one day it begins, one look, and every other one refused or told."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.base.errors import ConfigError, ControlError
from models.studies.trials.holdout import (
    close_holdout,
    holdout_state,
    lock_holdout,
    note_stray_look,
    open_holdout,
)
from models.studies.trials.registry import TrialRegistry

START = 1_700_000_000_000 // 86_400_000 * 86_400_000


@pytest.fixture
def registry(tmp_path: Path) -> TrialRegistry:
    return TrialRegistry(tmp_path, lambda: START + 1)


def test_holdout_when_it_was_seen_then_a_second_look_is_refused(registry: TrialRegistry) -> None:
    lock_holdout(registry, START, "validate")
    open_holdout(registry, "run", START)
    open_holdout(registry, "run", START)  # which was stopped and goes on
    with pytest.raises(ControlError, match="seen twice"):
        open_holdout(registry, "another", START)
    close_holdout(registry, "run")
    with pytest.raises(ControlError, match="seen twice"):
        open_holdout(registry, "run", START)
    registry.require_whole()


def test_holdout_when_another_day_is_named_then_the_first_one_stays(
    registry: TrialRegistry,
) -> None:
    assert lock_holdout(registry, START, "validate").opened_ms is None
    assert lock_holdout(registry, START, "validate").start_ms == START
    with pytest.raises(ConfigError, match="as it was locked"):
        lock_holdout(registry, START + 86_400_000, "validate")


def test_holdout_when_something_strays_into_it_then_that_was_the_look(
    registry: TrialRegistry,
) -> None:
    assert note_stray_look(registry, START + 5, "compare") == ""  # nothing is kept
    lock_holdout(registry, START, "validate")
    assert note_stray_look(registry, START - 1, "compare") == ""
    assert "looked at by compare" in note_stray_look(registry, START, "compare")
    state = holdout_state(registry)
    assert state is not None
    assert state.seen
    assert "one last look, which was at" in state.words()
    with pytest.raises(ControlError, match="seen twice"):
        open_holdout(registry, "validate", START)


def test_holdout_when_nothing_is_kept_then_there_is_none_to_open(registry: TrialRegistry) -> None:
    with pytest.raises(ControlError, match="no hold-out"):
        open_holdout(registry, "run", START)
    assert holdout_state(registry) is None


def test_holdout_when_no_candle_is_of_it_yet_then_the_one_look_is_not_spent(
    registry: TrialRegistry,
) -> None:
    lock_holdout(registry, START, "validate")
    with pytest.raises(ControlError, match="there is nothing to look at, and the look is kept"):
        open_holdout(registry, "run", START - 1)
    assert open_holdout(registry, "run", START).opened_ms is None  # as it stood before
