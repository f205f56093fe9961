"""Work of minutes has a place for what it finds before it begins, and never loses it in the end."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import ConfigError, PackError
from strategies.desk import cli
from strategies.desk.cli import main
from strategies.desk.studies import claims, stress
from strategies.desk.studies.claims import ClaimOptions, run_claims
from strategies.desk.terminal import room
from strategies.desk.terminal.room import kept_report, require_room
from tests.places import ROOT
from tests.syntax import parse
from tests.test_strategies.desk.echoes import Echoes

DESK = ROOT / "strategies" / "desk"
NEEDED = {"worst-hours": ["--data", "x", "--write", "{}/table.json"]}  # of a line besides


def writers() -> set[str]:
    """The modules of the desk that write a report, by what they import."""
    found = set()
    for path in DESK.rglob("*.py"):
        for node in ast.walk(parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("models.reports."):
                names = [alias.name for alias in node.names if alias.name.startswith("write_")]
                found |= {str(path.relative_to(DESK))} if names else set()
    return found


def leaving() -> dict[str, Any]:
    """The commands that name where their work ends up."""
    [commands] = [a for a in cli._parser()._actions if hasattr(a, "choices") and a.choices]
    parsers: dict[str, Any] = dict(commands.choices)
    return {name: p for name, p in parsers.items() if p.get_default("leaves") is not None}


REPORTING = sorted(set(leaving()) - {"worst-hours"})


def test_report_when_a_command_writes_one_then_it_names_the_place_and_keeps_what_fails() -> None:
    assert len(REPORTING) == 12
    assert len(writers()) == 14  # stress writes one page or another, a bot's pages take a moment
    for module in writers():
        assert "kept_report(" in (DESK / module).read_text(encoding="utf-8"), module


@pytest.mark.parametrize("command", sorted(leaving()))
@pytest.mark.parametrize("why", ["a file in the way", "a full disk"])
def test_command_when_its_work_would_have_no_place_then_it_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    command: str, why: str,
) -> None:  # fmt: skip
    userdir = tmp_path / "user"
    if why == "a full disk":
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        userdir.write_text("mine", encoding="utf-8")
    more = [word.format(userdir) for word in NEEDED.get(command, ["--userdir", str(userdir)])]
    # Whatever came after would find no candles, and say so.
    assert main([command, *more]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: expected a folder to write to, got: ")
    assert os.strerror(errno.ENOSPC if why == "a full disk" else errno.ENOTDIR) in said.err
    assert f"where: {userdir}" in said.err or f"where: {tmp_path}, for {userdir}" in said.err
    assert "cure:  " in said.err
    assert list(tmp_path.iterdir()) == ([] if why == "a full disk" else [userdir])


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_place_when_this_user_may_not_write_there_then_it_is_refused_and_who_may_is_the_cure() -> (
    None
):
    with tempfile.TemporaryDirectory() as userdir:  # pytest's own is closed to others
        reports = Path(userdir) / "reports"
        reports.mkdir()
        for folder in (reports, reports.parent):
            folder.chmod(0o555)
        line = [sys.executable, "-m", "tests.as_nobody", "stress", "--userdir", userdir]
        ran = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2, ran.stderr
    assert f"got: Permission denied\n  where: {reports}\n" in ran.stderr
    assert "the user it belongs to" in ran.stderr


def test_place_when_it_takes_a_report_then_nothing_is_left_there(tmp_path: Path) -> None:
    require_room([tmp_path, tmp_path / "a" / "b"])
    assert list(tmp_path.iterdir()) == []


def test_place_when_its_disk_reserves_nothing_beforehand_then_it_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    require_room([tmp_path])
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="No such file"):
        require_room([tmp_path / "link"])


def test_report_when_it_cannot_be_written_in_the_end_then_it_is_kept_beside_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    reports = tmp_path / "reports"

    def write(folder: Path) -> Path:
        if folder == reports:
            full()
        (folder / "index.html").write_text("found", encoding="utf-8")
        return folder

    with pytest.raises(PackError) as raised:
        kept_report(write, reports)
    assert "could not be written: [Errno 28]" in raised.value.problem
    assert raised.value.where == str(reports)
    assert raised.value.cure == f"it is in {tmp_path}: move that folder there"
    assert (tmp_path / "index.html").read_text() == "found"
    with pytest.raises(PackError) as raised:
        kept_report(full, reports)  # type: ignore[arg-type]
    assert "make room there and type it again" in raised.value.cure
    assert kept_report(write, tmp_path) == tmp_path


def test_study_when_its_report_cannot_be_written_then_what_it_found_stands_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stress, "write_stress", full)
    line = ["stress", "--userdir", str(tmp_path), "--jobs", "1", "--every-hours", "200"]
    assert main(line) == 2
    said = capsys.readouterr()
    assert "| lowest equity, of that at the start |" in said.out
    assert "the report could not be written: [Errno 28]" in said.err
    assert "stands above" in said.err


def test_claims_when_their_report_cannot_be_written_then_their_verdicts_stand_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from strategies.desk.backtests.simulated_data import write_simulated

    data = write_simulated(tmp_path / "data", days=330, timeframe="4h")
    monkeypatch.setattr(claims, "write_claims", full)
    options = ClaimOptions(
        data=data, only=(2,), folds=1, seeds=1, train_days=40, timings=3, userdir=tmp_path / "user"
    )
    with pytest.raises(PackError, match="could not be written"):
        run_claims(options, Echoes())
    assert "not confirmed" in capsys.readouterr().out
