"""A small, complete installation: simulated market, short training, its own user directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strategies.desk.simulated_data import write_simulated

ROOT = Path(__file__).resolve().parents[2]
TIMERANGE = "20240401-20240515"  # three trainings, 15 days apart


@dataclass(frozen=True)
class Desk:
    """Where one test's Freqtrade lives."""

    userdir: Path
    datadir: Path
    config: Path

    def settings(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.config.read_text(encoding="utf-8"))
        return loaded


@pytest.fixture(scope="session")
def simulated_datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated BTC, ETH and LTC candles from 2023 on, written once a session."""
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=11, start=datetime(2023, 1, 1, tzinfo=UTC), days=520)


def make_desk(folder: Path, datadir: Path, **training: Any) -> Desk:
    """Write a config that trains on 270 days for at most 60 steps, on top of the real one."""
    userdir = folder / "user_data"
    userdir.mkdir(parents=True)
    settings = {
        "add_config_files": [str(ROOT / "user_data" / "config_bitcoin.json")],
        "strategy_path": str(ROOT / "strategies"),
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        # The simulated market has next to no edge; a low bar still makes trades to audit.
        "breakwater": {"decision": {"min_edge_costs": 0.2}},
        "freqai": {
            "train_period_days": 270,
            "backtest_period_days": 15,
            "model_training_parameters": {"training": {"max_steps": 60, **training}},
        },
    }
    config = userdir / "config_test.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    return Desk(userdir, datadir, config)
