"""A long wait says that it goes on, on the error output; a short one says nothing."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable

import pytest

from strategies.desk.terminal import waiting
from strategies.desk.terminal.waiting import CountedSteps, PatientWait


class Screen(io.StringIO):
    """An error output that says when something was written to it."""

    def __init__(self, *, at_terminal: bool) -> None:
        super().__init__()
        self.at_terminal, self.written = at_terminal, threading.Event()

    def isatty(self) -> bool:
        return self.at_terminal

    def flush(self) -> None:
        self.written.set()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock on which every look is twelve seconds later, and no pause between two looks."""
    for pause in ("_SILENT_S", "_AT_TERMINAL_S", "_IN_A_LOG_S"):
        monkeypatch.setattr(waiting, pause, 0.001)
    seconds = iter(range(0, 10**9, 12))
    return lambda: float(next(seconds))


@pytest.mark.parametrize("at_terminal", [True, False])
def test_wait_when_it_is_long_then_it_is_told_where_a_program_does_not_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    hurried: Callable[[], float], at_terminal: bool,
) -> None:  # fmt: skip
    screen = Screen(at_terminal=at_terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    wait = PatientWait("measuring", hurried)
    wait.done(0.5)
    with wait:
        assert screen.written.wait(60)
    said = screen.getvalue()
    assert "measuring: 12 s" in said
    assert "left" in said
    assert said.endswith("\r\033[K") is at_terminal  # the line is gone when it is over
    assert ("\n" in said) is not at_terminal
    assert capsys.readouterr().out == ""


def test_wait_when_it_is_short_then_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with PatientWait("measuring") as wait:
        wait.done(1.0)
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_wait_when_the_work_fails_then_its_error_comes_through_and_the_thread_ends() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), PatientWait("measuring"):
        raise ZeroDivisionError
    assert threading.active_count() == before


def test_line_when_the_share_is_known_then_what_is_left_is_told_and_else_only_what_is_spent() -> (
    None
):
    seconds = iter([0.0, 60.0, 60.0, 90.0])
    wait = PatientWait("replaying", lambda: next(seconds))
    assert wait.line() == "replaying: 1 min"
    wait.done(0.25)
    assert wait.line() == "replaying: 1 min, about 3 min left"
    wait.done(7.0)
    assert wait.line() == "replaying: 1 min, about 0 s left"


def test_steps_when_they_are_gone_through_then_the_share_done_is_known_before_each() -> None:
    seconds = iter([0.0, 60.0, 90.0])
    wait = PatientWait("probing", lambda: next(seconds))
    said = [(step, wait.line()) for step in wait.each(["a", "b"])]
    assert said == [("a", "probing: 1 min"), ("b", "probing: 1 min, about 1 min left")]
    assert wait._share == 1.0


def test_step_when_it_is_done_then_its_number_and_the_time_left_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = iter([0.0, 30.0, 60.0])
    steps = CountedSteps(2, lambda: next(seconds))
    steps.step("lstm")
    steps.step("gru")
    assert capsys.readouterr().out.splitlines() == [
        "[1/2] lstm; 30 s, about 30 s left", "[2/2] gru; 1 min, about 0 s left",
    ]  # fmt: skip


def test_steps_when_some_were_kept_from_before_then_the_time_left_is_by_those_that_were_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = iter([0.0, 0.0, 30.0])
    steps = CountedSteps(4, lambda: next(seconds))
    steps.step("lstm", kept=True)
    steps.step("gru")
    assert capsys.readouterr().out.splitlines() == [
        "[1/4] lstm; 0 s", "[2/4] gru; 30 s, about 1 min left",
    ]  # fmt: skip
