"""A hedge by year and by crash: each from its own hours; no interval where there are too few."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate.metrics.equity import expected_shortfall
from models.studies.hedge.crashes import NamedCrash
from models.studies.hedge.effectiveness import HedgedReturns
from models.studies.hedge.spans import by_crash, by_year, shortfall

HOUR = 3_600_000
NEW_YEAR = 1_609_459_200_000  # 2021-01-01


def returns(hours_before: int, hours_after: int) -> HedgedReturns:
    """Return hours around a new year: half of each move is hedged before it, all of it after."""
    n = hours_before + hours_after
    moves = 0.01 * np.random.default_rng(2).standard_normal(n)
    share = np.where(np.arange(n) < hours_before, 0.5, 1.0)
    nothing = np.zeros(n)
    return HedgedReturns(
        time_ms=NEW_YEAR + HOUR * (np.arange(n) - hours_before), primary=moves,
        hedge=-share * moves, cost=nothing, funding=nothing, traded=nothing, ratio=share,
    )  # fmt: skip


def test_years_when_the_hedge_changes_then_each_has_its_own_number() -> None:
    old, new = by_year(returns(2_000, 3_000), np.random.default_rng(0))
    assert (old["name"], old["hours"], new["name"], new["hours"]) == ("2020", 2_000, "2021", 3_000)
    assert old["effectiveness"]["value"] == pytest.approx(0.75)
    assert new["effectiveness"]["value"] == pytest.approx(1.0)
    assert old["es99"]["value"] == pytest.approx(0.5 * old["es99_unhedged"]["value"])
    assert old["es99"]["low"] < old["es99"]["value"] < old["es99"]["high"]
    # Four weeks of a year are not that year.
    assert [y["name"] for y in by_year(returns(600, 3_000), np.random.default_rng(0))] == ["2021"]


def test_crash_when_a_part_of_it_is_not_there_then_it_is_left_out() -> None:
    r = returns(2_000, 3_000)
    across = NamedCrash("across", NEW_YEAR - 48 * HOUR, NEW_YEAR + 48 * HOUR)
    late = NamedCrash("late", int(r.time_ms[-1]), int(r.time_ms[-1]) + 2 * HOUR)
    (row,) = by_crash(r, [across, late], np.random.default_rng(0))
    assert (row["name"], row["hours"]) == ("across", 96)
    rows = slice(2_000 - 48, 2_000 + 48)
    gone = 1 - np.sum(r.net[rows] ** 2) / np.sum(r.primary[rows] ** 2)
    assert row["effectiveness"]["value"] == pytest.approx(gone)
    assert row["effectiveness"]["low"] < gone < row["effectiveness"]["high"]
    short = NamedCrash("short", NEW_YEAR, NEW_YEAR + 24 * HOUR)  # four blocks: no interval
    (told,) = by_crash(r, [short], np.random.default_rng(0))
    assert np.isnan(told["effectiveness"]["low"])


def test_shortfall_when_drawn_then_it_is_the_worst_hours_mean_and_repeats_by_seed() -> None:
    x = np.random.default_rng(1).standard_normal(1_000)
    one, two = (shortfall(x, 24, np.random.default_rng(3)) for _ in range(2))
    assert one == two
    assert one.value == pytest.approx(expected_shortfall(x))
