"""When shocks are asked for, of whom, and what is made of what their process says."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from models.base.types import Candles
from models.base.units import HOUR_MS
from models.operate.control.shocks import (
    SHOCKS_FILE,
    SILENT_MS,
    PairShock,
    Unforeseen,
    read_shocks,
)
from models.trade.risk.worst_hours import WorstHour
from strategies.bot.child import PAUSE_S
from strategies.bot.outlook_request import (
    LEAST_SPAN_MS,
    TOO_FEW,
    OutlookConfig,
    ShockRequest,
    read_request,
)
from strategies.bot.shocks import AGAIN_S, ShockKeeper
from strategies.guard.foresight import Foresight

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
CONFIG = OutlookConfig(engine="bootstrap", seed=3)
HOURS = LEAST_SPAN_MS // HOUR_MS
HALF = WorstHour(fall_frac=0.5, rise_frac=0.1)


def hours(count: int, end_ms: int) -> Candles:
    """Return so many hours, of which the newest ends at the last full one before `end_ms`."""
    time_ms = end_ms // HOUR_MS * HOUR_MS - HOUR_MS * np.arange(count, 0, -1)
    one = np.ones(count)
    return Candles(time_ms=time_ms, open=one, high=one, low=one, close=one, volume=one)


@dataclass
class Played:
    """A process whose lines and end a test decides on."""

    request: ShockRequest
    newest: dict[str, Candles]
    answers: BinaryIO
    status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def kill(self) -> None:
        self.status = -9

    def wait(self, timeout: float | None = None) -> int:
        assert self.status is not None
        return self.status

    def say(self, *found: PairShock | Unforeseen | str) -> None:
        for one in found:
            line = one if isinstance(one, str) else json.dumps(asdict(one)) + "\n"
            self.answers.write(line.encode())
        self.answers.flush()

    def answer(self) -> None:
        """End, having told the shock of every pair."""
        self.say(*(shock(pair, self.request.until_ms) for pair in self.request.pairs))
        self.status = 0


def shock(pair: str, until_ms: int) -> PairShock:
    return PairShock(pair=pair, until_ms=until_ms, fall_frac=0.5, rise_frac=0.1)


@dataclass
class World:
    """A bot's keeper of shocks, its clocks, its candles and every process it has started."""

    folder: Path
    now_ms: int = 1_700_000_000_000 // HOUR_MS * HOUR_MS + 60_000
    passed_s: float = 0.0
    started: list[Played] = field(default_factory=list)
    trouble: OSError | None = None
    known: dict[str, Candles] = field(default_factory=dict)  # instead of enough new ones

    def __post_init__(self) -> None:
        self.foresight = Foresight(self.folder, lambda: self.now_ms)
        self.keeper = self.made()

    def made(self) -> ShockKeeper:
        return ShockKeeper(
            CONFIG, self.foresight, self.folder, datadir=self.folder / "data", timeframe="1h",
            candle_ms=HOUR_MS, clock=lambda: self.now_ms, monotonic=lambda: self.passed_s,
            launch=self._launch,
        )  # fmt: skip

    def _launch(self, asks: BinaryIO, answers: BinaryIO) -> Played:
        if self.trouble is not None:
            raise self.trouble
        self.started.append(Played(*read_request(ShockRequest, asks.read()), answers=answers))
        return self.started[-1]

    def look(self, *pairs: str) -> str:
        return self.keeper.look(pairs, self._candles)

    def _candles(self, pair: str) -> Candles | None:
        return self.known.get(pair, hours(HOURS, self.now_ms))

    def pass_s(self, seconds: float) -> None:
        self.passed_s += seconds
        self.now_ms += round(1_000 * seconds)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_shocks_when_an_hour_has_closed_then_they_are_asked_for_once_and_kept(
    world: World,
) -> None:
    assert world.look(BTC, LTC, BTC) == ""
    world.pass_s(10 * PAUSE_S)
    assert world.look(BTC, LTC) == ""
    (process,) = world.started
    request = process.request
    assert request.pairs == (BTC, LTC)
    assert request.until_ms == 1_700_000_000_000 // HOUR_MS * HOUR_MS
    assert (request.asked, request.candle_ms, request.timeframe) == (CONFIG, HOUR_MS, "1h")
    assert process.newest[LTC].time_ms[-1] == request.until_ms - HOUR_MS
    assert world.foresight.hours == {}
    process.answer()
    assert world.look(BTC, LTC) == ""
    assert world.foresight.hours == {BTC: HALF, LTC: HALF}
    kept = read_shocks(world.folder, now_ms=world.now_ms)
    assert kept is not None
    assert {one.pair for one in kept.known} == {BTC, LTC}
    assert len(world.started) == 1
    world.pass_s(3_600)
    world.look(BTC, LTC)
    assert world.started[1].request.until_ms == request.until_ms + HOUR_MS


