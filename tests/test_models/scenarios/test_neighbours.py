"""Blocks that start at a volatility like the path's: which rows, and what it changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.scenarios.filtered import FilteredHistory, FittedFilter
from models.scenarios.neighbours import NeighbourRows
from models.scenarios.paths import CHUNK, CoinHistory
from tests.test_models.scenarios.histories import COINS, START_MS

ROWS = 1_000
LEVELS = np.exp(np.random.default_rng(5).standard_normal((ROWS, 1))) * np.ones((1, 3))


def calm_and_wild(rows: int = 8_000, ends_calm: bool = True) -> CoinHistory:
    """Return months that are calm and wild in turn; calm hours rise far, wild ones fall far."""
    rng = np.random.default_rng(2)
    back = np.arange(rows)[::-1] // 1_000 % 2
    calm = back == 0 if ends_calm else back == 1
    usual = rng.standard_normal((rows, 3))
    far = rng.random((rows, 1)) < 0.05
    z = np.where(far, np.where(calm[:, None], 4.0, -4.0), usual)
    close = np.where(calm, 0.002, 0.012)[:, None] * z
    wick = 0.2 * np.where(calm, 0.002, 0.012)[:, None] * np.abs(usual)
    return CoinHistory(
        coins=COINS, candle_ms=HOUR_MS, time_ms=START_MS + HOUR_MS * np.arange(rows), close=close,
        low=np.minimum(close, 0) - wick, high=np.maximum(close, 0) + wick,
        funding=np.zeros((rows, 3)),
    )  # fmt: skip


def test_rows_when_drawn_fresh_then_they_are_the_nearest_in_volatility_each_as_often() -> None:
    rows = NeighbourRows.of(LEVELS, 0.1, mean_block=1.0)
    order = np.argsort(LEVELS[:, 0])
    for place in (0, 500, ROWS - 1):
        sigma = np.repeat(LEVELS[order[place]][None], 50_000, axis=0)
        drawn = rows.drawn(sigma, None, np.random.default_rng(0))
        first = int(np.clip(place - 50, 0, ROWS - 100))
        often = np.bincount(drawn, minlength=ROWS)[order]
        assert often[first : first + 100].sum() == 50_000
        expected = 50_000 / 100
        chi = ((often[first : first + 100] - expected) ** 2 / expected).sum()
        assert chi < 99 + 5 * np.sqrt(2 * 99)


def test_rows_when_a_block_goes_on_then_it_is_row_by_row_and_of_geometric_length() -> None:
    rows, rng = NeighbourRows.of(LEVELS, 0.01, mean_block=8.0), np.random.default_rng(0)
    sigma = LEVELS[rng.integers(0, ROWS, 20_000)]
    before = rng.integers(0, ROWS - 1, 20_000)
    follows = rows.drawn(sigma, before, rng) == before + 1
    # A fresh row may be the next one by chance, hardly ever.
    assert abs(follows.mean() - 7 / 8) < 4 * np.sqrt(7 / 64 / 20_000) + 0.001
    newest = np.full(20_000, ROWS - 1)
    assert (rows.drawn(sigma, newest, rng) < ROWS).all()


def test_rows_when_all_are_neighbours_then_any_may_come() -> None:
    rows = NeighbourRows.of(LEVELS, 1.0, mean_block=1.0)
    drawn = rows.drawn(np.full((50_000, 3), 1e-9), None, np.random.default_rng(0))
    often = np.bincount(drawn, minlength=ROWS)
    assert ((often - 50) ** 2 / 50).sum() < 999 + 5 * np.sqrt(2 * 999)


def far_moves(engine: FittedFilter, history: CoinHistory) -> FloatArray:
    """Return the share of first candles that rise and that fall by more than 2 sigma, (2, A)."""
    blocks = list(engine.given(history).draw(8 * CHUNK, 1, 3))
    z = np.concatenate([b.close[:, 0] for b in blocks])
    z = z / np.sqrt(engine.volatility.variances(history)[-1])
    return np.array([(z > 2).mean(axis=0), (z < -2).mean(axis=0)])


def test_paths_when_surprises_depend_on_the_level_then_those_of_the_level_come() -> None:
    calm, wild = calm_and_wild(), calm_and_wild(ends_calm=False)
    near = FilteredHistory(volatility="har", neighbours=0.2)
    rises, falls = far_moves(near.fit(calm), calm)
    assert (rises > 2 * falls).all()
    rises, falls = far_moves(near.fit(wild), wild)
    assert (falls > 2 * rises).all()
    either = replace(near, neighbours=1.0)  # without neighbours, both come at any level
    for h in (calm, wild):
        rises, falls = far_moves(either.fit(h), h)
        assert (np.abs(np.log(rises / falls)) < np.log(1.6)).all()


def test_neighbours_when_the_share_is_impossible_then_it_is_refused() -> None:
    for share in (0.0, 1.5):
        with pytest.raises(ConfigError, match=r"neighbours in \(0, 1\]"):
            FilteredHistory(neighbours=share)
