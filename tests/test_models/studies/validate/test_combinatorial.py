"""Combinatorial purged cross-validation: every split, every path, and nothing known of the held."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from models.base.errors import InputError
from models.studies.validate.combinatorial import HeldGroups, path_rows
from tests.test_models.studies.compare.worlds import TRADING, entry, knowing, truth


@pytest.mark.parametrize(("groups", "held"), [(6, 2), (10, 2), (5, 3)])
def test_paths_when_put_together_then_each_group_is_forecast_once_in_each_and_never_by_its_own(
    groups: int, held: int
) -> None:
    made = HeldGroups(rows=(7, 1007), groups=groups, held=held)
    assert len(made.splits) == comb(groups, held)
    assert len(made.paths()) == comb(groups - 1, held - 1)  # 45 splits are 9 paths of 10 groups
    for path in made.paths():
        assert all(group in made.splits[number] for group, number in enumerate(path))
    every = [tuple(enumerate(path)) for path in made.paths()]
    assert len({pair for path in every for pair in path}) == groups * len(every)
    assert made.edges[0][0] == 7
    assert made.edges[-1][1] == 1007


def test_trained_when_groups_are_held_then_neither_they_nor_what_touches_them_is_known() -> None:
    made = HeldGroups(rows=(10, 610), groups=6, held=2, purge=5, embargo=20)
    keep = made.trained((1, 4), 620)
    for first, stop in (made.edges[1], made.edges[4]):
        assert not keep[first - 5 : stop + 20].any()
        assert keep[first - 6]
        assert keep[stop + 20]
    assert not keep[:10].any()
    assert not keep[610:].any()
    assert keep.sum() == 600 - 2 * (100 + 5 + 20)


def test_joined_when_rows_are_told_by_their_split_then_each_path_has_its_own() -> None:
    made = HeldGroups(rows=(0, 60), groups=3, held=2)
    told = {
        (n, g): {"x": np.full(20, 10.0 * n + g)}
        for n, split in enumerate(made.splits)
        for g in split
    }
    first, second = made.joined(told)
    assert first["x"][[0, 20, 40]].tolist() == [0.0, 1.0, 12.0]
    assert second["x"][[0, 20, 40]].tolist() == [10.0, 21.0, 22.0]


def test_rows_when_a_model_trades_on_one_path_only_then_lowest_and_highest_tell_them() -> None:
    t = truth()  # what it knows is over when it can act: it pays for nothing
    rows = path_rows(entry("x", knowing(t, 0.8), knowing(t, 0.34)), t, TRADING)
    assert [row["paths"] for row in rows] == [2, 2]
    low, middle, high = rows[0]["net"]
    assert low < middle < high == 0.0


@pytest.mark.parametrize(
    ("more", "said"), [({"held": 6}, "held < groups"), ({"purge": 60}, "more than 120 rows")]
)
def test_groups_when_they_cannot_be_held_then_that_is_said(more: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        HeldGroups(rows=(0, 600), **more)
