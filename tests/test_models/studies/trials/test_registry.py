"""The registry of trials: nothing lost, nothing twice, a break named by its line."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import AlignmentError, ControlError
from models.studies.trials.registry import (
    TrialRegistry,
    TriedReturns,
    counted_trials,
    every_day,
    whole_days,
)

DAY_MS = 86_400_000


def trial(key: str, first_day: int = 100, days: int = 30, seed: int = 0) -> TriedReturns:
    returns = 0.01 * np.random.default_rng(seed).normal(size=days)
    return TriedReturns(
        key=key, by="compare", model="lstm", style="X 1h", seed=seed, settings="s",
        first_day=first_day, returns=tuple(returns.round(9)),
    )  # fmt: skip


def lines(registry: TrialRegistry) -> list[bytes]:
    return (registry.folder / "journal-000001.jsonl").read_bytes().splitlines(keepends=True)


def write(registry: TrialRegistry, made: list[bytes]) -> None:
    (registry.folder / "journal-000001.jsonl").write_bytes(b"".join(made))


def test_trials_when_entered_twice_then_each_is_there_once_as_it_was(tmp_path: Path) -> None:
    registry, made = TrialRegistry(tmp_path), [trial("a"), trial("b", seed=1)]
    assert registry.enter(made) == 2
    assert registry.enter([*made, trial("c", seed=2)]) == 1
    assert registry.trials() == [*made, trial("c", seed=2)]
    registry.require_whole()


def _enter(userdir: Path, name: str) -> None:
    for number in range(15):
        TrialRegistry(userdir).enter([trial(f"{name}{number}"), trial(f"both{number}")])


def test_trials_when_two_runs_enter_at_once_then_all_are_there_and_the_chain_is_whole(
    tmp_path: Path,
) -> None:
    at_once = multiprocessing.get_context("spawn")
    runs = [at_once.Process(target=_enter, args=(tmp_path, name)) for name in ("x", "y")]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
        assert run.exitcode == 0
    registry = TrialRegistry(tmp_path)
    registry.require_whole()
    assert len(registry.trials()) == 45


def test_registry_when_a_number_was_edited_then_the_line_is_named_and_nothing_is_counted(
    tmp_path: Path,
) -> None:
    registry = TrialRegistry(tmp_path)
    registry.enter([trial("a"), trial("b", seed=1), trial("c", seed=2)])
    made = lines(registry)
    made[1] = made[1].replace(b'"seed":1', b'"seed":7')
    write(registry, made)
    with pytest.raises(ControlError, match=r"journal-000001\.jsonl, line 2: was changed") as caught:
        registry.require_whole()
    assert "1 lines before it are whole" in caught.value.problem
    assert [one.key for one in registry.trials()] == ["a", "c"]  # the others are still told


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_registry_when_a_line_was_removed_then_that_is_noticed_wherever_it_stood(
    tmp_path: Path, gone: int
) -> None:
    registry = TrialRegistry(tmp_path)
    registry.enter([trial("a"), trial("b"), trial("c")])
    made = lines(registry)
    write(registry, made[:gone] + made[gone + 1 :])
    with pytest.raises(ControlError, match=r"removed|was cut"):
        registry.require_whole()


def test_registry_when_a_run_was_killed_in_a_line_then_the_rest_is_whole_and_it_is_entered_again(
    tmp_path: Path,
) -> None:
    registry = TrialRegistry(tmp_path)
    registry.enter([trial("a"), trial("b")])
    path = registry.folder / "journal-000001.jsonl"
    with path.open("ab") as file:
        file.write(lines(registry)[1][:40])  # as a kill leaves it
    registry.require_whole()
    assert registry.enter([trial("a"), trial("b"), trial("c")]) == 1
    registry.require_whole()
    assert [one.key for one in registry.trials()] == ["a", "b", "c"]


def test_counted_when_spans_differ_then_all_count_and_the_whole_ones_stand_beside_each_other() -> (
    None
):
    made = [trial("long", 90, 60), trial("same", 100, 30, 1), trial("short", 110, 10, 2),
            TriedReturns(**{**vars(trial("idle")), "returns": (0.0,) * 30})]  # fmt: skip
    found = counted_trials(made, np.arange(100, 130))
    assert found.tried == 4
    assert found.keys == ("long", "same", "idle")
    np.testing.assert_array_equal(found.over[:, 0], made[0].returns[10:40])
    assert len(found.sharpes) == 3  # what never moved has none


def test_days_when_one_has_no_candle_then_it_returned_nothing() -> None:
    assert every_day(np.array([3, 6]), np.array([0.1, 0.2])) == (3, (0.1, 0.0, 0.0, 0.2))
    assert whole_days(DAY_MS * np.array([3, 5]), np.array([0.1, 0.2])).tolist() == [0.1, 0, 0.2]
    with pytest.raises(AlignmentError, match="a return for each day"):
        every_day(np.array([3]), np.array([0.1, 0.2]))
