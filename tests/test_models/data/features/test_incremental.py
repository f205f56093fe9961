"""A row computed when its candle closed is the row of the whole frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.types import Candles, FloatArray
from models.data.features import incremental
from models.data.features.candles import LOOKBACK
from models.data.features.frame import pair_features
from models.data.features.incremental import NewestRows
from tests.test_models.markets import random_walk, rows_of

ROWS = 32
MARKET = random_walk(700)
WHOLE = np.column_stack(list(pair_features(MARKET).values()))


def until(last: int) -> Candles:
    return rows_of(MARKET, slice(0, last))


def assert_is_whole(values: FloatArray, last: int, whole: FloatArray = WHOLE) -> None:
    np.testing.assert_allclose(values, whole[last - ROWS : last], rtol=1e-9, atol=1e-9)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candles each computation was given."""
    seen: list[int] = []

    def counted(candles: Candles) -> dict[str, FloatArray]:
        seen.append(len(candles))
        return pair_features(candles)

    monkeypatch.setattr(incremental, "pair_features", counted)
    return seen


def test_rows_when_candles_come_in_any_number_then_they_are_those_of_the_whole_frame(
    computed: list[int],
) -> None:
    newest, last = NewestRows(ROWS), 300
    steps = [0, 1, 1, 1, 2, 0, 5, 1, 31, 1, 40, 1]
    for step in steps:
        last += step
        times, values = newest.update(until(last))
        assert_is_whole(values, last)
        np.testing.assert_array_equal(times, MARKET.time_ms[last - ROWS : last])
    assert newest.names == tuple(pair_features(until(200)))
    # A new candle costs itself and its look-back; nothing new costs nothing; a gap costs all.
    costs = [ROWS, *(min(step, ROWS) for step in steps if step)]
    assert computed == [LOOKBACK + cost for cost in costs]


def test_rows_when_a_known_candle_is_revised_then_all_are_computed_again(
    computed: list[int],
) -> None:
    newest = NewestRows(ROWS)
    newest.update(until(400))
    close = MARKET.close.copy()
    close[380] *= 1.001
    revised = dataclasses.replace(MARKET, close=close)
    _, values = newest.update(rows_of(revised, slice(0, 401)))
    whole = np.column_stack(list(pair_features(revised).values()))
    assert_is_whole(values, 401, whole)
    assert not np.allclose(values, WHOLE[401 - ROWS : 401])
    assert computed == [LOOKBACK + ROWS] * 2


def test_rows_when_the_clock_went_back_then_they_are_those_of_the_earlier_frame() -> None:
    newest = NewestRows(ROWS)
    newest.update(until(400))
    _, values = newest.update(until(390))
    assert_is_whole(values, 390)


def test_rows_when_there_is_too_little_history_then_the_error_says_how_much_is_needed() -> None:
    with pytest.raises(InputError, match=f"at least {ROWS + LOOKBACK} candles"):
        NewestRows(ROWS).update(until(ROWS + LOOKBACK - 1))
