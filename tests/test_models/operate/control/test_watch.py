"""What the watchdog makes of what it sees."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from models.base.errors import ConfigError
from models.operate.control.heartbeat import RELOADING, Heartbeat
from models.operate.control.watch import (
    AHEAD,
    FEED,
    MARGIN,
    SILENT,
    Life,
    Resting,
    WatchdogConfig,
    WatchedPosition,
    alarms,
    entries,
    left_over,
    stop_price,
    stopped_for_s,
    superfluous,
    uncovered,
)

LONG = WatchedPosition(symbol="BTC", amount=2.0, mark=100.0)
SHORT = WatchedPosition(symbol="BTC", amount=-2.0, mark=100.0)
CONFIG = WatchdogConfig()
NOW, HOUR = 1_700_000_000_000, 3_600_000


def order(**changes: object) -> Resting:
    values = {"id": "1", "symbol": "BTC", "side": -1, "amount": 2.0, "reduce_only": True,
              "trigger": 95.0}  # fmt: skip
    return Resting(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("position", "changes", "left"),
    [
        (LONG, {}, 0.0),
        (LONG, {"amount": 1.5}, 0.5),
        (LONG, {"amount": 5.0}, 0.0),
        (LONG, {"amount": math.inf}, 0.0),
        (LONG, {"side": 1}, 2.0),  # would enlarge it
        (LONG, {"reduce_only": False}, 2.0),
        (LONG, {"trigger": None}, 2.0),  # a limit order far away stops nothing
        (LONG, {"trigger": 105.0}, 2.0),  # a take-profit
        (LONG, {"trigger": 100.5}, 2.0),  # one close to the mark
        (LONG, {"trigger": 100.0}, 2.0),  # at the mark it would stop no loss, only close
        (LONG, {"symbol": "ETH"}, 2.0),
        (SHORT, {"side": 1, "trigger": 105.0}, 0.0),
        (SHORT, {"side": 1, "trigger": 95.0}, 2.0),
        (SHORT, {}, 2.0),
    ],
)
def test_uncovered_when_an_order_rests_then_only_a_stop_on_the_losing_side_counts(
    position: WatchedPosition, changes: dict[str, object], left: float
) -> None:
    assert uncovered(position, [order(**changes)]) == left
    assert uncovered(position, []) == 2.0


def test_stop_price_when_needed_then_it_is_on_the_losing_side() -> None:
    assert stop_price(LONG, CONFIG) == 95.0
    assert stop_price(SHORT, CONFIG) == 105.0


def test_superfluous_when_others_protect_or_nothing_is_held_then_own_stops_may_go() -> None:
    own, theirs = order(own=True), order(id="2")
    assert superfluous(None, [own, theirs]) == [own]
    assert superfluous(LONG, [own]) == []
    assert superfluous(LONG, [own, theirs]) == [own]
    assert superfluous(LONG, [own, order(id="2", amount=1.0)]) == []
    assert superfluous(None, [theirs]) == []


def test_uncovered_when_amounts_are_summed_then_no_rounding_is_left() -> None:
    parts = [order(amount=0.01), order(amount=0.01)]
    long = replace(LONG, amount=0.03)
    assert uncovered(long, parts) == 0.01  # 0.03 - 0.02 of floats is less, and a lot would stay
    assert uncovered(long, [*parts, order(amount=0.01)]) == 0.0
    assert uncovered(replace(LONG, amount=0.1 + 0.2), [order(amount=0.3)]) == 0.0
    assert uncovered(replace(LONG, amount=0.8), [order(amount=0.7), order(amount=0.1)]) == 0.0


def test_superfluous_when_own_stops_are_more_than_it_takes_then_the_newest_stay() -> None:
    first, second = order(own=True), order(id="2", own=True)
    assert superfluous(LONG, [first, second]) == [first]
    assert superfluous(LONG, [order(id="3", amount=1.0), first, second]) == [first]
    halves = [order(own=True, amount=1.0), order(id="2", own=True, amount=1.0)]
    assert superfluous(LONG, halves) == []
    far = order(own=True, trigger=105.0)  # the price has gone through it
    assert superfluous(LONG, [second, far]) == [far]


def test_left_over_when_stops_of_others_protect_nothing_then_they_are_named_own_ones_never() -> (
    None
):
    stops = [order(), order(id="2"), order(id="3")]
    assert left_over(LONG, stops) == stops[:2]
    assert left_over(LONG, stops[:1]) == []
    assert left_over(LONG, [order(amount=5.0)]) == []  # larger than the position, and all there is
    assert left_over(LONG, [order(amount=1.5), order(id="2", amount=1.5)]) == []
    assert left_over(None, stops[:1]) == stops[:1]
    own = order(id="4", own=True)
    assert left_over(LONG, [own, *stops[:1]]) == []
    assert left_over(None, [own]) == []
    assert left_over(None, [order(trigger=None), order(reduce_only=False)]) == []
    take_profit = order(id="5", trigger=105.0)
    assert left_over(LONG, [take_profit, *stops[:1]]) == []
    assert left_over(None, [take_profit]) == [take_profit]


@pytest.mark.parametrize(
    ("changes", "is_it"),
    [({"bot": True}, True), ({}, False), ({"bot": True, "reduce_only": False}, False),
     ({"bot": True, "trigger": None}, False)],
)  # fmt: skip
def test_bots_stop_when_an_order_lacks_any_of_its_marks_then_it_is_none(
    changes: dict[str, object], is_it: bool
) -> None:
    assert order(**changes).is_bots_stop is is_it


def test_entries_when_orders_rest_then_those_that_reduce_stay() -> None:
    entry = order(reduce_only=False)
    assert entries([order(), entry]) == [entry]


@pytest.mark.parametrize(
    ("age_s", "alarm"), [(15.0, None), (15.001, SILENT), (-15.001, AHEAD), (-15.0, None)]
)  # fmt: skip
def test_alarms_when_the_heartbeat_ages_or_is_dated_ahead_then_it_is_called_in_time(
    age_s: float, alarm: str | None
) -> None:
    sign = Heartbeat(time_ms=NOW, pid=1, loop=1)
    now = NOW + round(1000 * age_s)
    found = alarms(now, sign, Life().silent_s(sign, now, 100.0), None, CONFIG)
    assert list(found) == ([alarm] if alarm else [])
    stopped = Heartbeat(time_ms=NOW, pid=1, loop=1, stopped="/stop")
    assert alarms(now, stopped, 9e9, None, CONFIG) == {}


def test_life_when_signs_come_then_it_is_measured_by_the_clock_that_never_jumps() -> None:
    life, month_ms = Life(), 30 * 24 * HOUR
    sign = Heartbeat(time_ms=NOW, pid=1, loop=1)
    assert life.silent_s(sign, NOW + 4_000, 50.0) == 4.0  # it was there before anybody looked
    assert life.silent_s(sign, NOW + month_ms, 53.0) == 7.0
    assert life.silent_s(sign, NOW - month_ms, 56.0) == 10.0
    newer = Heartbeat(time_ms=NOW + 1_000, pid=1, loop=2)
    assert life.silent_s(newer, NOW + 2_500, 59.0) == 1.5
    later = Heartbeat(time_ms=NOW + 2_000, pid=1, loop=3)
    assert life.silent_s(later, NOW + month_ms, 62.0) == 3.0  # it was not there at the last look
    ahead = Heartbeat(time_ms=NOW + month_ms, pid=1, loop=4)
    assert life.silent_s(ahead, NOW, 65.0) == 0.0
    assert life.silent_s(ahead, NOW, 85.0) == 20.0
    other = Heartbeat(time_ms=NOW + month_ms, pid=2, loop=4)
    assert life.silent_s(other, NOW, 88.0) == 0.0


def test_alarms_when_the_bot_loads_a_new_configuration_then_it_may_be_silent_for_a_minute() -> None:
    loading = Heartbeat(time_ms=NOW, pid=1, loop=1, stopped=RELOADING)
    assert alarms(NOW + 59_000, loading, 59.0, None, CONFIG) == {}
    assert SILENT in alarms(NOW + 61_000, loading, 61.0, None, CONFIG)


def test_alarms_when_the_silence_allowed_is_short_then_it_is_that_and_no_longer() -> None:
    config, sign = WatchdogConfig(silence_s=0.5), Heartbeat(time_ms=NOW, pid=1, loop=1)
    assert alarms(NOW + 500, sign, 0.5, None, config) == {}
    assert list(alarms(NOW + 800, sign, 0.8, None, config)) == [SILENT]


def test_stopped_for_when_a_person_stopped_the_bot_then_it_is_told_since_when() -> None:
    sign = Heartbeat(time_ms=NOW, pid=1, loop=1)
    assert stopped_for_s(None, NOW) is None
    assert stopped_for_s(sign, NOW) is None
    sign = replace(sign, stopped="/stop")
    assert stopped_for_s(sign, NOW + 1_000) == 1.0
    assert stopped_for_s(replace(sign, stopped_ms=NOW - 2_000), NOW) == 2.0
    assert stopped_for_s(sign, NOW - 1_000) == 0.0


@pytest.mark.parametrize(("late_s", "called"), [(60.0, False), (60.001, True), (-60.001, False)])
def test_alarms_when_a_candle_is_overdue_then_the_feed_is_called(
    late_s: float, called: bool
) -> None:
    closed = NOW - HOUR - round(1000 * late_s)  # the next one was due an hour later
    beat = Heartbeat(time_ms=NOW, pid=1, loop=1, feed_ms=closed, candle_ms=HOUR)
    assert (FEED in alarms(NOW, beat, 0.0, None, CONFIG)) is called


@pytest.mark.parametrize(
    ("ratio", "raised"),
    [(None, False), (0.49, False), (0.5, True), (2.0, True), (math.nan, True)],
)
def test_alarms_when_the_margin_ratio_is_high_or_no_number_then_margin_is_called(
    ratio: float | None, raised: bool
) -> None:
    assert (MARGIN in alarms(0, None, 0.0, ratio, CONFIG)) is raised


def test_alarms_when_the_feed_is_unknown_then_it_is_not_called_late() -> None:
    for feed_ms, candle_ms in ((None, 60_000), (NOW - 9 * HOUR, None)):
        beat = Heartbeat(time_ms=NOW, pid=1, loop=1, feed_ms=feed_ms, candle_ms=candle_ms)
        assert alarms(NOW, beat, 0.0, None, CONFIG) == {}


def test_settings_when_left_alone_then_they_are_these() -> None:
    assert WatchdogConfig(
        silence_s=15.0, every_s=3.0, feed_late_s=60.0, margin_reducing=0.5, margin_flatten=0.7,
        on_silence="protect", unprotected_s=30.0, stop_frac=0.05, max_volume_frac=0.05,
        stopped_s=900.0, again_s=1800.0, clock_s=1.0,
    ) == CONFIG  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "past"),
    [({"silence_s": 20.0, "every_s": 5.0}, {"silence_s": 20.0, "every_s": 5.1}),
     ({"silence_s": 1e-9}, {"silence_s": 0.0}),
     ({"every_s": 1e-9}, {"every_s": 0.0}),
     ({"margin_reducing": 0.7}, {"margin_reducing": 0.71}),
     ({"margin_reducing": 1e-9}, {"margin_reducing": 0.0}),
     ({"margin_flatten": 0.999}, {"margin_flatten": 1.0}),
     ({"stop_frac": 1e-9}, {"stop_frac": 0.0}),
     ({"stop_frac": 0.999}, {"stop_frac": 1.0}),
     ({"max_volume_frac": 1.0}, {"max_volume_frac": 1.01}),
     ({"max_volume_frac": 1e-9}, {"max_volume_frac": 0.0}),
     ({"feed_late_s": 0.0}, {"feed_late_s": -1.0}),
     ({"feed_late_s": 1e9}, {"feed_late_s": math.inf}),
     ({"unprotected_s": 0.0}, {"unprotected_s": -1.0}),
     ({"unprotected_s": 1e9}, {"unprotected_s": math.inf}),
     ({"stopped_s": 0.0}, {"stopped_s": -1.0}),
     ({"stopped_s": 1e9}, {"stopped_s": math.inf}),
     ({"again_s": 1e-9}, {"again_s": 0.0}),
     ({"clock_s": 1e-9}, {"clock_s": 0.0})],
)  # fmt: skip
def test_settings_when_at_their_limit_then_they_are_taken_and_past_it_refused(
    limit: dict[str, float], past: dict[str, float]
) -> None:
    assert WatchdogConfig(**limit)
    with pytest.raises(ConfigError, match="expected"):
        WatchdogConfig(**past)


def test_settings_when_the_bots_own_pace_looks_like_silence_then_they_are_refused() -> None:
    WatchdogConfig(silence_s=15.0).allow(10.0)
    with pytest.raises(ConfigError, match="tick_s <= 10, got 11"):
        WatchdogConfig(silence_s=15.0).allow(11.0)
