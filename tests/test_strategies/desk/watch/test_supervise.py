"""A watchdog that dies or hangs is started again, and a person hears of it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strategies.desk.watch.pulse import Pulse
from strategies.desk.watch.supervise import Supervisor, run_supervised

BEAT = "import os, sys, time\npipe = int(sys.argv[1])\nos.write(pipe, b'.')\n"


class Enough(Exception):
    """The supervisor has paused as often as the test wants."""


def supervised(
    programs: list[str], pauses: int, **settings: float
) -> tuple[list[str], list[float], list[subprocess.Popen[bytes]], int | None]:
    """Run a supervisor over Python programs, one after the other; return what it said and did."""
    said: list[str] = []
    paused: list[float] = []
    started: list[subprocess.Popen[bytes]] = []
    waiting: Iterator[str] = iter(programs)

    def start(pipe: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", next(waiting), str(pipe)]
        started.append(subprocess.Popen(command, pass_fds=(pipe,)))
        return started[-1]

    def sleep(seconds: float) -> None:
        if seconds < 1:  # between two looks at a process that is about to be gone
            time.sleep(seconds)
            return
        paused.append(seconds)
        if len(paused) == pauses:
            raise Enough

    try:
        status = Supervisor(start, said.append, sleep=sleep, **settings).run()
    except Enough:
        status = None
    return said, paused, started, status


def test_supervisor_when_the_watchdog_dies_then_it_is_started_again_with_longer_pauses() -> None:
    died = BEAT + "sys.exit(3)"
    killed = BEAT + "os.kill(os.getpid(), 9)"
    said, paused, _, _ = supervised([died, killed, died, died, died, died, died], 7)
    assert paused == [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0]
    assert said[:2] == [
        "watchdog: it ended with status 3; started again in 1 s",
        "watchdog: it ended with status -9; started again in 2 s",
    ]


def test_supervisor_when_the_watchdog_hangs_then_it_is_killed_and_started_again() -> None:
    said, _, started, _ = supervised([BEAT + "time.sleep(600)"], 1, hangs_s=0.5)
    assert said == [
        "watchdog: it gave no sign of life for 0 s and was killed; started again in 1 s"
    ]
    assert started[0].returncode == -9


class Silent:
    """A process that gives one sign of life and is never gone by itself."""

    sign = b"."

    def __init__(self, pipe: int) -> None:
        self.looks = 0
        self.killed_at_look: int | None = None
        self._pipe = os.dup(pipe)
        os.write(self._pipe, self.sign)

    def poll(self) -> int | None:
        self.looks += 1
        return None if self.killed_at_look is None else -9

    def kill(self) -> None:
        self.killed_at_look = self.looks

    def terminate(self) -> None:
        raise AssertionError("a process that hangs is killed")

    def wait(self, timeout: float | None = None) -> int:
        assert self.killed_at_look is not None, timeout
        os.close(self._pipe)
        return -9


@pytest.mark.parametrize(("settings", "limit_s"), [({}, 30.0), ({"hangs_s": 7.0}, 7.0)])
def test_supervisor_when_a_sign_is_due_then_it_is_waited_for_as_long_as_it_may_take(
    settings: dict[str, float], limit_s: float
) -> None:
    started: list[Silent] = []
    said: list[str] = []
    readings = iter([0.0, 0.0, 100.0, 100.0 + limit_s, 100.5 + limit_s])  # begun, ..., a sign, ...

    def start(pipe: int) -> Silent:
        started.append(Silent(pipe))
        return started[-1]

    def sleep(seconds: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        Supervisor(
            start, said.append, monotonic=lambda: next(readings, 200.0), sleep=sleep, **settings
        ).run()
    assert started[0].killed_at_look == 2  # not at the limit, but beyond it
    assert said == [
        f"watchdog: it gave no sign of life for {limit_s:.0f} s and was killed; "
        "started again in 1 s"
    ]


class Ends(Silent):
    """A process that has closed its pipe; it is seen to be gone at the second look."""

    def __init__(self, pipe: int) -> None:
        self.looks = 0

    def poll(self) -> int | None:
        self.looks += 1
        return 3 if self.looks > 1 else None

    def wait(self, timeout: float | None = None) -> int:
        return 3


def test_supervisor_when_the_watchdog_has_lived_for_ten_minutes_then_its_pauses_begin_anew() -> (
    None
):
    lived = iter([5.0, 5.0, 599.9, 600.0, 5.0])
    readings: list[float] = []
    slept: list[float] = []

    def monotonic() -> float:
        if not readings:  # begun, the last sign, and when its end is seen
            readings.extend([0.0, 0.0, 0.0, next(lived)])
        return readings.pop(0)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 10:
            raise Enough

    with pytest.raises(Enough):
        Supervisor(Ends, lambda _: None, monotonic=monotonic, sleep=sleep).run()
    assert slept == [0.1, 1.0, 0.1, 2.0, 0.1, 5.0, 0.1, 1.0, 0.1, 2.0]


def test_supervisor_when_nothing_is_heard_at_the_start_then_two_minutes_are_waited() -> None:
    said: list[str] = []
    readings = iter([0.0, 0.0, 120.0, 120.5])

    class Mute(Silent):
        sign = b""

    def sleep(seconds: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        Supervisor(Mute, said.append, monotonic=lambda: next(readings, 200.0), sleep=sleep).run()
    assert said == [
        "watchdog: it gave no sign of life for 120 s and was killed; started again in 1 s"
    ]


def test_supervisor_when_nothing_begins_then_it_waits_longer_and_then_starts_again() -> None:
    said, _, _, _ = supervised(["import time\ntime.sleep(600)"], 1, hangs_s=0.0, begin_s=2.0)
    assert "no sign of life for 2 s" in said[0]


def test_supervisor_when_the_settings_are_wrong_at_the_first_start_then_it_ends() -> None:
    said, paused, _, status = supervised(["import sys\nsys.exit(2)"], 1)
    assert (said, paused, status) == ([], [], 2)


def test_supervisor_when_the_settings_are_spoilt_later_then_it_goes_on_trying() -> None:
    _, paused, _, status = supervised([BEAT, "import sys\nsys.exit(2)"], 2)
    assert (paused, status) == ([1.0, 2.0], None)


def test_supervisor_when_a_person_ends_it_then_the_watchdog_ends_too() -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(pipe: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", BEAT + "time.sleep(600)", str(pipe)]
        started.append(subprocess.Popen(command, pass_fds=(pipe,)))
        return started[-1]

    passed = iter(range(1_000))

    def monotonic() -> float:
        if next(passed) == 4:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        Supervisor(start, lambda _: None, monotonic=monotonic).run()
    assert started[0].returncode == -15


@pytest.mark.parametrize("ends", [os.close, lambda end: None])
def test_pulse_when_nobody_listens_any_more_then_the_watchdog_goes_on_and_says_so_once(
    ends: Callable[[int], None],
) -> None:
    reads, writes = os.pipe()
    said: list[str] = []
    pulse = Pulse(writes, said.append)
    pulse()
    assert os.read(reads, 10) == b"."
    ends(reads)
    for _ in range(100_000):  # more than a pipe holds
        pulse()
    gone = ends is os.close
    assert said == (["watchdog: its supervisor is gone; it goes on alone"] if gone else [])
    Pulse(None, said.append)()


class Stubborn(Silent):
    """A process that does not end when it is asked to."""

    def __init__(self, pipe: int) -> None:
        super().__init__(pipe)
        self.asked: list[float | None] = []

    def terminate(self) -> None:
        assert self.asked == []

    def wait(self, timeout: float | None = None) -> int:
        self.asked.append(timeout)
        if self.killed_at_look is None:
            raise subprocess.TimeoutExpired("watchdog", timeout or 0.0)
        return super().wait(timeout)


def test_supervisor_when_a_person_ends_it_and_the_watchdog_does_not_then_it_is_killed() -> None:
    started: list[Stubborn] = []

    def start(pipe: int) -> Stubborn:
        started.append(Stubborn(pipe))
        return started[-1]

    readings = iter([0.0, 0.0])

    def monotonic() -> float:
        try:
            return next(readings)
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        Supervisor(start, lambda _: None, monotonic=monotonic).run()
    assert started[0].asked == [5, None]


@pytest.mark.usefixtures("log_restored")
@pytest.mark.parametrize("name", ["", "mine"])
@pytest.mark.parametrize("is_said", [True, False])  # which user directory
def test_supervisor_when_it_is_run_then_its_log_is_its_own_and_a_person_can_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, is_said: bool,
) -> None:  # fmt: skip
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"dry_run": True, "exchange": {"name": "binance"}}))
    heard: list[object] = []
    started: list[list[str]] = []
    monkeypatch.setattr(signal, "signal", lambda *which: heard.extend(which))
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))

    class Ended:
        def __init__(self, start: Callable[[int], object], say: Callable[[str], None]) -> None:
            self._start, self._say = start, say

        def run(self) -> int:
            self._start(7)
            self._say("watchdog: a word")
            raise KeyboardInterrupt

    monkeypatch.setattr("strategies.desk.watch.supervise.Supervisor", Ended)
    logging.getLogger().handlers[:] = [logging.NullHandler()]  # Freqtrade's, set up before
    assert run_supervised([config, config], tmp_path if is_said else None, name) == 0
    logging.getLogger().handlers[0].flush()  # as at a process's end
    assert heard[0] == signal.SIGTERM
    head = f"{name}: " if name else ""
    assert capsys.readouterr().err.endswith(f"WARNING {head}watchdog: a word\n")
    (command,) = started
    assert command[3:] == [
        "watchdog", *2 * ["--config", str(config)],
        *(["--userdir", str(tmp_path)] if is_said else []),
        *(["--name", name] if name else []), "--pulse", "7",
    ]  # fmt: skip
