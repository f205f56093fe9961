"""Epochs of hyperopt as trials: every one, once, as another hand reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trialgate

from models.studies.trials.registry import TrialRegistry
from strategies.desk.studies.hyperopts import enter_hyperopts


def epoch(number: int, profits: list[float]) -> dict[str, Any]:
    """One line of a .fthypt file, as Freqtrade 2026.9 writes it, of what is read."""
    days = [[f"2024-01-{2 + 2 * k:02d}", profit] for k, profit in enumerate(profits)]
    return {
        "loss": 1.0, "current_epoch": number, "params_dict": {"buy_rsi": 20 + number},
        "results_metrics": {
            "strategy_name": "Own", "timeframe": "1h", "starting_balance": 1000.0,
            "backtest_start": "2024-01-01 00:00:00", "backtest_end": "2024-01-12 23:00:00",
            "backtest_run_start_ts": 1_700_000_000, "total_trades": len(profits),
            "profit_total": sum(profits) / 1000, "daily_profit": days, "pairlist": ["X/USDT"],
        },
    }  # fmt: skip


@pytest.fixture
def userdir(tmp_path: Path) -> Path:
    folder = tmp_path / "hyperopt_results"
    folder.mkdir()
    lines = [epoch(1, [10.0, -30.0, 5.0]), epoch(2, []), epoch(3, [100.0])]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "strategy_Own_2024-02-01.fthypt").write_text(text, encoding="utf-8")
    return tmp_path


def test_epochs_when_entered_then_another_hand_finds_the_same_returns(userdir: Path) -> None:
    registry = TrialRegistry(userdir)
    assert enter_hyperopts(registry) == 3
    other = userdir / "other.jsonl"
    trialgate.import_freqtrade_results(userdir / "hyperopt_results", other)
    theirs = np.array(trialgate.performance_matrix(other))
    ours = np.column_stack([np.expm1(trial.returns) for trial in registry.trials()])
    np.testing.assert_allclose(ours, theirs, atol=2e-9)
    assert [trial.seed for trial in registry.trials()] == [1, 2, 3]


def test_epochs_when_read_again_then_only_new_ones_are_entered(userdir: Path) -> None:
    registry = TrialRegistry(userdir)
    enter_hyperopts(registry)
    path = next((userdir / "hyperopt_results").iterdir())
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(epoch(4, [1.0])) + "\n")
    assert enter_hyperopts(registry) == 1
    assert len(registry.trials()) == 4


def test_epochs_when_a_line_is_cut_off_then_it_is_named_and_the_others_count(
    userdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((userdir / "hyperopt_results").iterdir())
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    assert enter_hyperopts(TrialRegistry(userdir)) == 2
    assert f"{path}:3 is no epoch" in capsys.readouterr().err


def test_epochs_when_there_are_none_then_none_are_entered(tmp_path: Path) -> None:
    assert enter_hyperopts(TrialRegistry(tmp_path)) == 0
