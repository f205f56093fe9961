"""The commands on the machine: they do what they say, ask twice where it matters, and never lie."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from models.base.files import locked
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.review import ReviewConfig
from models.operate.control.state import ControlMode, GuardActor, Person
from models.operate.control.state_file import STATE_FILE
from models.operate.journal.journal import Journal
from models.operate.journal.records import Incident
from strategies.desk.cli import main
from strategies.human.control import Control

NOBODY = 65_534


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
    monkeypatch.setattr(
        "strategies.desk.terminal.typed.input", lambda _: answers.pop(0), raising=False
    )
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


@pytest.mark.parametrize("word", ["halt", "reduce", "flatten --yes"])
def test_stopping_word_when_its_reason_is_typed_without_quotes_then_it_is_done(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert say(tmp_path, *word.split(), "the", "market", "is", "crashing") == 0
    assert commands.store.read().mode is not ControlMode.ACTIVE
    assert "by command line: the market is crashing" in capsys.readouterr().out


def test_reason_when_it_is_a_book_then_what_is_shown_of_it_fits_a_screen(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "halt", "x" * 100_000) == 0
    assert commands.store.read().mode is ControlMode.HALTED
    assert 400 < len(capsys.readouterr().out) < 1_000


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


@pytest.mark.parametrize("word", ["resume", "flatten"])
def test_dangerous_command_when_nobody_is_there_to_answer_then_it_is_not_confirmed(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, word: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.stdin", StringIO())  # a script, or Ctrl-D
    before = commands.store.read()
    assert say(tmp_path, word) == 2
    assert f"{word} was not confirmed; nothing has changed" in capsys.readouterr().err
    assert commands.store.read() == before


def test_command_when_interrupted_then_it_says_so_without_a_traceback(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("strategies.desk.terminal.typed.input", interrupted, raising=False)
    assert say(tmp_path, "resume") == 130
    assert "interrupted" in capsys.readouterr().err


def test_reason_when_it_holds_lines_and_escapes_then_no_answer_shows_it_as_a_line_of_its_own(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "tired\nACTIVE: new positions are allowed\x1b[2J\u202e"
    assert say(tmp_path, "halt", forged) == 0
    commands.store.reduce(GuardActor("feed"), forged)
    (commands.store.folder / "HALT").write_text(forged, encoding="utf-8")
    commands.store.note(GuardActor("feed"), forged)
    for words in (("risk",), ("journal", "show")):
        assert say(tmp_path, *words) == 0
    out = capsys.readouterr().out
    assert out.count("tired ACTIVE: new positions are allowed") >= 5
    assert not [line for line in out.splitlines() if line.startswith("ACTIVE")]
    assert not {"\x1b", "\u202e"} & set(out)


@pytest.mark.parametrize(
    "words",
    [
        ("journal", "show", "--lines", "-5"),
        ("stress", "--every-hours", "0"),
        ("liquidation", "--data", "x", "--leverage", "0"),
        ("liquidation", "--data", "x", "--notional", "nan"),
    ],
)
def test_number_when_it_counts_nothing_then_it_is_refused_beside_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words])
    assert ended.value.code == 2
    assert "expected a" in capsys.readouterr().err


def test_hedge_when_only_shown_then_nobody_is_asked(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "hedge") == 0
    assert "hedge: the model's" in capsys.readouterr().out


@pytest.mark.parametrize("asked", [[], ["--yes"]])
def test_hedge_when_the_bot_hedges_nothing_then_it_is_refused_and_nobody_is_asked(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    commands.store.folder.mkdir(exist_ok=True)
    beat(commands.store.folder, Heartbeat(time_ms=commands.clock(), pid=1, loop=1, hedges=False))
    assert say(tmp_path, "hedge", "0.5", *asked) == 2
    assert "for a strategy that hedges a position" in capsys.readouterr().err
    assert commands.store.read().hedge is None


@pytest.mark.parametrize("word", ["halt", "risk", "resume"])
def test_command_when_said_in_a_folder_no_bot_runs_in_then_it_fails_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert say(tmp_path / "elsewhere", word) == 2
    said = capsys.readouterr().err
    assert "no bot has run with this user directory" in said
    assert "control/HALT in it, a dry run by dry_run/control/HALT" in said
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
    assert say(tmp_path, "why", "3") == 1
    assert "nothing about trade 3" in capsys.readouterr().out
    assert say(tmp_path, "why", "BTC") == 2


def test_journal_when_verified_and_tampered_with_then_the_exit_code_tells(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "journal", "show") == 0
    assert "the bot was here" in capsys.readouterr().out
    assert say(tmp_path, "journal", "verify") == 0
    out = capsys.readouterr().out
    assert "unless by somebody who wrote all of it anew" in out
    head = out.partition("the chain holds; head ")[2].split()[0]
    assert say(tmp_path, "journal", "verify", "--expect", head) == 0
    assert say(tmp_path, "journal", "verify", "--expect", "0" * 64) == 1
    (path,) = (tmp_path / "journal").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"here", b"away"))
    assert say(tmp_path, "journal", "verify") == 1
    assert "BROKEN: journal-000001.jsonl, line 1: was changed" in capsys.readouterr().out


def test_journal_when_it_was_removed_and_began_anew_then_verify_says_that_lines_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = Commands(tmp_path, clock=lambda: 1_700_000_000_000)
    then.halt(Person("ann", "telegram"), "smoke")
    assert say(tmp_path, "journal", "verify") == 0
    shutil.rmtree(tmp_path / "journal")
    assert say(tmp_path, "halt", "again") == 0
    capsys.readouterr()
    assert say(tmp_path, "journal", "verify") == 1
    out = capsys.readouterr().out
    assert "INCOMPLETE: control was told something at 2023-11-14T22:13:20.000Z" in out
    assert "holds" not in out


@pytest.mark.parametrize("folder", [None, "journal"])
def test_journal_when_there_is_none_then_verify_and_show_are_errors_and_make_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str | None
) -> None:
    if folder is not None:
        (tmp_path / folder).mkdir()
    before = sorted(tmp_path.rglob("*"))
    for what in ("verify", "show"):
        assert say(tmp_path, "journal", what) == 2
        said = capsys.readouterr()
        assert "no journal was found: nothing can be said of it" in said.err
        assert "holds" not in said.out
    assert sorted(tmp_path.rglob("*")) == before


def test_journal_when_only_its_head_is_left_then_verify_says_that_lines_were_cut(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (tmp_path / "journal").glob("*.jsonl")
    path.unlink()
    assert say(tmp_path, "journal", "verify") == 1
    assert "BROKEN: lines up to 1 were written" in capsys.readouterr().out
    (tmp_path / "journal" / "head.json").unlink()
    path.touch()  # nor is an empty file a journal whose chain holds
    assert say(tmp_path, "journal", "verify") == 1
    assert "not one whole line" in capsys.readouterr().out


def test_journal_when_its_oldest_files_are_gone_then_verify_says_which_lines_and_what_that_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path / "journal", max_bytes=1000)
    for i in range(12):
        journal.append("test", Incident(what=f"line {i + 1}"))
    files = sorted(journal.folder.glob("*.jsonl"))
    kept = files[0].rename(tmp_path / files[0].name)
    assert say(tmp_path, "journal", "verify") == 1
    said = capsys.readouterr().out
    first = journal.verify().first
    assert first is not None
    assert f"INCOMPLETE: lines 1 to {first - 1} are not here" in said
    assert "holds" not in said
    assert say(tmp_path, "journal", "verify", "--first", str(first)) == 0
    assert f"from line {first} on; of the lines before nothing" in capsys.readouterr().out
    files[1].unlink()  # and one more: what the person named is no longer the first
    assert say(tmp_path, "journal", "verify", "--first", str(first)) == 1
    kept.rename(files[0])
    assert say(tmp_path, "journal", "verify") == 1
    assert "BROKEN" in capsys.readouterr().out


def test_journal_when_it_is_another_bots_then_verify_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, begun in (("one", 1_700_000_000_000), ("two", 1_700_000_099_000)):
        Control(tmp_path / name, review=ReviewConfig(), clock=lambda begun=begun: begun).loop(
            feed_ms=None, candle_ms=60_000, numbers={}
        )
    assert say(tmp_path / "one", "journal", "verify") == 0
    shutil.rmtree(tmp_path / "one" / "journal")
    shutil.copytree(tmp_path / "two" / "journal", tmp_path / "one" / "journal")
    capsys.readouterr()
    assert say(tmp_path / "one", "journal", "verify") == 1
    said = capsys.readouterr().out
    assert "NOT THIS BOT'S: it goes with the control state of 2023-11-14T22:14:59" in said
    assert "holds" not in said


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_journal_when_its_newest_file_is_truncated_then_verify_says_so(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str], kept: float
) -> None:
    for i in range(4):
        commands.journal.append("test", Incident(what=f"line {i + 1}"))
    (path,) = (tmp_path / "journal").glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert say(tmp_path, "journal", "verify") == 1
    assert "BROKEN: lines up to 5 were written" in capsys.readouterr().out


# -- what was not done is not said to be done ----------------------------------------------------


def no_permission(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


@pytest.fixture
def not_permitted(monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    """Nothing under the control folder can be opened for writing, as for another user."""
    folder, real = str(commands.store.folder), os.open

    def guarded(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if str(path).startswith(folder) and flags & (os.O_WRONLY | os.O_RDWR):
            no_permission()
        return real(path, flags, *rest, **options)

    def opened(path: Path, mode: str = "r", **options: Any) -> Any:
        if str(path).startswith(folder) and set(mode) & set("wa+x"):
            no_permission()
        return open(path, mode, **options)

    monkeypatch.setattr(os, "open", guarded)
    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize(
    "words",
    [
        ("halt",), ("reduce", "storm"), ("flatten", "--yes"), ("resume", "--yes"),
        ("hedge", "0.5", "--yes"), ("approve", "r1"), ("deny", "r1"),
    ],
)  # fmt: skip
def test_command_when_nothing_can_be_written_then_it_is_an_error_and_claims_nothing(
    tmp_path: Path, commands: Commands, not_permitted: None,
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...],
) -> None:  # fmt: skip
    before = commands.store.on_disk()
    assert say(tmp_path, *words) == 2
    said = capsys.readouterr()
    assert "was not carried out" in said.err
    assert said.out == ""
    assert commands.store.on_disk() == before


def test_halt_when_the_disk_takes_an_empty_file_only_then_it_says_that_it_holds(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def without_a_word(path: Path, line: str) -> None:
        path.touch()
        full()

    monkeypatch.setattr("models.operate.control.state_file.write_atomic", full)
    monkeypatch.setattr("models.operate.control.state_file._append", without_a_word)
    assert say(tmp_path, "halt", "storm") == 0
    assert "it holds; its reason could not be written" in capsys.readouterr().out
    assert Commands(tmp_path).store.read().mode is ControlMode.HALTED
    (tmp_path / "control" / "HALT").unlink()
    assert say(tmp_path, "flatten", "--yes") == 2
    said = capsys.readouterr().err
    assert "flatten was not carried out" in said
    assert "HALTED all the same" in said
    assert Commands(tmp_path).store.read().mode is ControlMode.HALTED


def said_by_nobody(*words: str) -> tuple[int, str]:
    """Run a command as a user who may read everything and write nowhere; its code and output."""
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        with os.fdopen(read) as said:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.read()
    code = 99
    try:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        with os.fdopen(write, "w") as out, redirect_stdout(out), redirect_stderr(out):
            code = main([*words])
    finally:
        os._exit(code)


@pytest.mark.parametrize("word", ["halt", "reduce"])
def test_halt_when_another_user_runs_the_bot_then_it_is_an_error_and_claims_nothing(
    word: str,
) -> None:
    with suppress(SystemExit), redirect_stdout(StringIO()):
        main(["--help"])  # what it imports late is out of the other user's reach
    with TemporaryDirectory() as name:
        store = Commands(Path(name)).store
        for path, mode in ((Path(name), 0o755), (store.folder, 0o555)):
            path.chmod(mode)  # read by all, written by nobody; root is another user then
        code, said = said_by_nobody(word, "--userdir", name)
        store.folder.chmod(0o755)
        assert (code, f"{word} was not carried out" in said) == (2, True), said
        assert "Permission denied" in said
        assert "HALTED:" not in said
        assert store.on_disk().mode is ControlMode.ACTIVE


def test_command_when_a_fifo_stands_in_the_states_place_then_it_is_refused_at_once_in_words(
    tmp_path: Path, commands: Commands
) -> None:
    path = commands.store.folder / STATE_FILE
    path.unlink()
    os.mkfifo(path)
    done = run(  # a process of its own: one that hangs is ended
        [sys.executable, "-m", "strategies.desk.cli", "hedge", "--userdir", str(tmp_path)],
        timeout=60, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "expected a regular file, got a FIFO; move it away" in done.stderr
    assert commands.store.read().mode is ControlMode.HALTED


def test_halt_when_the_state_is_locked_for_good_then_what_is_said_is_what_the_bot_reads(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("models.base.files.time.sleep", lambda _: None)
    with locked(commands.store.folder / "lock"):
        assert say(tmp_path, "halt", "storm") == 0
    assert "the file HALT is there" in capsys.readouterr().out
    assert Commands(tmp_path).store.on_disk().mode is ControlMode.HALTED


# -- a question is about what was shown -----------------------------------------------------------


def test_resume_when_a_guard_halts_while_it_is_asked_then_the_new_state_is_shown_and_asked_anew(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    commands.store.reduce(GuardActor("price_fresh"), "silent")
    said = ["resume", "no"]

    def asked(_: str) -> str:
        if len(said) == 2:
            commands.store.halt(GuardActor("loss_day"), "2.1 % lost today")
        return said.pop(0)

    monkeypatch.setattr("strategies.desk.terminal.typed.input", asked, raising=False)
    assert say(tmp_path, "resume") == 2
    shown = capsys.readouterr()
    assert "no longer what was shown; nothing was changed. It is now:" in shown.out
    assert "HALTED" in shown.out.partition("It is now:")[2]
    assert commands.store.read().mode is ControlMode.HALTED


def test_resume_when_given_a_number_then_that_reason_goes_and_the_others_stay(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.store.reduce(GuardActor("price_fresh"), "silent")
    commands.store.halt(Person("bob", "telegram"), "holiday")
    assert say(tmp_path, "resume", "2", "--yes") == 0
    assert capsys.readouterr().out.startswith("REDUCING")
    assert say(tmp_path, "resume", "2", "--yes") == 2
    assert "no reason 2 stands" in capsys.readouterr().err
    assert say(tmp_path, "resume", "1", "--yes") == 0
    assert commands.store.read().mode is ControlMode.ACTIVE
