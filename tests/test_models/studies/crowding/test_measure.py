"""Amplification over seeds: paired, repeatable on any number of processes, refused where wrong."""

from __future__ import annotations

import math
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError, InputError
from models.studies.crowding.background import FallRules, LeverageHistogram, recorded_path
from models.studies.crowding.crowd import Crowd
from models.studies.crowding.levers import CrowdLevers, CrowdSize, require_memory
from models.studies.crowding.measure import (
    ADOPTIONS,
    LEVERS,
    CrowdCell,
    lever_cells,
    measure_crowds,
    seeds_from,
    world_cells,
)
from tests.test_models.studies.crowding.worlds import RULES, crowded

SIZE = CrowdSize(agents=10)
CELL = CrowdCell(
    world=crowded(after_min=30),
    levers=CrowdLevers(),
    sizes=tuple(replace(SIZE, adoption=a) for a in (0.0, 0.1, 0.5)),
    seeds=seeds_from(0, 24),
)


def test_amplification_when_there_is_a_crowd_then_it_is_above_one_with_an_interval() -> None:
    (row,) = measure_crowds([("shipped", "as shipped", CELL)])
    assert row.amplification[0] == (1.0, 1.0, 1.0)
    low, high = row.at(0.1), row.at(0.5)
    assert 1 < low.low <= low.value <= low.high
    assert low.value < high.value
    assert row.trough_frac[1] / row.trough_frac[0] == pytest.approx(low.value)


def test_lever_when_held_against_the_shipped_then_the_difference_is_paired() -> None:
    half = replace(CELL, levers=CrowdLevers(exit_frac=0.5, cap_frac=1e-4))
    shipped, other = measure_crowds([("shipped", "a", CELL), ("half", "b", half)])
    assert all(e == (0.0, 0.0, 0.0) for e in shipped.against)
    found = other.against[-1]
    assert found.value == pytest.approx(other.at(0.5).value - shipped.at(0.5).value)
    assert found.high < 0  # beyond chance, which the two apart are not
    assert other.at(0.5).high > shipped.at(0.5).low
    with pytest.raises(ConfigError, match="as shipped before"):
        measure_crowds([("half", "b", half)])


def test_study_when_run_on_two_processes_then_it_says_the_same() -> None:
    cells = [("shipped", f"{i}", replace(CELL, seeds=seeds_from(i, 2))) for i in range(3)]
    alone = measure_crowds(cells)
    with ProcessPoolExecutor(2) as pool:
        together = measure_crowds(cells, pool)
    assert [repr(row) for row in together] == [repr(row) for row in alone]  # NaN equals none
    assert alone[0].trough_frac != alone[1].trough_frac


def test_cells_when_made_then_every_lever_stands_in_the_same_falls() -> None:
    cells = lever_cells(CELL.world, SIZE, (1, 2))
    assert [name for name, _, _ in cells] == list(LEVERS)
    assert {cell.seeds for _, _, cell in cells} == {(1, 2)}
    assert all(tuple(s.adoption for s in cell.sizes) == ADOPTIONS for _, _, cell in cells)
    shared = next(cell for name, _, cell in cells if name == "shared")
    assert shared.levers.cap_frac == pytest.approx(0.05 / 10)
    others = world_cells(CELL.world, SIZE, (1,))
    titles = {title for _, title, _ in others}
    assert len(titles) * 2 == len(others)
    unmoved = {title for _, title, _ in world_cells(crowded("none"), SIZE, (1,))}
    assert titles - unmoved == {"a book of single orders, level by level"}  # there is no such book


@pytest.mark.parametrize("adoption", [-0.01, 0.51, math.nan, math.inf])
def test_crowd_when_its_adoption_is_none_then_it_is_refused(adoption: float) -> None:
    with pytest.raises(ConfigError, match=r"adoption in \[0, 0.5\]"):
        CrowdSize(adoption=adoption)


@pytest.mark.parametrize("agents", [0, -1])
def test_crowd_when_nobody_is_in_it_then_it_is_refused(agents: int) -> None:
    with pytest.raises(ConfigError, match="at least 1 agent"):
        CrowdSize(agents=agents)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (CrowdLevers, {"guard_jitter_frac": math.nan}), (CrowdLevers, {"stages": 0}),
        (CrowdLevers, {"exit_frac": 0.0}), (CrowdLevers, {"cap_frac": math.nan}),
        (CrowdLevers, {"decision_jitter_frac": 0.6}), (CrowdSize, {"target_share": 1.1}),
        (CrowdSize, {"day_volume_quote": math.nan}), (FallRules, {"fall_frac": 1.0}),
        (FallRules, {"fall_frac": math.nan}), (FallRules, {"after_min": 0}),
        (LeverageHistogram, {"open_interest": math.nan}), (LeverageHistogram, {"traders": 0}),
        (LeverageHistogram, {"shares": {10.0: 0.9}}), (LeverageHistogram, {"shares": {1.0: 1.0}}),
        (LeverageHistogram, {"held_days": 0.0}),
    ],
)  # fmt: skip
def test_setting_when_it_makes_no_sense_then_it_is_named(
    kind: type, wrong: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        kind(**wrong)


def test_seeds_when_they_make_no_interval_then_they_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 falls"):
        seeds_from(0, 1)
    with pytest.raises(ConfigError, match="seed >= 0"):
        seeds_from(-1, 5)
    assert seeds_from(4, 3) == seeds_from(4, 5)[:3]


def test_memory_when_too_much_is_asked_for_then_it_is_refused_with_a_cure() -> None:
    with pytest.raises(ConfigError, match=r"GB of free memory.*\n.*\n.*at most [\d,]+ agents"):
        require_memory(10**10, 2_000, 600)
    assert require_memory(100, 2_000, 600, jobs=2) < 10_000_000


def test_memory_when_estimated_then_a_crowd_takes_no_more() -> None:
    size = CrowdSize(agents=400, adoption=0.1)
    past = np.cumsum(np.random.default_rng(0).normal(0, 0.006, 240))
    Crowd(RULES, CrowdLevers(stages=4), size, past, np.random.default_rng(0))
    tracemalloc.start()
    crowd = Crowd(RULES, CrowdLevers(stages=4), size, past, np.random.default_rng(0))
    taken, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert crowd.first.sum() > 0
    estimate = require_memory(size.agents, 0, 0)
    assert estimate / 10 < taken <= most < estimate


def test_recorded_path_when_scaled_then_its_lowest_is_the_fall_and_stands_where_it_ends() -> None:
    close_ms = np.arange(400) * 300_000
    close = np.full(400, 100.0)
    close[200:230] = np.linspace(100, 80, 30)
    close[230:] = 90.0
    rules = FallRules(fall_frac=0.06, before_min=30, fall_min=60, after_min=60)
    path = recorded_path(close_ms, close, rules)
    assert len(path) == rules.minutes
    assert path.min() == pytest.approx(math.log(0.94))
    assert int(path.argmin()) + 1 == 90
    raw = recorded_path(close_ms, close, rules, scaled=False)
    start = close[229 - 18]
    assert math.exp(raw.min()) == pytest.approx(80 / start)
    with pytest.raises(InputError, match="90 min before the lowest"):
        recorded_path(close_ms[225:], close[225:], rules)
