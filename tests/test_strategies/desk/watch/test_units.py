"""The service files that come with the pack are valid and call commands that are there."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from strategies.desk import cli
from strategies.desk.watch import units
from tests.container_rules import services

UNITS = resources.files(units)
UNIT, COMPOSE = "breakwater-watchdog.service", "compose.yaml"


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, bool]]:
    """Return which command a line runs, how it was given, instead of running it."""
    called: list[tuple[str, bool, bool]] = []

    def noted(options: object) -> int:
        called.append(("watchdog", *(vars(options)[name] for name in ("supervise", "check"))))
        return 0

    monkeypatch.setattr("strategies.desk.control._watchdog", noted)
    assert cli.main(words) == 0
    return called


def test_unit_when_read_then_it_restarts_for_ever_and_runs_the_supervised_watchdog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((UNITS / UNIT).read_text(encoding="utf-8"))
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"  # no give up
    program, *words = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "breakwater"
    assert parsed(words, monkeypatch) == [("watchdog", True, False)]


def test_unit_when_systemd_reads_it_then_it_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd on this machine")
    text = (UNITS / UNIT).read_text(encoding="utf-8").replace("/opt/breakwater/.venv/bin/", "/bin/")
    text = text.replace("/bin/breakwater", "/bin/true").replace("User=breakwater\n", "")
    (tmp_path / UNIT).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", str(tmp_path / UNIT)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_compose_when_read_then_a_dead_watchdog_is_started_again_and_a_blind_one_is_unhealthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = services((UNITS / COMPOSE).read_text(encoding="utf-8"))["watchdog"]
    assert service["restart"] == "always"
    assert service["entrypoint"] == ["breakwater"]
    assert parsed(service["command"], monkeypatch) == [("watchdog", True, False)]
    kind, program, *words = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "breakwater")
    assert parsed(words, monkeypatch) == [("watchdog", False, True)]
