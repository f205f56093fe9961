"""`breakwater crowding`: its page, the same on any number of processes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategies.bot.config import pack_config
from strategies.desk.backtests.configured import configured
from strategies.desk.cli import main
from strategies.desk.studies import crowding
from strategies.desk.studies.crowding import CrowdingOptions, crowd_world
from tests.places import USER_DATA

QUICK = ["--agents", "3", "--falls", "2", "--fall-minutes", "5"]


@pytest.fixture(autouse=True)
def _few_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two levers and no other worlds: the study itself is tested beside it."""
    every = crowding.lever_cells
    monkeypatch.setattr(crowding, "lever_cells", lambda *of: [
        cell for cell in every(*of) if cell[0] in ("shipped", "together")
    ])  # fmt: skip
    monkeypatch.setattr(crowding, "world_cells", lambda *of: [])


def test_crowding_when_run_then_page_and_table_are_there_whatever_the_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, measured = [], []
    for jobs in ("1", "2"):
        place = tmp_path / jobs
        assert main(["crowding", *QUICK, "--jobs", jobs, "--userdir", str(place)]) == 0
        said.append(capsys.readouterr().out.split("report:")[0])
        report = json.loads((place / "reports" / "latest-crowding" / "report.json").read_text())
        measured.append(report["levers"])
    assert said[0] == said[1]
    assert measured[0] == measured[1]
    assert "| as shipped | 1." in said[0]
    assert report["run"]["simulated"] is True
    assert report["run"]["limits"]["worst_hour_loss_frac"] == 0.25


def test_world_when_made_then_limits_stops_and_targets_are_the_configs() -> None:
    rules = crowd_world(CrowdingOptions(userdir=USER_DATA)).rules
    bot = pack_config(configured(USER_DATA / "config_bitcoin.json", USER_DATA))
    assert (rules.hard, rules.soft, rules.sizing) == (bot.limits, bot.guards, bot.sizing)
    target = pack_config(configured(USER_DATA / "config_volatility_target.json", USER_DATA))
    assert rules.target == target.volatility_target


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--agents", "0"], "expected a whole number from 1"),
        (["--fall-frac", "nan"], "expected a number > 0"),
        (["--fall-frac", "1.5"], "expected fall_frac in (0, 1)"),
        (["--impact", "cubic"], "expected a law of impact"),
        (["--falls", "1"], "at least 2 falls"),
        (["--seed", "-1"], "a seed >= 0"),
        (["--agents", "99999999999"], "GB of free memory"),
    ],
)
def test_crowding_when_asked_for_what_cannot_be_then_it_is_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["crowding", *words, "--userdir", str(tmp_path)])
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()
