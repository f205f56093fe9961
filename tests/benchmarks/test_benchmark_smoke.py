"""The benchmark runs and fills every cell; what the numbers are is nobody's business here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.benchmarks import networks


@pytest.mark.slow
def test_benchmark_when_run_on_few_rows_then_every_cell_holds_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "benchmark.json"
    few = "--rows 4000 --rounds 1 --networks tcn --steps 20 --epochs 1 --stock-rows 50 --calls 10"
    networks.main([*few.split(), "--json", str(out)])
    report = json.loads(out.read_text(encoding="utf-8"))
    assert set(report["cells"]) == {"tcn", networks.STOCK}
    for cells in report["cells"].values():
        assert set(cells) == {networks.key(cell) for cell in networks.CELLS}
        for name, cell in cells.items():
            assert math.isfinite(cell["median"]), name
            # Memory may not grow at all; everything else takes some.
            assert cell["median"] >= 0 if "mib" in name else cell["median"] > 0, name
    assert "PyTorchTransformerRegressor" in capsys.readouterr().out
