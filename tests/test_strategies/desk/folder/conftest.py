"""Bots' folders of their own, made by `breakwater init` from candles that pass for real ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from strategies.bot.data_files import MARKER
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 days of three coins, without the mark of the simulated market."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    datadir = write_simulated(tmp_path_factory.mktemp("market") / "real", start=start, days=150)
    (datadir / MARKER).unlink()
    return datadir


@pytest.fixture
def make(tmp_path: Path, candles: Path) -> Make:
    """Make a folder with the words given; one that replays gets candles."""

    def made(*words: str, name: str = "bot") -> Path:
        folder = tmp_path / name
        replays = "loopback" in words and "--data" not in words
        brought = ("--data", str(candles)) if replays else ()
        assert main(["init", str(folder), "--yes", *words, *brought]) == 0
        return folder

    return made
