"""The time of day without its jumps."""

from __future__ import annotations

import pytest

from models.base.steady import SteadyClock

NOW, MONTH_MS = 1_700_000_000_000, 30 * 86_400_000


class Machine:
    """A wall clock and a monotonic one; only the first can be set."""

    def __init__(self) -> None:
        self.wall, self.passed = NOW, 50.0
        self.steady = SteadyClock(lambda: self.wall, lambda: self.passed)

    def wait(self, seconds: float) -> None:
        self.wall, self.passed = self.wall + round(1000 * seconds), self.passed + seconds


@pytest.mark.parametrize("jump_ms", [900_000, MONTH_MS, -900_000, -MONTH_MS, 2_001, -2_001])
def test_clock_when_the_machines_jumps_for_a_while_then_it_goes_on(jump_ms: int) -> None:
    machine = Machine()
    machine.wait(5)
    machine.wall += jump_ms
    assert (machine.steady(), machine.steady.jump_ms) == (NOW + 5_000, jump_ms)
    machine.wait(599.999)
    assert (machine.steady(), machine.steady.jump_ms) == (NOW + 604_999, jump_ms)
    machine.wall -= jump_ms
    assert (machine.steady(), machine.steady.jump_ms) == (NOW + 604_999, 0)
    machine.wall += jump_ms  # another one: it has its own ten minutes
    machine.wait(1)
    assert machine.steady() == NOW + 605_999


@pytest.mark.parametrize("jump_ms", [900_000, -900_000])
def test_clock_when_a_jump_lasts_or_is_confirmed_then_it_is_believed(jump_ms: int) -> None:
    machine = Machine()
    machine.wall += jump_ms
    assert machine.steady() == NOW
    machine.wait(600)
    assert (machine.steady(), machine.steady.jump_ms) == (machine.wall, 0)
    machine.wall -= jump_ms
    assert machine.steady.jump_ms == -jump_ms
    machine.steady.confirm()
    assert (machine.steady(), machine.steady.jump_ms) == (machine.wall, 0)


def test_clock_when_the_machines_is_corrected_little_by_little_then_it_follows() -> None:
    machine = Machine()
    for _ in range(100):
        machine.wait(60)
        machine.wall += 2_000
        assert machine.steady() == machine.wall
        machine.wall -= 2_000
        assert machine.steady() == machine.wall
        machine.wall += 1_999
        assert machine.steady() == machine.wall
