"""The benchmark runs and fills every cell; what the numbers are is nobody's business here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.benchmarks import networks, windowed


@pytest.mark.slow
def test_benchmark_when_run_on_few_rows_then_every_cell_holds_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "benchmark.json"
    few = (
        "--rows 4000 --rounds 1 --networks tcn prophet --steps 20 --epochs 1 --stock-rows 50 "
        "--calls 10"
    )
    networks.main([*few.split(), "--json", str(out)])
    report = json.loads(out.read_text(encoding="utf-8"))
    assert set(report["cells"]) == {"tcn", "prophet", networks.STOCK}
    for cells in report["cells"].values():
        assert set(cells) == {networks.key(cell) for cell in networks.CELLS}
        for name, cell in cells.items():
            if cell["median"] is None:
                continue
            assert math.isfinite(cell["median"]), name
            # Memory may not grow at all; everything else takes some.
            assert cell["median"] >= 0 if "mib" in name else cell["median"] > 0, name
    missing = {
        (who, name)
        for who, cells in report["cells"].items()
        for name, cell in cells.items()
        if cell["median"] is None
    }
    assert missing == {
        ("prophet", "train.epoch_s"),
        ("prophet", "train.to_best_s"),
        (networks.STOCK, "live.context_p50_us"),
    }
    assert "PyTorchTransformerRegressor" in capsys.readouterr().out


@pytest.mark.slow
def test_windowed_benchmark_when_run_on_few_rows_then_both_modes_are_measured_equally_often(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "windowed.json"
    windowed.main(
        ["--rows", "4000", "--networks", "tcn", "--seeds", "2", "--steps", "40", "--json", str(out)]
    )
    cells = json.loads(out.read_text(encoding="utf-8"))["cells"]["tcn"]
    assert {mode: len(runs) for mode, runs in cells.items()} == {"sequence of 256": 2, "window": 2}
    for runs in cells.values():
        for measured in runs:
            assert measured["evaluations"] == 2
            assert all(math.isfinite(value) for value in measured.values())
    assert "| tcn | window | " in capsys.readouterr().out
