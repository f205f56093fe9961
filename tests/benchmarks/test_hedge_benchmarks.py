"""The hedge's benchmarks run through on little, and their tables have a number in every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.types import Candles
from models.scenarios.bootstrap import BlockBootstrap
from models.scenarios.history import gather_history
from models.studies.hedge.ladder import Scene
from models.studies.hedge.objectives import Walk, walked_targets
from tests.benchmarks import hedge_objectives, tail_hedge
from tests.test_models.studies.hedge.sample import HOUR, make_scene


def two_legs() -> Scene:
    """Return the sample's scene with a second leg, that lags behind the first."""
    scene = make_scene()
    first = scene.hedges[0]
    slow = first.close.copy()
    slow[3:] = first.close[:-3]
    second = replace(first, pair="ETH", close=slow, open=np.concatenate((slow[:1], slow[:-1])))
    both = [scene.primary, first, second]
    opened, close = (np.column_stack([getattr(m, n) for m in both]) for n in ("open", "close"))
    return replace(
        scene, hedges=[first, second], low=np.minimum(opened, close), high=np.maximum(opened, close)
    )


def test_benchmark_of_objectives_when_run_then_every_hedge_is_in_every_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene = two_legs()
    candles = {
        m.pair: Candles(time_ms=scene.time_ms, open=m.open, close=m.close, low=scene.low[:, a],
                        high=scene.high[:, a], volume=np.ones(len(m.close)))
        for a, m in enumerate([scene.primary, *scene.hedges])
    }  # fmt: skip
    decided = walked_targets(
        scene, gather_history(candles, HOUR).history, BlockBootstrap(), (0.01, 0.004, 0.004),
        hedge_objectives.rules(1.25),
        Walk(every=1_000, refit_every=2, paths=1_000, steps=4, seed=0),
    )  # fmt: skip
    hedge_objectives.report(hedge_objectives.Bench(scene), decided)
    said = capsys.readouterr().out.splitlines()
    rows = [line.split("|") for line in said if line.startswith("| ") and "kept" not in line]
    assert len(rows) == 3 * 14
    assert all(float(row[k].strip(" %")) >= 0 for row in rows for k in (2, 3, 6, 8))
    shipped = [row for row in rows if "shipped" in row[1]]
    assert [row[5].split()[0] for row in shipped] == ["+0.0"] * 3
    bare = [row for row in rows if "no hedge" in row[1]]
    assert [row[2:4] for row in bare] == [[" 1.00 ", " 0.00 "]] * 3


def test_benchmark_of_one_decision_when_run_then_both_starts_are_in_the_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tail_hedge.main(["--paths", "1000", "--rounds", "2"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1000 paths of 72 candles of 3 coins, 2 rounds"
    assert [line.split("|")[2].strip() for line in said[3:]] == ["cold", "warm"] * 2
    assert all(float(cell) > 0 for line in said[3:] for cell in line.split("|")[3:6])
