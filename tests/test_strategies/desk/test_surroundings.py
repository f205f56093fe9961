"""A word that stops is done wherever it is said, and its exit code says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.state import ControlMode, Person
from tests.places import ROOT

_HALT = (sys.executable, "-m", "strategies.desk.cli", "halt")


@pytest.fixture
def desk(tmp_path: Path) -> Commands:
    """A bot that has run, and may open positions."""
    desk = Commands(tmp_path)
    desk.halt(Person("ann", "telegram"), "first")
    desk.resume(Person("ann", "telegram"))
    return desk


def halted(desk: Commands) -> bool:
    return desk.store.read().mode is ControlMode.HALTED


def test_halt_when_the_terminal_cannot_write_the_reason_then_it_is_done_and_shown_in_escapes(
    desk: Commands, tmp_path: Path
) -> None:
    told = subprocess.run(
        [*_HALT, "größer", "--userdir", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    assert (told.returncode, halted(desk)) == (0, True), told.stderr
    assert b"gr\\xf6\\xdfer" in told.stdout


def test_halt_when_its_reason_is_no_text_then_it_is_done(desk: Commands, tmp_path: Path) -> None:
    told = subprocess.run(
        [os.fsencode(word) for word in _HALT] + [b"caf\xe9", b"--userdir", os.fsencode(tmp_path)],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    assert (told.returncode, halted(desk)) == (0, True), told.stderr
    assert b"caf?" in told.stdout


def test_halt_when_output_and_errors_are_closed_then_it_is_done(
    desk: Commands, tmp_path: Path
) -> None:
    command = f'exec "$@" --userdir {tmp_path} >&- 2>&-'
    told = subprocess.run(["sh", "-c", command, "sh", *_HALT], cwd=ROOT, check=False)
    assert (told.returncode, halted(desk)) == (0, True)


def test_halt_when_the_machine_knows_no_name_for_its_user_then_it_is_done_and_names_the_number(
    desk: Commands, tmp_path: Path
) -> None:
    nameless = (
        "import getpass, sys\n"
        "def getuser(): raise KeyError('getpwuid(): uid not found: 4242')\n"
        "getpass.getuser = getuser\n"
        "from strategies.desk.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", nameless, "halt", "--userdir", str(tmp_path)],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    assert (told.returncode, halted(desk)) == (0, True), told.stderr
    assert f"user {os.getuid()} by command line".encode() in told.stdout
