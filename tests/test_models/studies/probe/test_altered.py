"""Another future leaves the past as it is, and whoever knew of it is found."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.data.features.frame import market_features
from models.studies.probe.altered import altered_future, first_noticed
from tests.test_models import markets

HOUR = 3_600_000
FIRST = 1500
PRICES = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def market() -> Candles:
    return markets.random_walk(2000)


@pytest.fixture(scope="module")
def other(market: Candles) -> Candles:
    return altered_future(market, FIRST, np.random.default_rng(0))


def test_future_when_altered_then_the_past_stays_and_every_candle_is_one_still(
    market: Candles, other: Candles
) -> None:
    for name in (*PRICES, "volume", "time_ms"):
        np.testing.assert_array_equal(getattr(other, name)[:FIRST], getattr(market, name)[:FIRST])
    assert (other.high >= np.maximum(other.open, other.close) * (1 - 1e-12)).all()
    assert (other.low <= np.minimum(other.open, other.close) * (1 + 1e-12)).all()
    assert other.close[FIRST] != market.close[FIRST]
    assert other.close[-1] == pytest.approx(market.close[-1])  # the same moves in another order
    np.testing.assert_allclose(np.sort(other.volume), np.sort(market.volume))


def test_features_when_the_future_is_another_then_nobody_noticed(
    market: Candles, other: Candles
) -> None:
    ours, theirs = (market_features(m, HOUR) for m in (market, other))
    assert first_noticed(ours, theirs, FIRST) is None
    found = first_noticed(ours, theirs, len(market))
    assert found is not None
    assert found.row == FIRST


def test_noticed_when_a_column_looks_ahead_then_its_first_row_is_found(
    market: Candles, other: Candles
) -> None:
    columns = [
        {"honest": m.close, "ahead": np.append(m.close[3:], [np.nan] * 3)} for m in (market, other)
    ]
    found = first_noticed(columns[0], columns[1], FIRST)
    assert found is not None
    assert (found.column, found.row) == ("ahead", FIRST - 3)
    assert found.difference == abs(market.close[FIRST] - other.close[FIRST])


def test_noticed_when_a_value_appears_or_goes_then_that_is_a_difference() -> None:
    some, none = {"a": np.array([1.0, np.nan])}, {"a": np.array([np.nan, np.nan])}
    for before, after in ((some, none), (none, some)):
        found = first_noticed(before, after, 2)
        assert found is not None
        assert found.row == 0
    assert first_noticed(some, some, 2) is None


@pytest.mark.parametrize("first", [0, 1999, 5000])
def test_future_when_nothing_stays_or_nothing_can_change_then_the_error_says_what_can(
    market: Candles, first: int
) -> None:
    with pytest.raises(InputError, match=f"in 1 to 1998, got {first}"):
        altered_future(market, first, np.random.default_rng(0))
