"""The commands on the machine: they do what they say, ask twice where it matters, and never lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.state import ControlMode
from models.operate.journal.records import Incident
from strategies.desk.cli import main


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The bot's side of the same user directory."""
    made = Commands(tmp_path)
    made.journal.append("test", Incident(what="the bot was here"))
    return made


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the person types when asked, in order."""
    answers: list[str] = []
    monkeypatch.setattr("strategies.desk.control.input", lambda _: answers.pop(0), raising=False)
    return answers


def say(tmp_path: Path, *words: str) -> int:
    return main([*words, "--userdir", str(tmp_path)])


def test_commands_when_typed_then_the_bot_side_sees_them_and_the_journal_names_the_user(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert say(tmp_path, "reduce", "strange prices") == 0
    assert commands.store.read().mode is ControlMode.REDUCING
    assert say(tmp_path, "halt") == 0
    assert commands.store.read().mode is ControlMode.HALTED
    assert say(tmp_path, "resume", "--yes") == 0
    assert commands.store.read().mode is ControlMode.ACTIVE
    assert say(tmp_path, "flatten", "--yes", "storm") == 0
    assert commands.store.read().flatten is not None
    assert say(tmp_path, "hedge", "0.3", "--yes") == 0
    assert say(tmp_path, "risk") == 0
    out = capsys.readouterr().out
    assert "REDUCING: no new" in out
    assert "ann by command line: storm" in out
    assert "hedge held at 30%" in out
    assert [e.kind for e in commands.journal.entries(kind="control")] == [
        "control.reduce", "control.halt", "control.resume", "control.flatten", "control.hedge",
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["resume", "flatten"])
def test_dangerous_command_when_not_confirmed_word_for_word_then_nothing_changes(
    tmp_path: Path, commands: Commands, typed: list[str], capsys: pytest.CaptureFixture[str],
    word: str,
) -> None:  # fmt: skip
    typed += ["y", f" {word} "]
    before = commands.store.read()
    assert say(tmp_path, word) == 2
    assert "was not confirmed; nothing has changed" in capsys.readouterr().err
    assert commands.store.read() == before
    assert say(tmp_path, word) == 0
    assert commands.store.read() != before
    assert typed == []


def test_hedge_when_only_shown_then_nobody_is_asked(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "hedge") == 0
    assert "hedge: the model's" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["halt", "risk", "resume"])
def test_command_when_said_in_a_folder_no_bot_runs_in_then_it_fails_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert say(tmp_path / "elsewhere", word) == 2
    assert "no bot has run with this user directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_review_commands_when_typed_then_the_proposal_is_answered(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, pair in (("a", "BTC/USDT:USDT"), ("b", "ETH/USDT:USDT")):
        commands.store.propose(
            key=key, pair=pair, side="long", notional_quote=1.0, rate=1.0, note="",
            expires_ms=commands.clock() + 60_000,
        )  # fmt: skip
    assert say(tmp_path, "approve", "r1") == 0
    assert say(tmp_path, "deny", "r2") == 0
    assert [p.answer for p in commands.store.read().proposals] == ["approved", "denied"]
    assert say(tmp_path, "approve", "r3") == 2
    assert "no proposal 'r3'" in capsys.readouterr().err


def test_why_when_the_trade_is_no_number_then_it_says_so(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "why", "3") == 0
    assert "nothing about trade 3" in capsys.readouterr().out
    assert say(tmp_path, "why", "BTC") == 2


def test_journal_when_verified_and_tampered_with_then_the_exit_code_tells(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "journal", "show") == 0
    assert "the bot was here" in capsys.readouterr().out
    assert say(tmp_path, "journal", "verify") == 0
    head = capsys.readouterr().out.split()[-1]
    assert say(tmp_path, "journal", "verify", "--expect", head) == 0
    assert say(tmp_path, "journal", "verify", "--expect", "0" * 64) == 1
    (path,) = (tmp_path / "journal").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"here", b"away"))
    assert say(tmp_path, "journal", "verify") == 1
    assert "BROKEN: journal-000001.jsonl, line 1: was changed" in capsys.readouterr().out
