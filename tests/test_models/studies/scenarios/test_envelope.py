"""Lows to come, the fan and the crash days, against the law they were drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from models.scenarios.paths import PathBlock, chunks
from models.studies.scenarios.envelope import FAN, crash_rows, fan_of, low_rows
from models.studies.scenarios.losses import PathLoss
from tests.test_models.studies.scenarios.worlds import (
    CANDLE_MS,
    COINS,
    LawEngine,
    trial_of,
    true_history,
)

DAY = PathLoss("24 h, worst price", 4, worst=True)


@dataclass(frozen=True)
class OneStep:
    """One normal move of 2 % in the first candle, and nothing after it."""

    coins: tuple[str, ...] = COINS
    candle_ms: int = CANDLE_MS

    def draw(self, paths: int, steps: int, seed: int, first: int = 0) -> Iterator[PathBlock]:
        for size, rng in chunks(paths, seed, first):
            close = np.zeros((size, steps, 2))
            close[:, 0] = 0.02 * rng.standard_normal((size, 1))
            yield PathBlock(
                close=close, low=np.minimum(close, 0), high=np.maximum(close, 0),
                funding=np.zeros_like(close), answers=np.ones((size, steps), np.bool_),
            )  # fmt: skip


def test_lows_when_moves_are_normal_then_they_are_its_quantiles() -> None:
    rows = low_rows("one", OneStep(), DAY, 200_000, 3)
    assert [(r["coin"], r["level"]) for r in rows[:4]] == [
        (COINS[0], 0.01), (COINS[0], 0.001), (COINS[0], 0.0001), (COINS[1], 0.01),
    ]  # fmt: skip
    for row in rows:
        closed = np.expm1(0.02 * stats.norm.ppf(row["level"]))
        assert row["low"] <= closed <= row["high"], row
        assert row["low"] < row["value"] < row["high"] < 0


def test_lows_when_there_are_too_few_paths_for_a_level_then_it_is_not_known() -> None:
    far = low_rows("one", OneStep(), DAY, 2_000, 3)[2]
    assert np.isnan([far["value"], far["low"], far["high"]]).all()


def test_fan_when_moves_are_normal_then_its_bands_are_their_quantiles() -> None:
    fan = fan_of(OneStep(), 3, 50_000, 1)
    assert fan.shape == (3, 2, len(FAN))
    assert fan[2, 1] == pytest.approx(np.expm1(0.02 * stats.norm.ppf(FAN)), abs=0.001)


def test_crash_when_a_day_was_worse_than_all_that_was_drawn_then_it_is_outside() -> None:
    history = true_history(2800, 1)
    day = int(np.datetime64("2021-12-04", "ms").astype(np.int64))
    row = int(np.searchsorted(history.time_ms, day))
    low = history.low.copy()
    low[row, 1] = -0.6
    trial = trial_of(replace(history, low=low), 800)
    (fold,) = [f for f in trial.folds if f.fit_ms <= day < f.stop_ms]
    fitted = LawEngine().fit(trial.history.until(fold.fit_ms))
    btc, ltc = (
        r for r in crash_rows("law", fitted, fold, trial.history, DAY, 5_000, 0)
        if r["day"] == "2021-12-04"
    )  # fmt: skip
    assert ltc["came"] == pytest.approx(np.expm1(-0.6))
    assert (ltc["inside"], ltc["as_low"]) == (False, 0.0)
    assert ltc["came"] < ltc["lowest"] < ltc["far"] < 0
    assert btc["inside"]
    assert 0 < btc["as_low"] <= 1
    assert crash_rows("law", fitted, fold, history.until(day), DAY, 5_000, 0) == []
