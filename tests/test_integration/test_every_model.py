"""Every model of the pack through Freqtrade's own `backtesting`, on the simulated market."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.learn import catalog
from tests.places import ROOT
from tests.test_integration.conftest import make_desk

# Fewer steps and trees than anyone would use: what is asked here is whether the roads connect.
SMALL = {
    "ppo": {"steps": 4096}, "a2c": {"steps": 4000}, "gan": {},
    "ensemble": {"forest_trees": 10, "max_rounds": 5, "importance_repeats": 1},
    "boosted": {"max_rounds": 5, "importance_repeats": 1},
    "hybrid": {"forest_trees": 10, "max_rounds": 5, "blocks": 2},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.names())
def test_model_when_backtested_by_freqtrade_then_it_trains_forecasts_and_is_reported(
    name: str, tmp_path: Path, simulated_datadir: Path
) -> None:
    desk = make_desk(tmp_path, simulated_datadir)
    settings = desk.settings()
    settings["freqai"]["train_period_days"] = 300  # an agent asks for more rows than a network
    settings["freqai"]["model_training_parameters"]["network"] = SMALL.get(name, {})
    desk.config.write_text(json.dumps(settings), encoding="utf-8")
    forecaster = catalog.load(name).forecaster
    done = subprocess.run(
        [
            *(sys.executable, "-m", "strategies.desk.cli", "demo", "--model", forecaster),
            *("--data", desk.datadir, "--config", desk.config, "--userdir", desk.userdir),
            *("--timerange", "20240401-20240501"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "raised exception" not in done.stdout + done.stderr
    latest = desk.userdir / "reports" / "latest"
    numbers = json.loads((latest / "report.json").read_text(encoding="utf-8"))
    assert len(numbers["trainings"]) == 2
    assert numbers["forecast"]["given_frac"] > 0.99
    assert numbers["reference"]["missing"] == ""
    assert numbers["reference"]["rows"] == numbers["forecast"]["pooled"]["rows_class_known"]
    assert catalog.load(name).title in (latest / "card.md").read_text(encoding="utf-8")
