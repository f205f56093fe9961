"""A live bot's own files out of order, and a person's commands that cannot do what they say.

One bot serves all of it; each test leaves it as it found it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from models.operate.control.state import ControlMode
from models.operate.control.state_file import STATE_FILE
from models.operate.journal.journal import Journal
from models.operate.journal.records import Incident
from strategies.desk.cli import main
from tests.places import ROOT
from tests.test_integration.live_bot import acknowledge_risk
from tests.test_integration.told_bot import ANN, PRICES, ToldBot, running_told_bot

INSTEAD = {
    "a FIFO": "expected a regular file, got a FIFO",
    "a folder": "expected a regular file, got a folder",
    "garbage": "the control state cannot be read",
    "half of it": "the control state cannot be read",
}


@pytest.fixture(scope="module")
def told() -> Iterator[ToldBot]:
    """A bot that a person holds back, in a folder that anyone may read."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        past = Journal(folder / "user_data" / "journal", max_bytes=1000)
        for n in range(12):  # what is here from a time before: several files, the oldest moved away
            past.append("test", Incident(what=f"an older line {n}"))
        with running_told_bot(folder, held_back="before the test") as bot:
            yield bot


@contextmanager
def replaced(path: Path, what: str) -> Iterator[None]:
    """Put something else in the state's place, as no other process sees it half done."""
    whole, aside = path.read_bytes(), path.with_name("aside")
    aside.unlink(missing_ok=True)
    fresh = path.with_name("planted")
    if what == "a FIFO":
        os.mkfifo(fresh)
    elif what == "a folder":
        fresh.mkdir()
        os.replace(path, aside)  # no folder replaces a file
    else:
        fresh.write_bytes(whole[: len(whole) // 2] if what == "half of it" else b"\x00{\xff")
    os.replace(fresh, path)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        fresh.write_bytes(whole)
        os.replace(fresh, path)
        aside.unlink(missing_ok=True)


@pytest.mark.parametrize("what", list(INSTEAD))
def test_live_bot_when_something_else_is_in_its_states_place_then_it_is_halted_in_words_and_lives(
    told: ToldBot, what: str
) -> None:
    ordered = len(told.account.orders)
    before = told.desk.store.read()
    with replaced(told.control / STATE_FILE, what):
        shown = told.own_risk("HALTED")
        assert INSTEAD[what] in shown
        told.bot.wait_for(
            lambda: any(INSTEAD[what] in why for why in told.refusals()), "an entry refused for it"
        )
        told.loops()
        assert len(told.account.orders) == ordered
    assert told.own_risk(str(before.mode)).startswith(str(before.mode))  # as it stood
    assert told.desk.store.read().standing == before.standing


def said(told: ToldBot, *words: str) -> tuple[int, str]:
    """Say a command as somebody who may not write there; return its code and what it printed."""
    command = [sys.executable, "-m", "tests.as_nobody", *words, "--userdir", str(told.userdir)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    told.control.chmod(0o555)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        told.control.chmod(0o755)
    return done.returncode, done.stdout + done.stderr


def test_halt_when_the_running_bots_folder_takes_no_word_then_it_exits_2_and_the_bot_is_as_it_was(
    told: ToldBot,
) -> None:
    told.desk.resume(ANN)
    for word in ("halt", "reduce"):
        code, printed = said(told, word)
        assert (code, f"{word} was not carried out" in printed) == (2, True), printed
        assert "HALTED:" not in printed
        assert "REDUCING:" not in printed
    told.loops()
    assert told.own_risk("new positions are allowed").startswith("ACTIVE")
    told.bot.wait_for(told.protected, "an entry, which nothing forbids, and its stop")
    assert told.desk.store.on_disk().mode is ControlMode.ACTIVE


def test_journal_of_a_running_bot_when_its_oldest_file_is_gone_then_verify_says_what_is_missing(
    told: ToldBot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def verified(userdir: Path) -> tuple[int, str]:
        code = main(["journal", "verify", "--userdir", str(userdir)])
        return code, "".join(capsys.readouterr())

    code, shown = verified(told.userdir)
    assert (code, "the chain holds" in shown) == (0, True), shown
    oldest = min((told.userdir / "journal").glob("journal-*.jsonl"))
    kept = oldest.rename(tmp_path / oldest.name)
    code, shown = verified(told.userdir)
    assert (code, "INCOMPLETE: lines 1 to" in shown, "holds" in shown) == (1, True, False), shown
    kept.rename(oldest)
    assert verified(told.userdir)[0] == 0
    code, shown = verified(tmp_path / "nowhere")
    assert (code, "no journal was found" in shown) == (2, True), shown
    assert not (tmp_path / "nowhere").exists()
    told.loops()


def test_live_position_when_its_state_is_no_file_then_exits_pass_and_the_risk_is_asked_for_anew(
    told: ToldBot,
) -> None:
    told.desk.resume(ANN)
    told.bot.wait_for(told.protected, "an entry and its stop")
    whole, halts = told.held(), told.bot.log().count("control: HALTED")
    with replaced(told.control / STATE_FILE, "a FIFO"):
        told.bot.wait_for(
            lambda: told.bot.log().count("control: HALTED") > halts, "the bot halted by it"
        )
        told.venue.move("BTCUSDT", 1.008 * PRICES["BTCUSDT"])
        told.bot.wait_for(lambda: 0 < told.held() < whole, "a partial exit")
        told.bot.wait_for(told.protected, "a stop as large as what is left")
    (told.control / STATE_FILE).write_bytes(b"garbage")
    told.own_risk("the control state cannot be read")
    told.desk.resume(ANN)  # starts a new state, which knows of no acknowledgement
    told.own_risk("ACTIVE, but nothing is opened: nobody has acknowledged the risk")
    acknowledge_risk(told.userdir, told.bot.folder / "config.json")
    told.own_risk("new positions are allowed")
    assert told.protected()
