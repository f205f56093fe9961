"""kill -9 at random instants: no acknowledged change is lost, and the chain holds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.journal.journal import Verification
from tests.places import ROOT


def kill_once(userdir: Path, words: int, pause_s: float) -> list[str]:
    """Run the writer, kill it `pause_s` after that many words, and return all it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.test_integration.state_writer", str(userdir)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = b"".join(process.stdout.readline() for _ in range(words))
        time.sleep(pause_s)
    finally:
        os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    assert process.wait() == -signal.SIGKILL
    return (first + rest).decode().splitlines()


def newest(words: list[str], *names: str) -> list[str]:
    """Return the last of the words that begin with one of `names`, split."""
    return next((w.split() for w in reversed(words) if w.split()[0] in names), [])


def check(userdir: Path, words: list[str], mode: str) -> tuple[Verification, str]:
    """Assert that everything in `words` is there; return the journal's state and the mode."""
    desk = Commands(userdir)
    state, found = desk.store.read(), desk.journal.verify()
    assert "cannot be read" not in state.reason
    assert found.fault == ""
    assert state.next_proposal > int((newest(words, "proposal") or ["", "0"])[1])
    assert found.lines >= int((newest(words, "line") or ["", "0"])[1])
    said = newest(words, "HALTED", "ACTIVE")
    acknowledged = said[0] if said else mode
    # The kill may have come between a change and its word: then the next one is there already.
    after = {"HALTED": "ACTIVE", "ACTIVE": "HALTED"}[acknowledged]
    last = state.next_proposal - 1
    may_be_ahead = said == [] or int(said[1]) < last
    assert state.mode == acknowledged or (may_be_ahead and state.mode == after)
    return found, state.mode


def kills(userdir: Path, times: int, seed: int) -> Verification:
    """Kill the writer `times` times at random instants, checking after each."""
    random_ = random.Random(seed)
    found = Verification(lines=0, files=0, first=None, first_ms=None, torn=False, head="")
    mode = "ACTIVE"
    for _ in range(times):
        before = found.lines
        words = kill_once(userdir, random_.randint(1, 40), random_.uniform(0.0, 0.005))
        found, mode = check(userdir, words, mode)
        assert found.lines >= before
    return found


def test_state_when_its_writer_is_killed_at_random_then_nothing_said_is_lost(
    tmp_path: Path,
) -> None:
    assert kills(tmp_path, 20, seed=0).lines > 100


@pytest.mark.slow
def test_state_when_its_writer_is_killed_a_hundred_times_then_nothing_said_is_lost(
    tmp_path: Path,
) -> None:
    found = kills(tmp_path, 100, seed=1)
    assert found.lines > 500
    assert found.files > 10
