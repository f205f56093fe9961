"""The loop is held until just after a close: never past it, never busy, whatever clocks do."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.config import from_mapping
from models.base.errors import ConfigError
from strategies.fast.pacing import Pacer, PacingConfig
from tests.test_strategies.fast.clocks import AFTER_S, CANDLE_S, START_S, Clock


def pacer(clock: Clock, **config: float) -> Pacer:
    return Pacer(
        CANDLE_S,
        PacingConfig(**config),
        wall=clock.wall,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


@settings(max_examples=200, deadline=None)
@given(
    offset=st.floats(0, 59.99),
    work=st.lists(st.floats(0, 0.8), min_size=1, max_size=80),
    tick=st.floats(0.2, 60),
)
def test_wait_when_the_loop_works_in_between_then_every_close_is_met_and_none_twice(
    offset: float, work: list[float], tick: float
) -> None:
    clock = Clock(START_S + offset)
    held, met = pacer(clock, tick_s=tick), []
    for seconds in work:
        closed = held.wait()
        if closed is not None:
            # Met just after it: all the time that passed since is the loop's own work.
            assert AFTER_S - 1e-3 <= clock.wall_s - closed <= AFTER_S + 1e-3
            met.append(closed)
        clock.wall_s += seconds
        clock.monotonic_s += seconds
        if clock.wall_s // CANDLE_S != (clock.wall_s - seconds) // CANDLE_S:
            break  # worked over a close; the next test is about that
    expected = [START_S + CANDLE_S * (i + 1) for i in range(len(met))]
    assert met == expected


def test_wait_when_the_loop_worked_over_a_close_then_it_returns_at_once_with_the_newest() -> None:
    clock = Clock(START_S + 50)
    held = pacer(clock)
    held.wait()
    clock.wall_s, clock.monotonic_s = START_S + 185, clock.monotonic_s + 130
    slept = len(clock.sleeps)
    assert held.wait() == START_S + 180
    assert len(clock.sleeps) == slept


@settings(max_examples=100, deadline=None)
@given(offset=st.floats(0.1, 59.9), tick=st.floats(0.5, 20))
def test_wait_when_nothing_happens_for_ten_minutes_then_it_wakes_seldom_and_looks_often(
    offset: float, tick: float
) -> None:
    clock = Clock(START_S + offset)
    held, loops = pacer(clock, tick_s=tick), 0
    while clock.wall_s < START_S + 600:
        held.wait()
        loops += 1
        clock.wall_s += 0.01
        clock.monotonic_s += 0.01
    minutes = (600 - offset) / 60
    assert loops <= (60 / tick + 2) * minutes + 2  # not busy
    assert max(clock.sleeps) <= PacingConfig().look_s
    assert len(clock.sleeps) <= 600 / PacingConfig().look_s + 2 * loops


def test_wait_when_the_control_file_changes_then_it_returns_within_a_second() -> None:
    clock = Clock(START_S + 1)
    changed_at = clock.monotonic_s + 2.2
    closed = pacer(clock, tick_s=30).wait(lambda: clock.monotonic_s >= changed_at)
    assert closed is None
    assert changed_at <= clock.monotonic_s <= changed_at + 1


@pytest.mark.parametrize("jump", [-7200.0, -90.0, -1.0, 0.7, 61.0, 86_400.0])
def test_wait_when_the_wall_clock_jumps_then_no_wait_is_longer_and_closes_are_met_again(
    jump: float,
) -> None:
    clock = Clock(START_S + 10)
    clock.jumps = {3: jump}
    held = pacer(clock)
    for _ in range(40):
        before = clock.monotonic_s
        held.wait()
        assert clock.monotonic_s - before <= PacingConfig().tick_s + 1 + AFTER_S + 1e-6
    closed = next(c for c in iter(held.wait, object()) if c is not None)
    assert closed % CANDLE_S == 0
    assert clock.wall_s - closed == pytest.approx(AFTER_S, abs=1e-3)


@settings(max_examples=100, deadline=None)
@given(offset=st.floats(0, 59.99), tick=st.floats(0.2, 60))
def test_wait_when_closes_come_then_connections_are_woken_once_shortly_before_each(
    offset: float, tick: float
) -> None:
    clock = Clock(START_S + offset)
    held, woken, met = pacer(clock, tick_s=tick), [], []
    while len(met) < 3:
        closed = held.wait(warm_up=lambda: woken.append(clock.wall_s))
        met += [] if closed is None else [closed]
        clock.sleep(0.05)
    lead = [m - w for m, w in zip(met, woken, strict=True)]
    assert all(0 < s <= PacingConfig().warm_s for s in lead)
    assert all(s > PacingConfig().warm_s - 0.1 for s in lead[1:])


@pytest.mark.parametrize(("late", "found"), [(0, True), (3, True), (10_000, False)])
def test_poll_when_a_candle_is_late_then_it_is_asked_for_a_while_ever_more_seldom(
    late: int, found: bool
) -> None:
    clock = Clock(START_S)
    asked: list[float] = []

    def fetch() -> bool:
        asked.append(clock.monotonic_s)
        return len(asked) > late

    before = clock.monotonic_s
    assert pacer(clock).poll(fetch, _never) is found
    assert clock.monotonic_s - before <= PacingConfig().late_s
    assert len(asked) <= 8
    gaps = [b - a for a, b in itertools.pairwise(asked)]
    assert gaps == sorted(gaps)


def test_poll_when_it_is_interrupted_then_it_stops_asking() -> None:
    clock = Clock(START_S)
    assert pacer(clock).poll(_never, lambda: True) is False
    assert clock.sleeps == []


@pytest.mark.parametrize(
    "block", [{"look_s": 1.5}, {"tick_s": 0}, {"late_s": float("nan")}, {"tick": 5}, {"tick_s": 61}]
)
def test_pacing_config_when_it_cannot_work_then_it_is_refused(block: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        from_mapping(PacingConfig, block, where="breakwater.pacing")


def _never() -> bool:
    return False
