"""Origins: outcomes do not overlap, gaps are left out, and what came is what came."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios.paths import CoinHistory
from models.studies.scenarios.losses import path_losses_of
from models.studies.scenarios.origins import origins_between, scenario_folds
from tests.test_models.studies.scenarios.worlds import CANDLE_MS, true_history

HISTORY = true_history(900, 3)
LOSSES = path_losses_of(CANDLE_MS)
START, STOP = int(HISTORY.time_ms[100]), int(HISTORY.time_ms[-1]) + CANDLE_MS


def without(history: CoinHistory, row: int) -> CoinHistory:
    kept = np.arange(len(history.time_ms)) != row
    return replace(
        history, time_ms=history.time_ms[kept], close=history.close[kept], low=history.low[kept],
        high=history.high[kept], funding=history.funding[kept],
    )  # fmt: skip


def test_origins_when_taken_then_outcomes_are_disjoint_and_every_hour_comes_up() -> None:
    origins = origins_between(HISTORY, LOSSES, START, STOP)
    for i, loss in enumerate(LOSSES):
        rows = origins.row[origins.asked[:, i]]
        assert (np.diff(rows) >= loss.candles).all(), loss
        assert len(rows) > 10
    assert len(set((origins.known_ms % DAY_MS // CANDLE_MS).tolist())) == DAY_MS // CANDLE_MS
    assert (HISTORY.time_ms[origins.row] + CANDLE_MS == origins.known_ms).all()


def test_origins_when_looked_at_then_what_came_is_a_plain_walk_over_the_candles() -> None:
    origins = origins_between(HISTORY, LOSSES, START, STOP)
    d = int(np.flatnonzero(origins.asked[:, 2])[1])
    row, level, lows, highs = origins.row[d], 0.0, [], []
    for ahead in range(1, 29):
        lows.append(level + HISTORY.low[row + ahead, 1])
        highs.append(level + HISTORY.high[row + ahead, 1])
        level += HISTORY.close[row + ahead, 1]
        if ahead == 4:
            assert origins.came[d, 1, 1] == pytest.approx([-level, level])
            assert origins.came[d, 3, 1] == pytest.approx([-min(lows), max(highs)])
    assert origins.came[d, 2, 1] == pytest.approx([-level, level])
    assert origins.volatility[d, 1] == pytest.approx(HISTORY.close[row - 27 : row + 1, 1].std())


def test_origins_when_a_candle_is_missing_then_those_around_it_are_left_out() -> None:
    whole = origins_between(HISTORY, LOSSES, START, STOP)
    gappy = origins_between(without(HISTORY, 500), LOSSES, START, STOP)
    missing = HISTORY.time_ms[500]
    lost = np.setdiff1d(whole.known_ms, gappy.known_ms)
    assert len(lost) == gappy.left_out - whole.left_out > 0
    assert (lost > missing - DAY_MS).all()
    assert (lost <= missing + 8 * DAY_MS).all()
    after = gappy.known_ms > missing + 8 * DAY_MS
    same = np.isin(whole.known_ms, gappy.known_ms[after])
    np.testing.assert_array_equal(gappy.came[after], whole.came[same])


def test_folds_when_cut_then_each_origin_has_one_fit_before_it() -> None:
    origins = origins_between(HISTORY, LOSSES, START, STOP)
    folds = scenario_folds(origins, START, STOP, 60)
    assert np.concatenate([fold.origins for fold in folds]).tolist() == list(range(len(origins)))
    for fold in folds:
        assert (origins.known_ms[fold.origins] >= fold.fit_ms).all()
    assert len(folds) > 2


def test_origins_when_there_are_too_few_then_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"at least 100 origins .* got 1 with whole candles"):
        origins_between(HISTORY, LOSSES, STOP - 30 * HOUR_MS, STOP)
