"""Before a live bot opens anything, a person has seen what its leverage did, and typed that."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from freqtrade.configuration import Configuration

from models.operate.control.commands import Commands
from strategies.account.acknowledgement import leverage_digest
from strategies.bot.data_files import MARKER
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from tests.test_integration.live_bot import settings

PAIR = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Candles that pass for real ones: without the mark of the simulated market."""
    folder = tmp_path_factory.mktemp("market") / "candles"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    datadir = write_simulated(folder, seed=3, start=start, days=40)
    (datadir / MARKER).unlink()
    return datadir


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    answers: list[str] = []
    monkeypatch.setattr(
        "strategies.desk.terminal.typed.input", lambda _: answers.pop(0), raising=False
    )
    return answers


def write_config(folder: Path, margin_mode: str = "cross", **limits: Any) -> Path:
    path = folder / "config.json"
    config = {**settings("https://127.0.0.1:1", [PAIR], dry_run=False),
              "margin_mode": margin_mode, "breakwater": {"limits": limits}}  # fmt: skip
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def acknowledge(folder: Path, config: Path, data: Path) -> int:
    return main(["acknowledge", "--config", str(config), "--userdir", str(folder),
                 "--data", str(data)])  # fmt: skip


def accepted(folder: Path, config: Path) -> bool:
    digest = leverage_digest(Configuration.from_files([str(config)]))
    return digest in Commands(folder).store.read().acknowledged


def test_acknowledge_when_the_phrase_is_typed_then_these_settings_are_accepted_and_no_others(
    tmp_path: Path, history: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, max_leverage=4.0)
    typed.append("I can lose this whole account at 4x")
    assert acknowledge(tmp_path, config, history) == 0
    out = capsys.readouterr().out
    assert "| entries liquidated | 2x | 3x | 4x | 5x | 10x | 20x | independent |" in out
    assert "long, 7 d" in out
    assert accepted(tmp_path, config)
    (line,) = Commands(tmp_path).journal.entries(kind="control.acknowledge")
    assert line.record["command"] == "acknowledge"
    assert not accepted(tmp_path, write_config(tmp_path, max_leverage=5.0))


def test_acknowledge_when_isolated_leverage_is_chosen_then_it_is_in_the_table_and_the_phrase(
    tmp_path: Path, history: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, "isolated", isolated_leverage=15.0)
    typed.append("I can lose this whole account at 15x")
    assert acknowledge(tmp_path, config, history) == 0
    out = capsys.readouterr().out
    assert "| entries liquidated | 2x | 3x | 5x | 10x | 15x | 20x | independent |" in out
    assert "Beyond 3x a position stakes at most 1.00% of equity" in out
    assert accepted(tmp_path, config)
    for mode, leverage in (("isolated", 16.0), ("cross", 15.0)):
        assert not accepted(tmp_path, write_config(tmp_path, mode, isolated_leverage=leverage))
    cross = write_config(tmp_path, isolated_leverage=15.0)
    typed.append("I can lose this whole account at 3x")  # on cross margin it is out of reach
    assert acknowledge(tmp_path, cross, history) == 0


@pytest.mark.parametrize("answer", ["yes", "", "I can lose this whole account at 4x"])
def test_acknowledge_when_anything_else_is_typed_then_nothing_is_accepted(
    tmp_path: Path, history: Path, typed: list[str], answer: str
) -> None:
    config = write_config(tmp_path, max_leverage=3.0)
    typed.append(answer)
    assert acknowledge(tmp_path, config, history) == 2
    assert not accepted(tmp_path, config)


def test_acknowledge_when_nobody_is_there_to_answer_then_it_says_so_from_any_directory(
    tmp_path: Path, history: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    config, home = write_config(tmp_path), tmp_path / "my bot"
    home.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr("sys.stdin", StringIO())  # as `</dev/null`
    assert acknowledge(home, config, history) == 2
    said = capsys.readouterr().err
    assert "the risk was not acknowledged; a live bot opens nothing" in said
    assert "Traceback" not in said
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("simulated", [True, False])
def test_acknowledge_when_there_are_no_real_candles_then_it_asks_for_them_and_accepts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], simulated: bool
) -> None:
    data = tmp_path / "data"
    (data / "futures").mkdir(parents=True) if simulated else data.mkdir()
    if simulated:
        (data / MARKER).touch()
    assert acknowledge(tmp_path, write_config(tmp_path), data) == 2
    assert "expected real futures candles" in capsys.readouterr().err
    assert not (tmp_path / "control").exists()
