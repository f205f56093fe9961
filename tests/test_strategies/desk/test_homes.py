"""A word of a person's reaches the bot he means, and what stops a bot stops every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.home import home_of, state_place
from models.operate.control.owner import BotIdentity, BotStage, occupy
from models.operate.control.state import ControlMode
from models.operate.journal.records import Incident
from strategies.desk.cli import main


@pytest.fixture
def both(tmp_path: Path) -> dict[BotStage, Commands]:
    """A live bot and a dry run that have been in one user directory."""
    desks = {}
    for stage in BotStage:
        bot = BotIdentity(stage=stage, exchange="binance", stake="USDT", strategy="Mine")
        occupy(state_place(tmp_path, bot), bot)
        desks[stage] = Commands(home_of(tmp_path, stage))
        desks[stage].journal.append("test", Incident(what=f"the {stage} was here"))
    return desks


def say(tmp_path: Path, *words: str) -> int:
    return main([*words, "--userdir", str(tmp_path)])


def modes(both: dict[BotStage, Commands]) -> list[ControlMode]:
    return [both[stage].store.read().mode for stage in (BotStage.LIVE, BotStage.DRY_RUN)]


def test_halt_when_two_bots_could_be_meant_then_both_halt_and_both_are_named(
    tmp_path: Path, both: dict[BotStage, Commands], capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path, "halt") == 0
    assert modes(both) == [ControlMode.HALTED, ControlMode.HALTED]
    out = capsys.readouterr().out
    assert f"{tmp_path}: Mine, live on binance in USDT" in out
    assert f"{tmp_path / 'dry_run'}: Mine, dry-run on binance in USDT" in out


@pytest.mark.parametrize("words", [["resume"], ["flatten"], ["hedge", "0.5"], ["why", "1"],
                                   ["approve", "r1"], ["journal", "show"]])  # fmt: skip
def test_word_when_two_bots_could_be_meant_then_nothing_is_done_until_it_is_said_which(
    tmp_path: Path, both: dict[BotStage, Commands], capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:  # fmt: skip
    say(tmp_path, "reduce")
    capsys.readouterr()
    assert say(tmp_path, *words) == 2
    said = capsys.readouterr().err
    assert "two bots keep their state there" in said
    assert f"{words[0]} --stage live, or --stage dry-run" in said
    assert modes(both) == [ControlMode.REDUCING, ControlMode.REDUCING]


def test_word_when_the_stage_is_said_then_it_reaches_that_bot_only(
    tmp_path: Path, both: dict[BotStage, Commands], capsys: pytest.CaptureFixture[str]
) -> None:
    say(tmp_path, "reduce")
    assert say(tmp_path, "resume", "--yes", "--stage", "dry-run") == 0
    assert modes(both) == [ControlMode.REDUCING, ControlMode.ACTIVE]
    assert say(tmp_path, "halt", "--stage", "live") == 0
    assert modes(both) == [ControlMode.HALTED, ControlMode.ACTIVE]
    capsys.readouterr()
    assert say(tmp_path, "journal", "show", "--stage", "dry-run") == 0
    assert "the dry-run was here" in capsys.readouterr().out
    # The dry run's own home, named as the user directory.
    assert say(tmp_path / "dry_run", "resume", "--yes") == 0


def test_word_when_there_is_no_bot_of_that_stage_then_it_fails_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Commands(tmp_path)
    assert say(tmp_path, "halt", "--stage", "dry-run") == 2
    assert "no bot has run with this user directory" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["control"]


def test_word_when_only_a_dry_run_has_been_there_then_it_is_meant(tmp_path: Path) -> None:
    desk = Commands(home_of(tmp_path, BotStage.DRY_RUN))
    assert say(tmp_path, "halt") == 0
    assert desk.store.read().mode is ControlMode.HALTED
    assert not (tmp_path / "control").exists()