def test_shocks_when_the_bot_lacks_the_newest_candle_then_they_wait_for_it(world: World) -> None:
    late = hours(HOURS, world.now_ms - HOUR_MS)
    world.known = {BTC: late}
    world.look(BTC)
    world.started[0].answer()
    assert world.started[0].request.until_ms == int(late.time_ms[-1]) + HOUR_MS
    world.pass_s(2 * PAUSE_S)
    world.look(BTC)
    assert len(world.started) == 1
    world.known = {}
    world.look(BTC)
    assert world.started[1].request.until_ms == world.started[0].request.until_ms + HOUR_MS


def test_shocks_when_one_pair_has_no_new_candles_then_the_others_have_theirs(
    world: World,
) -> None:
    world.known = {LTC: hours(HOURS, world.now_ms - 3 * HOUR_MS)}
    for _ in range(3):
        world.look(BTC, LTC)
        world.started[-1].answer()
        world.pass_s(3_600)
    assert [process.request.pairs for process in world.started] == [(BTC, LTC), (BTC,), (BTC,)]
    first, *_, last = (process.request.until_ms for process in world.started)
    assert last - first == 2 * HOUR_MS


def test_shocks_when_the_bot_has_no_candles_yet_then_nothing_is_asked_and_soon_after_all_is(
    world: World,
) -> None:
    folder = world.folder / "data" / "futures"
    folder.mkdir(parents=True)
    (folder / "BTC_USDT_USDT-1h-futures.feather").touch()  # of a month ago: no word of now
    world.known = {BTC: hours(0, world.now_ms)}
    assert world.look(BTC) == ""
    assert world.started == []
    world.known = {BTC: hours(500, world.now_ms)}
    world.pass_s(5)
    world.look(BTC)
    assert world.started[0].request.pairs == (BTC,)
    assert len(world.started[0].newest[BTC]) == 500


def test_shocks_when_the_time_is_too_short_then_those_that_wait_longest_come_first(
    world: World,
) -> None:
    world.look(BTC, LTC)
    world.started[0].answer()
    for k, (first, second) in enumerate([(BTC, LTC), (LTC, BTC), (BTC, LTC)], start=1):
        world.pass_s(3_600)
        world.look(BTC, LTC)
        process = world.started[k]
        assert process.request.pairs == (first, second)
        process.say(shock(first, process.request.until_ms))
        world.pass_s(CONFIG.limit_s + 1)
        world.look(BTC, LTC)
    world.pass_s(AGAIN_S)
    world.look(BTC, LTC)
    assert world.started[4].request.pairs == (LTC,)  # what was said of the hour is not said again


def test_shocks_when_a_pair_is_new_then_it_is_not_left_until_the_next_candle(
    world: World,
) -> None:
    world.look(BTC)
    world.started[0].answer()
    world.look(BTC, LTC)
    assert len(world.started) == 1  # a pause between two starts, whatever they are for
    world.pass_s(PAUSE_S)
    world.look(BTC, LTC)
    world.started[1].answer()
    world.pass_s(PAUSE_S)
    world.look(BTC)  # one that is gone needs nothing
    assert [process.request.pairs for process in world.started] == [(BTC,), (LTC,)]


def test_shocks_when_too_few_candles_can_be_there_then_no_process_works_and_it_is_known_why(
    world: World,
) -> None:
    world.known = {BTC: hours(HOURS - 1, world.now_ms)}
    assert world.look(BTC) == ""
    assert world.started == []
    kept = read_shocks(world.folder, now_ms=world.now_ms)
    assert kept is not None
    assert kept.missing == (Unforeseen(pair=BTC, why=TOO_FEW),)
    folder = world.folder / "data" / "futures"
    folder.mkdir(parents=True)
    (folder / "BTC_USDT_USDT-1h-futures.feather").touch()  # older ones may be in it
    world.pass_s(3_600)
    world.known = {BTC: hours(HOURS - 1, world.now_ms)}
    world.look(BTC, LTC)
    assert world.started[0].request.pairs == (BTC, LTC)


def test_shocks_when_a_process_answers_for_fewer_than_it_was_asked_then_it_is_said(
    world: World,
) -> None:
    world.look(BTC, LTC)
    process = world.started[0]
    process.say(shock(LTC, process.request.until_ms))
    process.status = 0
    assert world.look(BTC, LTC) == "it has not answered for every pair"
    world.pass_s(AGAIN_S)
    world.look(BTC, LTC)
    assert world.started[1].request.pairs == (BTC,)


def test_trouble_when_nothing_is_left_to_ask_then_it_is_over(world: World) -> None:
    world.look(BTC)
    world.started[0].status = 1
    assert world.look(BTC) == "its process ended with status 1"
    world.known = {LTC: hours(9, world.now_ms)}
    world.pass_s(AGAIN_S)
    world.look(LTC)
    assert world.look(LTC) == ""


