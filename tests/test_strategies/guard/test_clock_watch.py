"""While the machine's clock is wrong there is no new risk, and a person hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ccxt
import pytest

from models.base.steady import SteadyClock
from models.operate.control.review import ReviewConfig
from strategies.guard import clock_watch
from strategies.guard.clock_watch import ClockWatch
from strategies.human.control import Control

NOW = 1_700_000_000_000


class World:
    """A machine's clocks, an exchange's, and a bot's control."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.wall_ms, self.theirs_ms, self.passed_s = NOW, NOW, 1_000.0
        self.control = Control(
            folder, review=ReviewConfig(),
            clock=SteadyClock(lambda: self.wall_ms, lambda: self.passed_s),
        )  # fmt: skip
        self.client = ccxt.binanceusdm({"options": options})
        vars(self.client)["milliseconds"] = lambda: self.wall_ms
        vars(self.client)["fetch_time"] = self._time
        self.told: list[str] = []
        self.asked = 0
        self.silent: Exception | None = None
        self.watch = ClockWatch(self.control, self.told.append, lambda: self.passed_s)

    def _time(self) -> int:
        self.asked += 1
        if self.silent is not None:
            raise self.silent
        return self.theirs_ms

    def wait(self, seconds: float) -> None:
        self.passed_s += seconds
        self.wall_ms += round(1000 * seconds)
        self.theirs_ms += round(1000 * seconds)

    def look(self) -> str:
        """Look a minute later; return why there is no new risk."""
        self.wait(60)
        self.watch.look(self.client)
        return self.control.refusal()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, recvWindow=10_000)


@pytest.mark.parametrize(
    ("off_ms", "told", "refused"),
    [(0, False, False), (800, False, False), (-900, False, False), (1_500, True, True),
     (-1_500, True, False), (-9_000, True, False), (-10_500, True, True)],
)  # fmt: skip
def test_clock_when_it_is_off_then_it_is_told_and_refused_beyond_what_the_exchange_takes(
    world: World, off_ms: int, told: bool, refused: bool
) -> None:
    world.theirs_ms -= off_ms
    assert bool(world.look()) is refused
    assert bool(world.told) is told
    assert [text for text in world.told if "no new positions" in text] == world.told * refused
    world.look()
    assert len(world.told) == told  # once
    world.theirs_ms += off_ms
    assert world.look() == ""
    assert ("right again" in world.told[-1]) if told else not world.told
    kinds = [entry.kind for entry in world.control.journal.entries()]
    assert kinds == ["clock"] * 2 * told


def test_clock_when_the_exchange_takes_less_than_is_told_else_then_there_is_no_new_risk(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, recvWindow=500)
    world.theirs_ms += 800
    assert "0.8 s behind the exchange's" in world.look()
    assert len(world.told) == 1
    world.theirs_ms -= 800
    assert world.look() == ""


def test_clock_when_it_jumps_then_it_is_looked_at_at_once_and_time_goes_on(world: World) -> None:
    world.look()
    world.wait(1)
    world.watch.look(world.client)
    assert world.asked == 1
    world.wall_ms += 900_000
    world.watch.look(world.client)
    assert world.asked == 2
    assert "900.0 s ahead of the exchange's" in world.control.refusal()
    assert world.control.clock() == NOW + 61_000
    world.wait(12)
    world.wall_ms -= 900_000
    world.watch.look(world.client)
    assert world.control.refusal() == ""
    assert len(world.told) == 2


def test_clock_when_somebody_sets_it_right_then_the_exchange_confirms_it(world: World) -> None:
    world.theirs_ms += 900_000  # the machine was started a quarter of an hour behind
    assert world.look()
    world.wall_ms += 900_000
    assert world.look() == ""
    assert world.control.jump_ms == 0
    assert world.control.clock() == world.theirs_ms


def test_clock_when_it_jumps_and_the_exchange_is_silent_then_there_is_no_new_risk(
    world: World,
) -> None:
    world.look()
    world.silent = ccxt.NetworkError("no")
    assert world.look() == ""  # silence alone says nothing of the clock
    world.wall_ms += 900_000
    assert "has jumped by +900 s" in world.look()
    world.wall_ms -= 900_000
    world.silent = None
    assert world.look() == ""


def test_clock_when_it_is_off_by_just_a_second_then_nobody_is_told_and_it_counts_as_set_right(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_watch, "clock_ahead_s", lambda client: -1.0)
    world.look()
    world.wall_ms += 900_000
    assert world.control.jump_ms == 900_000
    assert world.look() == ""
    assert world.told == []
    assert world.control.jump_ms == 0


def test_clock_when_it_is_off_by_another_number_then_that_is_not_told_again(world: World) -> None:
    for _ in range(2):
        world.theirs_ms += 1_500
        world.look()
    assert len(world.told) == 1
