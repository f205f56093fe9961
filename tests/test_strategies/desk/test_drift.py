"""`breakwater drift` and `breakwater rollback`: pages, questions and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.model_book import read_wish, write_book
from models.operate.journal.records import Incident
from strategies.desk.cli import main
from tests.test_models.operate.control.books import BOOK, BTC, PAIR


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user directory whose bot has a second model in service."""
    commands = Commands(tmp_path)
    commands.store.read()
    commands.journal.append("model.promoted", Incident(what="BTC: model 2 serves", done="better"))
    (tmp_path / "control").mkdir(exist_ok=True)
    write_book(tmp_path / "control", replace(BOOK, pairs=(PAIR,)))
    return tmp_path


def test_drift_when_a_bot_watches_its_models_then_its_page_is_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "--userdir", str(home)]) == 0
    said = capsys.readouterr().out
    assert "No alarm: 1 sums are below their thresholds." in said
    page = (home / "reports" / "latest-drift" / "index.html").read_text()
    assert "BTC: model 2 serves" in page


def test_drift_when_nobody_watches_models_then_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "--userdir", str(tmp_path)]) == 2
    assert "no bot watches its models there" in capsys.readouterr().err


def test_rollback_when_said_then_it_asks_first_and_leaves_the_wish_for_the_bot(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("strategies.desk.control.typed", lambda _: "no")
    assert main(["rollback", "--userdir", str(home)]) == 2
    assert "serve model 1 (lstm 1) again instead of model 2" in capsys.readouterr().out
    assert read_wish(home / "control") is None
    assert main(["rollback", BTC, "--userdir", str(home), "--yes"]) == 0
    assert "the bot does it in its next loop" in capsys.readouterr().out
    wish = read_wish(home / "control")
    assert wish is not None
    assert wish.pair == BTC
    kinds = [entry.kind for entry in Commands(home).journal.entries()]
    assert kinds[-1] == "control.rollback"


def test_rollback_when_there_is_no_earlier_model_then_it_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback", "ETH/USDT:USDT", "--userdir", str(home), "--yes"]) == 2
    assert "no earlier model of ETH/USDT:USDT to go back to" in capsys.readouterr().err
