"""`breakwater outlook`: the page of a running bot's account, or why there is none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.outlook import write_outlook
from models.operate.control.shocks import SHOCKS_FILE, write_shocks
from strategies.desk.cli import main
from tests.test_models.operate.control.outlooks import HOUR_MS, outlook
from tests.test_models.reports.outlook.sample import SHOCKS


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user directory whose bot has just looped, and keeps an outlook of this hour."""
    Commands(tmp_path).store.read()
    control = tmp_path / "control"
    now_ms = wall_clock_ms()
    write_outlook(control, outlook(time_ms=now_ms, until_ms=now_ms // HOUR_MS * HOUR_MS))
    known = tuple(replace(one, until_ms=now_ms // HOUR_MS * HOUR_MS) for one in SHOCKS.known)
    write_shocks(control, replace(SHOCKS, known=known))
    say(control, "")
    return tmp_path


def say(control: Path, outlook_words: str | None) -> None:
    beat(control, Heartbeat(time_ms=wall_clock_ms(), pid=os.getpid(), loop=7, stopped="",
                            outlook=outlook_words))  # fmt: skip


def test_outlook_when_a_bot_keeps_one_then_its_page_is_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["outlook", "--userdir", str(home)]) == 0
    said = capsys.readouterr().out
    assert "Were nobody to act, 2.03 % of 10,000 paths are liquidated within 7 d." in said
    page = (home / "reports" / "latest-outlook" / "index.html").read_text()
    assert "the hour to come, down" in page


@pytest.mark.parametrize("words", ["nothing is held", "it is being computed"])
def test_outlook_when_the_bot_says_why_there_is_none_then_that_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    say(home / "control", words)
    assert main(["outlook", "--userdir", str(home)]) == 2
    assert f"no outlook of this account: {words}" in capsys.readouterr().err
    assert not (home / "reports").exists()


def test_outlook_when_no_bot_has_run_there_then_it_says_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["outlook", "--userdir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no bot has said anything of it" in said
    assert "--userdir of a bot that runs" in said


def test_outlook_when_the_hour_to_come_cannot_be_read_then_the_file_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "control" / SHOCKS_FILE).write_text("{", encoding="utf-8")
    assert main(["outlook", "--userdir", str(home)]) == 2
    assert SHOCKS_FILE in capsys.readouterr().err
