"""The demo trains on as many days as the history has, and Freqtrade is told the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from models.base.errors import InputError
from strategies.desk.backtests import demo
from strategies.desk.backtests.simulated_data import write_simulated

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Freqtrade is called with; it is not run, and says that it failed."""
    typed: list[list[str]] = []

    def noted(command: list[str], log: Path) -> tuple[int, tuple[str, ...]]:
        typed.append(command)
        return 2, ()

    monkeypatch.setattr(demo, "run_backtest", noted)
    return typed


def options(tmp_path: Path, days: int, timerange: str) -> demo.DemoOptions:
    data = write_simulated(tmp_path / "data", start=START, days=days)
    return demo.DemoOptions(data=data, timerange=timerange, userdir=tmp_path / "user_data")


def test_demo_when_the_history_is_shorter_then_freqtrade_is_asked_for_what_there_is(
    tmp_path: Path, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = options(tmp_path, 900, "20260601-20260610")  # 882 days before it, 18 of them warm-up
    assert demo.run_demo(asked) == 2
    [command] = commands
    files = [b for a, b in pairwise(command) if a == "--config"]
    assert files[0] == str(asked.config)
    days = json.loads(Path(files[1]).read_text(encoding="utf-8"))["freqai"]["train_period_days"]
    assert days == 864
    assert "trained on the 864 days before it; config_bitcoin.json asks for 1460" in (
        capsys.readouterr().out
    )


def test_demo_when_the_history_has_less_than_half_then_it_is_refused(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    with pytest.raises(InputError, match="short at the start"):
        demo.run_demo(options(tmp_path, 300, "20241001-20241010"))
    assert not commands