def test_shocks_when_no_file_can_be_made_then_it_is_said_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("strategies.bot.child.tempfile.TemporaryFile", full)
        said = "its process cannot be started: No space left on device"
        assert world.look(BTC) == said
    world.pass_s(AGAIN_S)
    world.look(BTC)
    world.started[0].answer()
    assert world.look(BTC) == ""


def test_shocks_when_nothing_is_followed_then_nobody_works(world: World) -> None:
    assert world.look() == ""
    assert world.started == []
    assert not (world.folder / SHOCKS_FILE).exists()


def test_shocks_when_the_process_dies_then_what_it_said_stands_and_the_rest_is_asked_again(
    world: World,
) -> None:
    world.look(BTC, LTC)
    process = world.started[0]
    process.say(shock(BTC, process.request.until_ms), '{"pair": "LTC/USDT:USDT", "unt')
    process.status = -9
    said = "its process was ended by SIGKILL: too much memory or time, or by hand"
    assert world.look(BTC, LTC) == said
    assert list(world.foresight.hours) == [BTC]
    world.pass_s(AGAIN_S - 1)
    assert world.look(BTC, LTC) == said
    assert len(world.started) == 1
    world.pass_s(1)
    world.look(BTC, LTC)
    world.started[1].answer()
    assert world.look(BTC, LTC) == ""
    assert list(world.foresight.hours) == [BTC, LTC]


def test_shocks_when_the_process_takes_too_long_then_it_is_ended_and_what_it_said_stands(
    world: World,
) -> None:
    world.look(BTC, LTC)
    world.started[0].say(shock(BTC, world.started[0].request.until_ms))
    world.pass_s(CONFIG.limit_s)
    assert world.look(BTC, LTC) == ""
    world.pass_s(1)
    assert world.look(BTC, LTC) == "it took more than 600 s and was ended"
    assert world.started[0].status == -9
    assert list(world.foresight.hours) == [BTC]
    world.pass_s(AGAIN_S - 1)
    world.look(BTC, LTC)
    assert len(world.started) == 1  # the pause counts from its end
    world.pass_s(1)
    assert world.look(BTC, LTC) == "it took more than 600 s and was ended"  # until there is more
    world.started[1].answer()
    assert world.look(BTC, LTC) == ""


@pytest.mark.parametrize(
    "line",
    ["nonsense\n", "[]\n", "7\n", '{"pair": "BTC/USDT:USDT"}\n', '{"why": 7, "pair": "x"}\n',
     '{"pair": "x", "until_ms": 1, "fall_frac": 2.0, "rise_frac": 0.1}\n',
     '{"pair": "x", "until_ms": 1, "fall_frac": NaN, "rise_frac": 0.1}\n', "\xff\n"],
)  # fmt: skip
def test_shocks_when_a_line_is_none_then_it_is_said_and_the_others_count(
    world: World, line: str
) -> None:
    world.look(BTC, LTC)
    process = world.started[0]
    process.say(line, shock(LTC, process.request.until_ms))
    process.status = 0
    assert world.look(BTC, LTC).startswith("its answer is no shock: ")
    assert list(world.foresight.hours) == [LTC]


def test_shocks_when_no_process_can_be_started_then_it_is_said_and_tried_again(
    world: World,
) -> None:
    world.trouble = OSError(11, "Resource temporarily unavailable")
    said = "its process cannot be started: Resource temporarily unavailable"
    assert world.look(BTC) == said
    world.trouble = None
    world.pass_s(AGAIN_S)
    world.look(BTC)
    world.started[0].answer()
    assert world.look(BTC) == ""


def test_shocks_when_nothing_can_be_written_then_it_is_said_and_they_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    world.look(BTC)
    world.started[0].answer()
    monkeypatch.setattr("strategies.guard.foresight.write_shocks", full)
    assert world.look(BTC).startswith("its answer cannot be kept: ")
    assert world.foresight.hours == {BTC: HALF}


def test_shocks_when_the_configuration_is_reloaded_then_one_process_works(world: World) -> None:
    world.look(BTC)
    world.keeper = world.made()
    world.look(BTC)
    assert [process.status for process in world.started] == [-9, None]


def test_shocks_when_the_file_could_not_be_read_then_that_is_told_until_there_are_new_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / SHOCKS_FILE).write_text("{", encoding="utf-8")
    world = World(tmp_path)
    assert world.look(BTC).startswith("what was said last cannot be read: ")
    world.started[0].answer()
    assert world.look(BTC) == ""


def test_silence_when_a_pairs_candles_are_gone_then_the_reason_is_named(world: World) -> None:
    world.look(BTC)
    world.started[0].answer()
    world.look(BTC)
    world.pass_s(SILENT_MS / 1000 + 3_600)
    world.known = {BTC: hours(10, world.now_ms)}
    world.look(BTC)
    assert TOO_FEW in world.foresight.silences[BTC]
