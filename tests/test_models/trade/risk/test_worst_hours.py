"""The worst hour and day: what candles show, what is looked at again, and the shipped table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.trade.risk import worst_hours
from models.trade.risk.worst_hours import (
    ASSUMED,
    ASSUMED_DAY,
    CALM,
    CALM_DAY,
    CoinRecord,
    SeenDays,
    SeenHours,
    WorstDay,
    WorstHour,
    daily_moves,
    hourly_moves,
    no_worse_than_assumed,
    parsed_hours,
    recorded,
    recorded_day,
    worst_24_hours,
    worst_hour,
)

HOUR = 3_600_000
DAY = 24 * HOUR
SHIPPED = ("BTC", "ETH", "LTC", "BCH", "XRP")


def test_hours_when_candles_are_short_long_or_missing_then_each_is_read_as_it_can_be() -> None:
    # Two hours of half-hours: closes 100, 100 | low 60, close 80.
    t = np.arange(4) * (HOUR // 2)
    high, low = np.array([100.0, 101.0, 130.0, 90.0]), np.array([99.0, 99.0, 70.0, 60.0])
    close = np.array([100.0, 100.0, 75.0, 80.0])
    half = worst_hour(t, high, low, close, HOUR // 2)
    assert (half.fall_frac, half.rise_frac) == pytest.approx((0.4, 0.3))
    # The same prices as candles of four hours: at least one hour in them moved a quarter of that.
    four = worst_hour(t * 8, high, low, close, 4 * HOUR)
    assert four.fall_frac == pytest.approx(1 - 0.7 ** (1 / 4))
    assert four.rise_frac == pytest.approx(1.3 ** (1 / 4) - 1)
    hole = np.array([0, HOUR // 2, 20 * HOUR, 20 * HOUR + HOUR // 2])
    assert worst_hour(hole, high, low, close, HOUR // 2) == CALM
    assert worst_hour(t[:1], high[:1], low[:1], close[:1], HOUR) == CALM
    assert worst_hour(t[:0], high[:0], low[:0], close[:0], HOUR) == CALM


def test_hours_when_a_price_is_broken_then_they_are_refused_and_a_cheap_coin_is_read() -> None:
    t, close = np.arange(3) * HOUR, np.array([100.0, 90.0, 80.0])
    for broken in (math.nan, math.inf, 0.0, -1.0):
        with pytest.raises(InputError, match="finite prices > 0"):
            worst_hour(t, close, np.array([100.0, broken, 80.0]), close, HOUR)
    dear, cheap = (worst_hour(t, p, p, p, HOUR) for p in (close, close * 1e-7))
    assert cheap.fall_frac == pytest.approx(dear.fall_frac) == pytest.approx(1 / 9)


def test_hours_when_a_market_only_rose_or_only_fell_then_the_other_way_is_no_move() -> None:
    t, up = np.arange(3) * HOUR, np.array([100.0, 110.0, 121.0])
    rose, fell = worst_hour(t, up, up, up, HOUR), worst_hour(t, up[::-1], up[::-1], up[::-1], HOUR)
    assert (rose.fall_frac, rose.rise_frac) == (0.0, pytest.approx(0.1))
    assert (fell.fall_frac, fell.rise_frac) == (pytest.approx(1 / 11), 0.0)


def test_hours_when_a_worst_one_is_made_up_of_no_real_numbers_then_it_is_refused() -> None:
    for fall, rise in ((-0.1, 0.0), (1.1, 0.0), (math.nan, 0.0), (0.0, -0.1), (0.0, math.inf)):
        with pytest.raises(InputError, match="0 <= fall <= 1 and 0 <= rise < inf"):
            WorstHour(fall_frac=fall, rise_frac=rise)
    assert WorstHour(fall_frac=1.0, rise_frac=9.0).against(1) == 1.0  # a coin went to nothing


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), per_hour=st.sampled_from([1, 4, 12]))
def test_hours_when_looked_at_candle_by_candle_then_they_are_those_of_all_candles(
    seed: int, per_hour: int
) -> None:
    rng = np.random.default_rng(seed)
    step, n = HOUR // per_hour, 30 * per_hour
    t = np.arange(n) * step + 7 * HOUR
    close = 100 * np.exp(np.cumsum(0.03 * rng.standard_normal(n)))
    high, low = close * (1 + 0.05 * rng.random(n)), close * (1 - 0.05 * rng.random(n))
    seen, i = SeenHours(), 0
    while i < n:
        i = min(n, i + int(rng.integers(1, 2 * per_hour + 1)))
        start = max(0, i - 4 * per_hour - int(rng.integers(0, n)))
        got = seen.look("X", t[start:i], high[start:i], low[start:i], close[start:i], step)
    assert got == worst_hour(t, high, low, close, step)
    again = seen.look("X", t[: 2 * per_hour], high[: 2 * per_hour], low[: 2 * per_hour],
                      close[: 2 * per_hour], step)  # fmt: skip
    assert again == worst_hour(t[: 2 * per_hour], high[: 2 * per_hour], low[: 2 * per_hour],
                               close[: 2 * per_hour], step)  # fmt: skip


def test_hours_when_the_newest_goes_on_then_its_crash_counts_and_what_was_looked_at_stays() -> None:
    def frame(first: int, *lows: float) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, int]:
        time_ms, whole = np.arange(first, first + len(lows)) * HOUR, np.full(len(lows), 100.0)
        return time_ms, whole, np.array(lows), whole, HOUR

    seen = SeenHours()
    assert seen.known("X") == (CALM, 0)
    assert seen.look("X", *frame(10, 100.0, 70.0, 100.0)).fall_frac == pytest.approx(0.3)
    assert seen.known("X")[1] == 12 * HOUR
    # The same candles again, fewer of them, one, or none: what was seen is not forgotten.
    for again in (frame(11, 100.0, 100.0), frame(12, 100.0), frame(12)):
        assert seen.look("X", *again).fall_frac == pytest.approx(0.3)
        assert seen.known("X")[1] == 12 * HOUR
    # The newest candle was not over: the low it makes later counts against the close before it.
    assert seen.look("X", *frame(11, 100.0, 50.0, 90.0)).fall_frac == pytest.approx(0.5)
    assert seen.known("X")[1] == 13 * HOUR
    # Candles before it were over, and are not looked at again.
    assert seen.look("X", *frame(9, 100.0, 1.0, 1.0, 100.0, 90.0)).fall_frac == pytest.approx(0.5)
    assert seen.known("OTHER") == (CALM, 0)
    # Another run begins earlier, and knows nothing of what came later.
    assert seen.look("X", *frame(5, 100.0, 80.0)).fall_frac == pytest.approx(0.2)
    assert seen.known("X")[1] == 6 * HOUR


def test_table_when_a_row_is_wrong_then_it_is_refused_by_name() -> None:
    day = {"fall_frac": 0.6, "rise_frac": 0.8}
    good = {"coin": "A", "traded": {"fall_frac": 0.5, "rise_frac": 0.5, "day": day}}
    assert parsed_hours([good]) == {
        "A": {
            "traded": CoinRecord(
                hour=WorstHour(fall_frac=0.5, rise_frac=0.5),
                day=WorstDay(fall_frac=0.6, rise_frac=0.8),
            )
        }
    }
    marks = {"fall_frac": 0.25, "rise_frac": 0.75, "day": {"fall_frac": 0.3, "rise_frac": 0.75}}
    both = parsed_hours([{**good, "mark": marks}])["A"]
    assert both["mark"].hour == WorstHour(fall_frac=0.25, rise_frac=0.75)
    assert both["mark"].day == WorstDay(fall_frac=0.3, rise_frac=0.75)
    with pytest.raises(InputError, match="A is there twice"):
        parsed_hours([good, good])
    half, traded = {"fall_frac": 0.5, "day": day}, {"fall_frac": 0.5, "rise_frac": 0.5}
    for wrong in (
        {"coin": "A"}, {"traded": good["traded"]}, {**good, "traded": {}}, {**good, "traded": half},
        {**good, "mark": half}, {**good, "traded": {**traded, "fall_frac": "much", "day": day}},
        {**good, "traded": traded}, {**good, "traded": {**traded, "day": {"fall_frac": 0.6}}},
    ):  # fmt: skip
        with pytest.raises(InputError, match="expected coin and traded"):
            parsed_hours([wrong])
    with pytest.raises(InputError, match="0 <= fall <= 1"):
        parsed_hours([{**good, "traded": {"fall_frac": 1.1, "rise_frac": 0.5, "day": day}}])
    for milder in ({"fall_frac": 0.4999, "rise_frac": 0.5}, {"fall_frac": 0.5, "rise_frac": 0.4}):
        with pytest.raises(InputError, match="no calmer than its worst hour"):
            parsed_hours([{**good, "traded": {**traded, "day": milder}}])


def test_table_when_read_then_it_is_the_shipped_one_and_a_planted_calm_coin_would_be_noticed() -> (
    None
):
    table = worst_hours._table()
    assert set(SHIPPED) <= set(table)
    for coin, row in table.items():
        for worst in (row["traded"].hour, row["traded"].day):
            assert worst.fall_frac > 0.25, coin
            assert worst.rise_frac > 0.25, coin


def test_hours_when_their_moves_are_told_then_each_stands_beside_the_open_of_its_hour() -> None:
    begin = 1_700_000_000_000 // HOUR * HOUR
    time_ms = begin + np.arange(12) * HOUR // 4
    close = np.full(12, 100.0)
    close[:3], close[4:7] = 50.0, 200.0  # neither is the last of its hour
    low, high = np.full(12, 100.0), np.full(12, 100.0)
    low[9], high[5] = 80.0, 130.0
    fall, rise, opens = hourly_moves(time_ms, high, low, close, HOUR // 4)
    assert opens.tolist() == [begin + HOUR, begin + 2 * HOUR]
    assert (fall, rise) == (pytest.approx([0.0, 0.2]), pytest.approx([0.3, 0.0]))


# -- a day ------------------------------------------------------------------------------------


def test_day_when_candles_are_short_long_or_missing_then_each_is_read_as_it_can_be() -> None:
    # 30 hours at 100; the high of hour 3 and the low of hour 27 are 24 hours apart.
    t, flat = np.arange(30) * HOUR, np.full(30, 100.0)
    close, low, high = flat.copy(), flat.copy(), flat.copy()
    close[2], close[3], low[27] = 125.0, 200.0, 50.0
    within = worst_24_hours(t, high, low, close, HOUR)
    assert within.fall_frac == pytest.approx(1 - 50 / 200)  # hour 27 is the last of the 24 after 3
    close[3] = 100.0
    assert worst_24_hours(t, high, low, close, HOUR).fall_frac == pytest.approx(
        0.5
    )  # 2 is too long ago
    low[26] = 50.0
    assert worst_24_hours(t, high, low, close, HOUR).fall_frac == pytest.approx(1 - 50 / 125)
    high[26] = 130.0
    assert worst_24_hours(t, high, low, close, HOUR).rise_frac == pytest.approx(0.3)
    # A candle is held against the close before it, never against its own.
    one = worst_24_hours(t[:2], high[:2] * [9, 1], low[:2] * [0.1, 1], close[:2], HOUR)
    assert one == CALM_DAY
    # Two days as one candle: one of them moved by the root of it, were both alike.
    two = np.arange(3) * 2 * DAY
    move = worst_24_hours(
        two, np.array([1.0, 4.0, 1.0]), np.array([1.0, 1.0, 0.25]), np.ones(3), 2 * DAY
    )
    assert (move.fall_frac, move.rise_frac) == pytest.approx((0.5, 1.0))
    whole = worst_24_hours(two // 2, np.ones(3), np.array([1.0, 0.25, 1.0]), np.ones(3), DAY)
    assert whole.fall_frac == pytest.approx(0.75)
    # Of candles of a day the next one only: 2 to 1, and 1 to 0.6, never 2 to 0.6.
    days = np.array([1.0, 1.0, 0.6])
    next_day = worst_24_hours(two // 2, np.full(3, 2.0), days, np.array([2.0, 1.0, 1.0]), DAY)
    assert next_day.fall_frac == pytest.approx(0.5)
    for n in (0, 1):
        assert worst_24_hours(t[:n], high[:n], low[:n], close[:n], HOUR) == CALM_DAY


def test_day_when_there_is_a_hole_then_what_lies_within_24_hours_counts_and_no_more() -> None:
    close, low = np.full(3, 100.0), np.array([100.0, 80.0, 60.0])
    for last, deepest in ((23, 0.4), (24, 0.4), (25, 0.2)):
        t = np.array([0, 1, last]) * HOUR
        seen = worst_24_hours(t[[0, 1, 2]], close, low, np.array([100.0, 50.0, 100.0]), HOUR)
        assert seen.fall_frac == pytest.approx(deepest), last
    fall, rise, begins = daily_moves(np.array([0, 1, 40]) * HOUR, close, low, close, HOUR)
    assert begins.tolist() == [HOUR]  # nothing follows the second within a day, nor the last
    assert (fall.tolist(), rise.tolist()) == ([pytest.approx(0.2)], [0.0])


def test_day_when_a_price_is_broken_then_it_is_refused() -> None:
    t, close = np.arange(3) * HOUR, np.array([100.0, 90.0, 80.0])
    for broken in (math.nan, math.inf, 0.0, -1.0):
        with pytest.raises(InputError, match="finite prices > 0"):
            worst_24_hours(t, close, np.array([100.0, broken, 80.0]), close, HOUR)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), per_hour=st.sampled_from([1, 4]))
def test_day_when_counted_by_a_plain_loop_then_it_is_the_same_and_no_calmer_than_an_hour(
    seed: int, per_hour: int
) -> None:
    rng = np.random.default_rng(seed)
    step, n = HOUR // per_hour, 60 * per_hour
    kept = np.sort(rng.choice(n, size=int(rng.integers(2, n)), replace=False))  # holes
    t = kept * step + 7 * HOUR
    close = 100 * np.exp(np.cumsum(0.03 * rng.standard_normal(len(t))))
    high, low = close * (1 + 0.05 * rng.random(len(t))), close * (1 - 0.05 * rng.random(len(t)))
    fall = rise = 0.0
    for i in range(len(t)):
        for j in range(i + 1, len(t)):
            if t[j] + step <= t[i] + step + DAY:
                fall = max(fall, 1 - float(low[j] / close[i]))
                rise = max(rise, float(high[j] / close[i]) - 1)
    day = worst_24_hours(t, high, low, close, step)
    assert (day.fall_frac, day.rise_frac) == pytest.approx((fall, rise), abs=1e-12)
    assert day.or_worse(worst_hour(t, high, low, close, step)) == day


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), per_hour=st.sampled_from([1, 4]))
def test_day_when_looked_at_candle_by_candle_then_it_is_that_of_all_candles(
    seed: int, per_hour: int
) -> None:
    rng = np.random.default_rng(seed)
    step, n = HOUR // per_hour, 72 * per_hour
    t = np.arange(n) * step + 7 * HOUR
    close = 100 * np.exp(np.cumsum(0.03 * rng.standard_normal(n)))
    high, low = close * (1 + 0.05 * rng.random(n)), close * (1 - 0.05 * rng.random(n))
    seen, i = SeenDays(), 0
    while i < n:
        i = min(n, i + int(rng.integers(1, 6)))
        start = max(0, i - 25 * per_hour - 5 - int(rng.integers(0, n)))
        got = seen.look("X", t[start:i], high[start:i], low[start:i], close[start:i], step)
    assert got == worst_24_hours(t, high, low, close, step)


def test_day_when_it_goes_on_then_its_later_low_counts_against_every_close_of_the_24_hours() -> (
    None
):
    t, flat = np.arange(26) * HOUR, np.full(26, 100.0)
    close, low = flat.copy(), flat.copy()
    close[1], seen = 200.0, SeenDays()
    assert seen.known("X") == (CALM_DAY, 0)
    assert seen.look("X", t, flat, low, close, HOUR).fall_frac == pytest.approx(0.5)
    low[25] = 40.0  # the newest candle goes on: 24 hours after the close at 200
    assert seen.look("X", t[1:], flat[1:], low[1:], close[1:], HOUR).fall_frac == pytest.approx(0.8)
    assert seen.known("X")[1] == 25 * HOUR


def test_hour_when_it_is_only_held_possible_then_it_counts_no_more_than_an_unknown_coins() -> None:
    assert no_worse_than_assumed(0.99, 40.0) == ASSUMED
    milder = WorstHour(fall_frac=0.5, rise_frac=1.5)
    assert no_worse_than_assumed(0.5, 1.5) == milder


def test_day_when_recorded_then_marks_differ_and_an_unknown_coin_is_worse_than_any() -> None:
    assert recorded_day("NEW/USDT:USDT") == recorded_day("LTC/BTC") == ASSUMED_DAY
    assert (ASSUMED_DAY.fall_frac, ASSUMED_DAY.rise_frac) == (1.0, 5.0)  # all lost; to six times
    for coin in SHIPPED:
        pair = f"{coin}/USDT:USDT"
        day = recorded_day(pair)
        assert day != ASSUMED_DAY
        assert day.or_worse(ASSUMED_DAY) == ASSUMED_DAY
        assert day.or_worse(recorded(pair)) == day
        assert recorded_day(pair, at_marks=True).or_worse(day) == day
    ether = "ETH/USDT:USDT"
    assert recorded_day(ether, at_marks=True).rise_frac < recorded_day(ether).rise_frac
    assert recorded_day("LTC/USDT:USDT", at_marks=True).fall_frac == 0.6099  # 2025-10-10
