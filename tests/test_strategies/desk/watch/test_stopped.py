"""A bot that a person has stopped is not a dead one; clocks that jump kill nobody."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from typing import Any

import pytest

from models.base.steady import SteadyClock
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.state import ControlMode, Person
from models.operate.control.watch import WatchdogConfig
from strategies.desk.watch.clocks import CLOCKS, JUMPED, ClockComparison
from strategies.desk.watch.watchdog import Watchdog
from tests.test_strategies.desk.watch.scripted import ScriptedWorld

ANN = Person("ann", "command line")
HOUR = 3_600_000


@pytest.fixture
def world(tmp_path: Path) -> ScriptedWorld:
    return ScriptedWorld(tmp_path)


def sign(world: ScriptedWorld, ahead_ms: int = 0, loop: int = 1, **more: Any) -> None:
    beat(world.folder, Heartbeat(time_ms=world.now_ms + ahead_ms, pid=42, loop=loop, **more))


def look(world: ScriptedWorld, dog: Watchdog, seconds: float) -> None:
    """Look every three seconds for so long."""
    until = world.now_ms + round(1000 * seconds)
    while world.now_ms < until:
        world.now_ms += 3_000
        dog.round()


def sold(world: ScriptedWorld) -> list[dict[str, str]]:
    return [o for o in world.account.orders if o["method"] == "POST" and "triggerPrice" not in o]


def cancelled(world: ScriptedWorld) -> int:
    return sum(o["method"] == "DELETE" for o in world.account.orders)


def test_bot_when_a_person_has_stopped_it_then_stops_are_kept_and_nothing_is_sold(
    world: ScriptedWorld,
) -> None:
    world.account.answers["time"]["serverTime"] = 1_700_000_000_000
    dog = world.watchdog(on_silence="flatten")
    sign(world, stopped="/stop", stopped_ms=world.now_ms)
    look(world, dog, 897)
    assert world.account.stopped("BTCUSDT")  # at once: nobody else would
    assert (sold(world), cancelled(world)) == ([], 0)
    assert [t for t in world.said if "stopped by a person" in t] == []
    assert world.commands.store.read().mode is ControlMode.ACTIVE
    look(world, dog, 3)  # exactly as long as a person may leave them
    told = [t for t in world.said if "stopped by a person" in t]
    assert told == [
        "watchdog: bot 42 was stopped by a person (/stop) and 2 positions are open: nothing but "
        "stops looks after them"
    ]
    assert cancelled(world) >= 2  # the entries: nobody would look after what they open
    assert sold(world) == []
    look(world, dog, 1_800)
    assert len([t for t in world.said if "stopped by a person" in t]) == 2  # again after a while
    assert world.commands.store.read().mode is ControlMode.ACTIVE
    world.said.clear()
    sign(world, loop=2)
    dog.round()
    assert [t for t in world.said if t.startswith("watchdog: over")] == [
        "watchdog: over: bot 42 was stopped by a person (/stop) and 2 positions are open: nothing "
        "but stops looks after them"
    ]
    assert not any("control stays" in t for t in world.said)


def test_bot_when_stopped_with_nothing_open_then_nobody_is_told(world: ScriptedWorld) -> None:
    world.account.answers["positionRisk"] = []
    dog = world.watchdog()
    sign(world, stopped="end of process", stopped_ms=world.now_ms)
    look(world, dog, 1_000)
    assert not any("stopped by a person" in t for t in world.said)


def test_bot_when_stopped_and_a_person_wants_out_then_the_watchdog_closes(
    world: ScriptedWorld,
) -> None:
    dog = world.watchdog()
    sign(world, stopped="/stop", stopped_ms=world.now_ms)
    dog.round()
    assert sold(world) == []
    world.commands.flatten(ANN, "out")
    dog.round()
    assert {o["symbol"] for o in sold(world)} == {"BTCUSDT", "ETHUSDT"}
    assert all(o["reduceOnly"] == "true" for o in sold(world))


@pytest.mark.parametrize("ratio", ["699", "700"])
def test_bot_when_stopped_and_the_margin_is_all_but_gone_then_the_watchdog_closes(
    world: ScriptedWorld, ratio: str
) -> None:
    world.account.answers["account"]["totalMaintMargin"] = ratio
    sign(world, stopped="/stop", stopped_ms=world.now_ms)
    world.watchdog().round()
    assert bool(sold(world)) is (ratio == "700")


def test_bot_when_killed_then_flatten_on_silence_still_sells(world: ScriptedWorld) -> None:
    world.watchdog(on_silence="flatten").round()
    assert {o["symbol"] for o in sold(world)} == {"BTCUSDT", "ETHUSDT"}


def test_bot_when_it_has_never_run_then_nobody_misses_it_and_when_its_folder_goes_all_do(
    world: ScriptedWorld,
) -> None:
    rmtree(world.folder)
    dog = world.watchdog()
    look(world, dog, 9)
    assert [text for text in world.said if "sign of life" in text] == []
    world.folder.mkdir(parents=True)
    sign(world)
    dog.round()
    rmtree(world.folder)
    dog.round()
    missed = "watchdog: heartbeat.json: the bot's sign of life is gone, and its folder with it"
    assert [text for text in world.said if "sign of life" in text] == [missed]
    assert world.account.stopped("BTCUSDT")


# -- clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_ms", [900_000, 30 * 24 * HOUR, -900_000])
def test_watchdog_when_the_clock_jumps_for_twelve_seconds_then_a_bot_that_lives_stays_alive(
    world: ScriptedWorld, jump_ms: int
) -> None:
    passed_ms = [world.now_ms]
    dog = Watchdog(
        world.commands, None, [], WatchdogConfig(), world.said.append,
        monotonic=lambda: passed_ms[0] / 1000,
    )  # fmt: skip
    for turn in range(12):
        if turn == 4:
            world.now_ms += jump_ms
        if turn == 8:
            world.now_ms -= jump_ms
        # The bot's own clock does not jump either; every other sign is late by a loop.
        steady = world.now_ms - (jump_ms if 4 <= turn < 8 else 0)
        feed = {"feed_ms": steady - HOUR + 1, "candle_ms": HOUR}
        beat(world.folder, Heartbeat(time_ms=steady, pid=42, loop=turn, **feed))
        dog.round()
        world.now_ms += 3_000
        passed_ms[0] += 3_000
    assert world.said == [
        f"watchdog: the machine's clock has jumped by {jump_ms / 1000:+.0f} s",
        f"watchdog: over: the machine's clock has jumped by {jump_ms / 1000:+.0f} s",
    ]
    assert world.commands.store.read().mode is ControlMode.ACTIVE


def test_watchdog_when_a_dead_bots_last_sign_is_dated_ahead_then_it_is_missed_all_the_same(
    world: ScriptedWorld,
) -> None:
    sign(world, ahead_ms=30 * 24 * HOUR)
    dog = world.watchdog()
    dog.round()
    assert any("dated 2592000 s ahead" in t for t in world.said)
    assert not world.account.stopped("BTCUSDT")
    look(world, dog, 18)
    assert world.account.stopped("BTCUSDT")
    assert any("no sign of life for" in t for t in world.said)


@pytest.mark.parametrize(
    ("off_ms", "told"), [(0, ""), (2_500, "2.5 s behind"), (-2_500, "2.5 s ahead of")]
)  # fmt: skip
def test_watchdog_when_the_exchange_has_another_time_then_a_person_hears_of_it(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch, off_ms: int, told: str
) -> None:
    vars(world.account.client)["milliseconds"] = lambda: world.now_ms
    sign(world)
    world.account.answers["time"]["serverTime"] = world.now_ms + off_ms
    dog = world.watchdog()
    dog.round()
    found = [t for t in world.said if "the exchange's" in t]
    whole = f"watchdog: the machine's clock is {told} the exchange's, which may refuse every order:"
    assert found == ([f"{whole} set it"] if told else [])


@pytest.mark.parametrize(("ahead_s", "believed"), [(1.0, True), (-1.0, True), (1.25, False)])
def test_clock_when_it_has_jumped_to_the_exchanges_time_then_it_is_believed_up_to_the_bound(
    ahead_s: float, believed: bool
) -> None:
    wall_ms, passed_s = [1_000_000], [0.0]
    clock = SteadyClock(lambda: wall_ms[0], lambda: passed_s[0])
    venue: Any = SimpleNamespace(clock_ahead_s=lambda: ahead_s)
    compared = ClockComparison(clock, venue, 1.0, lambda: passed_s[0])
    wall_ms[0] += 900_000  # somebody has set it
    assert set(compared.look()) == {JUMPED} | (set() if believed else {CLOCKS})
    assert (clock.jump_ms == 0) is believed


def test_exchange_clock_when_time_passes_then_it_is_asked_for_each_minute_and_at_every_jump() -> (
    None
):
    passed_s, jump_s, asked = [0.0], [0.0], []
    clock = SteadyClock(lambda: round(1000 * (passed_s[0] + jump_s[0])), lambda: passed_s[0])

    def ahead_s() -> float:
        asked.append(passed_s[0])
        return 900.0  # never right: nothing is confirmed

    venue: Any = SimpleNamespace(clock_ahead_s=ahead_s)
    compared = ClockComparison(clock, venue, 1.0, lambda: passed_s[0])

    def looks(now_s: float, jumped_s: float) -> None:
        passed_s[0], jump_s[0] = now_s, jumped_s
        clock()
        compared.look()

    for now_s, jumped_s in ((0.0, 0.0), (3.0, 0.0), (59.9, 0.0), (60.0, 0.0), (63.0, 900.0),
                            (66.0, 900.0), (69.0, 0.0), (72.0, 0.0), (129.0, 0.0)):  # fmt: skip
        looks(now_s, jumped_s)
    assert asked == [0.0, 60.0, 63.0, 69.0, 129.0]
