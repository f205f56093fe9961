"""The watchdog's log: written beside, counted where it is lost, and whole at the end."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from threading import Condition, Event
from threading import enumerate as enumerate_threads

import pytest

from strategies.desk.cli import main
from strategies.desk.watch.unhurried import UnhurriedHandler, log_unhurried


class Paused(io.StringIO):
    """A terminal that takes nothing until it goes on; one line of its may be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.taking, self.goes_on, self.refuses = Event(), Event(), False

    def write(self, text: str) -> int:
        self.taking.set()
        assert self.goes_on.wait(30)
        if self.refuses:
            raise BrokenPipeError
        return super().write(text)


@pytest.fixture
def terminal() -> Iterator[Paused]:
    made = Paused()
    yield made
    made.goes_on.set()


def logger(terminal: Paused, kept: int) -> tuple[logging.Logger, UnhurriedHandler]:
    handler, made = UnhurriedHandler(terminal, kept), logging.Logger("watch")
    made.addHandler(handler)
    return made, handler


def test_log_when_its_terminal_is_paused_then_nobody_waits_and_what_is_lost_is_counted(
    terminal: Paused,
) -> None:
    log, handler = logger(terminal, kept=2)
    log.warning("first")
    assert terminal.taking.wait(30)
    for number in range(5):
        log.warning("%s", number)
    terminal.goes_on.set()
    handler.flush()
    assert terminal.getvalue().splitlines() == ["first", "0", "(3 lines were not kept)", "1"]


def test_log_when_its_terminal_is_gone_for_a_while_then_the_next_line_counts_what_was_lost(
    terminal: Paused,
) -> None:
    log, handler = logger(terminal, kept=9)
    terminal.goes_on.set()
    terminal.refuses = True
    log.warning("lost")
    handler.flush()
    terminal.refuses = False
    log.warning("%d", "of words")
    handler.flush()
    line, lost = terminal.getvalue().splitlines()
    assert line.startswith("WARNING '%d' (TypeError(")
    assert lost == "(1 lines were not kept)"
    handler.close()


@pytest.mark.usefixtures("log_restored")
@pytest.mark.parametrize("words", [["--bot", "a.json"], ["--supervise", "--config", "a.json"]])
def test_log_when_a_process_starts_watchdogs_then_it_waits_for_no_terminal_either(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def handlers(*_: object) -> int:
        return sum(type(handler) is UnhurriedHandler for handler in logging.getLogger().handlers)

    monkeypatch.setattr("strategies.desk.watch.several.refuse_one_account", lambda _: None)
    monkeypatch.setattr("strategies.desk.watch.several.watch_each", handlers)
    monkeypatch.setattr("strategies.desk.watch.supervise.config_of_files", lambda _: {})
    monkeypatch.setattr("strategies.desk.watch.supervise.signal.signal", lambda *_: None)
    monkeypatch.setattr("strategies.desk.watch.supervise.Supervisor.run", handlers)
    assert main(["watchdog", *words]) == 1


def test_log_when_nothing_else_is_said_then_ten_thousand_lines_wait_and_no_end_waits_for_them(
    terminal: Paused, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(enumerate_threads())
    handler = UnhurriedHandler(terminal)
    (writer,) = set(enumerate_threads()) - before
    assert writer.daemon  # a process ends though its terminal takes nothing
    log = logging.Logger("watch")
    log.addHandler(handler)
    log.warning("first")
    assert terminal.taking.wait(30)
    for _ in range(10_003):
        log.warning("more")
    waited: list[float | None] = []

    def wait_for(self: Condition, predicate: object, timeout: float | None = None) -> bool:
        waited.append(timeout)
        return False

    with monkeypatch.context() as patched:
        patched.setattr(Condition, "wait_for", wait_for)
        handler.flush()
    assert waited == [1.0]
    terminal.goes_on.set()
    while terminal.getvalue().count("more") < 10_000:
        handler.flush()
    handler.close()
    writer.join()
    written = terminal.getvalue().splitlines()
    assert written.count("more") == 10_000
    assert "(3 lines were not kept)" in written


@pytest.mark.usefixtures("log_restored")
def test_log_when_python_itself_warns_then_that_is_a_line_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    log_unhurried()
    warnings.warn("a warning of Python's own", stacklevel=1)
    (handler,) = logging.getLogger().handlers
    handler.flush()
    assert "a warning of Python's own" in stream.getvalue()
