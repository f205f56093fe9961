"""Candles cut from a path are the replayed ones, whatever the interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.types import Candles
from models.data.feeds.aggregation import aggregate
from strategies.desk.loopback.path import PricePath, candle_path

MINUTE, HOUR = 60_000, 3_600_000
START = 1_700_000_000_000 // HOUR * HOUR


def candles(rows: list[tuple[float, float, float, float, float]], interval: int = HOUR) -> Candles:
    o, h, low, c, v = (np.array(x, dtype=np.float64) for x in zip(*rows, strict=True))
    times = START + interval * np.arange(len(rows), dtype=np.int64)
    return Candles(time_ms=times, open=o, high=h, low=low, close=c, volume=v)


price = st.floats(1.0, 1e5)
row = st.tuples(price, price, price, price, st.floats(0.0, 1e6)).map(
    lambda r: (r[0], max(r[:4]), min(r[:4]), r[3], r[4])
)


@settings(max_examples=60)
@given(st.lists(row, min_size=5, max_size=24))
def test_closed_candles_when_replayed_then_they_are_the_files(rows) -> None:
    given_candles = candles(rows)
    stop = START + len(rows) * HOUR
    cut = candle_path(given_candles, HOUR).candles(START, stop, HOUR, stop + 5)
    for name in ("time_ms", "open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(given_candles, name))
    np.testing.assert_allclose(cut.volume[:-1], given_candles.volume[:-1], atol=1e-4)


@settings(max_examples=30)
@given(st.lists(row, min_size=12, max_size=24))
def test_coarser_candles_when_cut_then_they_are_the_aggregated_files(rows) -> None:
    rows = rows[: len(rows) // 4 * 4]
    whole = candles(rows, HOUR // 4)
    cut = candle_path(whole, HOUR // 4).candles(START, START + len(rows) * HOUR, HOUR, 2 * START)
    expected = aggregate(whole, HOUR // 4, HOUR)
    for name in ("time_ms", "open", "high", "low", "close"):
        known = getattr(cut, name)[: len(expected)]
        np.testing.assert_array_equal(known, getattr(expected, name))


def test_forming_candle_when_time_passes_then_it_goes_low_first_if_it_is_going_to_rise() -> None:
    path = candle_path(candles([(100, 130, 80, 120, 6.0), (120, 125, 90, 100, 6.0)]), HOUR)

    def forming(minutes: int) -> tuple[float, ...]:
        now = START + minutes * MINUTE
        c = path.candles(START, START + HOUR, HOUR, now)
        return tuple(float(x[0]) for x in (c.open, c.high, c.low, c.close))

    assert forming(0) == (100, 100, 100, 100)
    assert forming(10) == (100, 100, 90, 90)  # half way to the low at minute 20
    assert forming(30) == (100, 105, 80, 105)  # half way from 80 to 130
    assert forming(40) == (100, 130, 80, 130)
    falling = path.candles(START + HOUR, START + 2 * HOUR, HOUR, START + HOUR + 20 * MINUTE)
    assert (falling.high[0], falling.low[0]) == (125, 120)


def test_move_when_given_then_the_script_is_left_at_once_or_over_time() -> None:
    path = candle_path(candles([(100, 130, 80, 120, 6.0)]), HOUR).moved(START, 50.0, 1000)
    assert [path.at(START + t) for t in (0, 500, 1000, 10 * HOUR)] == [100, 75, 50, 50]


def test_no_candle_when_it_would_open_before_the_path_or_after_now() -> None:
    path = candle_path(candles([(100, 130, 80, 120, 6.0)]), HOUR)
    assert path.candles(START - 5 * HOUR, START + 5 * HOUR, HOUR, START).time_ms.tolist() == [START]
    assert len(path.candles(START + HOUR, START + 2 * HOUR, HOUR, START)) == 0


@pytest.mark.parametrize(
    ("times", "prices"), [([2, 1], [1.0, 1.0]), ([1], [0.0]), ([1], [float("nan")]), ([], [])]
)
def test_path_when_it_is_not_one_then_it_is_refused(times, prices) -> None:
    with pytest.raises(ValueError, match="expected"):
        PricePath(
            time_ms=np.array(times, dtype=np.int64),
            price=np.array(prices),
            volume=np.zeros(len(times)),
        )
