"""A command that is told to end takes along what it has started, as after Ctrl-C, and says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import psutil
import pytest
from loky import get_reusable_executor

from strategies.desk import surrounding_lines
from strategies.desk.cli import main
from strategies.desk.terminal.ended import ended_pool
from strategies.desk.terminal.signals import ToldToEnd, hearing_the_end
from tests.places import ROOT
from tests.test_strategies.desk.terminal.deaf import DEAF

# A demo whose backtest is the deaf program; the exchange beside it is the real one.
DEMO = """
import sys
from pathlib import Path
from strategies.desk import cli
from strategies.desk.backtests import demo

def run(options):
    command = [sys.executable, sys.argv[1], "--datadir", str(options.userdir)]
    return demo.run_backtest(command, options.userdir / "logs" / "demo.log")[0]

demo.run_demo = run
sys.exit(cli.main(["demo", "--userdir", sys.argv[2]]))
"""


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGHUP])
def test_demo_when_it_alone_is_told_to_end_then_nothing_it_started_is_left(
    tmp_path: Path, word: signal.Signals
) -> None:
    program = tmp_path / "deaf.py"
    program.write_text(DEAF, encoding="utf-8")
    command = [sys.executable, "-c", DEMO, str(program), str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    family: list[psutil.Process] = []
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("child ")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 3  # the program, its child, the exchange
        process.send_signal(word)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 128 + word
        assert said.splitlines() == ["interrupted: only what was said to be done is sure to be"]
        _, left = psutil.wait_procs(family, timeout=10)
        assert left == []
    finally:
        for one in family:
            if one.is_running():
                one.kill()
        process.kill()
        process.wait()


def test_word_when_nobody_listens_then_it_is_heard_once_and_then_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def ended(_: Any) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
        return 0

    monkeypatch.setattr(surrounding_lines, "_simulate", ended)
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [])  # others' are not ours
    assert main(["simulate", "anywhere"]) == 143
    assert capsys.readouterr().err.startswith("interrupted: ")
    assert signal.getsignal(signal.SIGTERM) is before


def test_word_when_it_is_to_be_ignored_or_somebody_listens_then_that_stays() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    own = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with hearing_the_end():
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, own)


def test_word_when_a_command_runs_in_a_thread_then_it_runs_all_the_same() -> None:
    done: list[bool] = []

    def run() -> None:
        with hearing_the_end():
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]


def test_pool_when_the_command_is_told_to_end_then_its_work_is_given_up() -> None:
    training = get_reusable_executor(max_workers=1)  # somebody else's, who is left alone
    assert training.submit(abs, -1).result() == 1
    before = psutil.Process().children()
    workers: list[psutil.Process] = []
    running: list[Future[None]] = []

    def work() -> None:
        with ended_pool(2) as pool:
            running.extend(pool.submit(signal.pause) for _ in range(4))
            workers.extend(one for one in psutil.Process().children() if one not in before)
            raise ToldToEnd(signal.SIGTERM)

    with pytest.raises(ToldToEnd):
        work()
    assert workers
    _, left = psutil.wait_procs(workers, timeout=10)
    assert left == []
    assert not wait(running, timeout=60).not_done
    assert training.submit(abs, -2).result() == 2
    assert all(one.is_running() for one in before)


# A study whose trainings run in threads: what they wait for ends with the command.
STUDY = """
import signal, subprocess, sys, threading
from strategies.desk import cli, surrounding_lines

def run(options):
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    waits = threading.Thread(target=child.wait)
    waits.start()
    print("child", child.pid, flush=True)
    waits.join()
    return 0

surrounding_lines._simulate = run
sys.exit(cli.main(["simulate", "anywhere"]))
"""


def test_study_when_it_waits_in_threads_and_is_told_to_end_then_it_does_not_wait_on() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUDY], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    child = None
    try:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline().split()[1]))
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 143
        assert psutil.wait_procs([child], timeout=10)[1] == []
    finally:
        process.kill()
        process.wait()
        if child is not None and child.is_running():
            child.kill()
