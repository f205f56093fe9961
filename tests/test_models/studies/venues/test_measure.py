"""What breakers do to a loop below and beyond its threshold."""

from __future__ import annotations

import math

import pytest

from models.base.errors import InputError
from models.studies.venues.loop import VenueLoop
from models.studies.venues.measure import BREAKERS, FACTORS, changed_loops, outside_fall
from tests.test_models.reports.venues.sample import LOOP, rows


def test_rows_when_measured_then_every_breaker_and_changed_loop_has_one() -> None:
    assert [row.name for row in rows()] == [*BREAKERS, *changed_loops(LOOP)]
    nothing = rows()[0]
    assert nothing.linear == pytest.approx(1.0)
    assert nothing.simulated is not None
    assert 0.97 < nothing.simulated <= 1.0
    assert list(nothing.deepest) == sorted(nothing.deepest)
    beyond = FACTORS.index(1.0)
    assert nothing.sold[beyond] == pytest.approx(1.0)  # everybody is liquidated
    assert nothing.sold[0] < 0.5
    for row in rows()[1:]:
        assert all(d <= n * 1.15 for d, n in zip(row.deepest, nothing.deepest, strict=True))


def test_rows_when_marks_are_the_index_then_arbitrage_moves_prices_apart_and_not_the_index() -> (
    None
):
    by = {row.name: row for row in rows()}
    assert by["arbitrage"].deepest == pytest.approx(by["nothing"].deepest)
    assert by["arbitrage"].apart[-1] > by["nothing"].apart[-1]


def test_fund_when_it_is_there_then_it_takes_no_more_than_it_has() -> None:
    fund = next(row for row in rows() if row.name == "fund")
    assert max(fund.absorbed) == pytest.approx(0.05)
    assert all(row.absorbed == (0.0,) * len(FACTORS) for row in rows() if row.name != "fund")


@pytest.mark.parametrize("minutes", [61.0, math.inf, math.nan, -1.0])
def test_fall_when_it_takes_too_long_then_it_is_refused(minutes: float) -> None:
    with pytest.raises(InputError, match="within 60 min"):
        outside_fall(VenueLoop(), 0.06, minutes)
