"""The benchmark's ways answer the same, and every cell of its table holds a number."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import scenario_account


def test_ways_when_run_on_the_same_paths_then_they_answer_the_same() -> None:
    setup, (block,) = scenario_account.account(), scenario_account.drawn(300, seed=4)
    ways = scenario_account.ways(setup, [block])
    ours = ways["the pack, one thread"]()
    assert (ours.at_extremes >= 0).any()
    for name, run in ways.items():
        other = run()
        assert (other.at_extremes == ours.at_extremes).all()
        assert (other.at_closes == ours.at_closes).all()
        assert np.allclose(other.equity, ours.equity, rtol=0, atol=1e-6)
        if name != scenario_account.NO_DISTANCES:
            assert np.allclose(other.distance, ours.distance, rtol=0, atol=1e-9)
    alone = scenario_account.path_loop(setup, block, 3)
    assert alone == pytest.approx(ours.equity[:3, -1], abs=1e-6)


def test_benchmark_when_run_on_few_paths_then_every_way_is_in_the_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scenario_account.main(["--paths", "40", "--rounds", "1"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "40 paths of 168 candles of 5 coins, 1 rounds"
    assert len(said) == 9
    assert all(float(cell) >= 0 for line in said[3:] for cell in line.split("|")[2:5])
