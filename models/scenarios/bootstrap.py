"""The stationary block bootstrap: rows of the history as they were, in blocks of random length.

Politis & Romano, "The stationary bootstrap", JASA 89, 1994. All coins of a row stay together.

Assumes that what comes is made of what was, whatever the present volatility; the block length is
all it knows of dependence. Breaks where nothing like it happened yet: no candle is worse than the
worst of the history, and calm days get the same tails as wild ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.errors import ConfigError
from models.base.resampling import stationary_indices
from models.base.types import BoolArray
from models.base.units import DAY_MS
from models.scenarios.chunked import (
    ChunkedScenarios,
    all_answer,
    check_rows,
    check_same_market,
    kept_rows,
)
from models.scenarios.funding_paths import FundingPool
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock


@dataclass(frozen=True, kw_only=True)
class BlockBootstrap:
    """Draws from the rows of the history itself."""

    mean_block_days: float = 1.0  # of the geometric block length
    least_rows: int = 200
    name: str = "bootstrap"

    def __post_init__(self) -> None:
        if self.mean_block_days <= 0:
            raise ConfigError(f"expected mean_block_days > 0, got {self.mean_block_days}")

    def fit(self, history: CoinHistory, kept: BoolArray | None = None) -> FittedBootstrap:
        """Keep the rows, those of `kept` (R,) where it is given.

        Raises
        ------
        InputError
            If there are fewer than `least_rows`.
        """
        rows = kept_rows(history, kept)
        pool = history.only(rows)
        check_rows(self.name, pool, self.least_rows)
        return FittedBootstrap(
            pool=pool,
            funding=FundingPool.of(history).only(rows),
            mean_block=max(1.0, self.mean_block_days * DAY_MS / history.candle_ms),
        )


@dataclass(frozen=True, kw_only=True)
class FittedBootstrap:
    """The rows that are drawn from; where it stands changes nothing but the funding clock."""

    pool: CoinHistory
    funding: FundingPool
    mean_block: float  # candles
    notes: tuple[str, ...] = ()

    def given(self, history: CoinHistory) -> ChunkedScenarios:
        """Return the scenarios after `history`.

        Raises
        ------
        AlignmentError
            If its coins or candles are others than those fitted on.
        """
        pool = self.pool
        check_same_market(pool.coins, pool.candle_ms, history)

        def block(steps: int, rng: np.random.Generator) -> PathBlock:
            rows = stationary_indices(len(pool.close), self.mean_block, CHUNK, rng, steps)
            return PathBlock(
                close=pool.close[rows], low=pool.low[rows], high=pool.high[rows],
                funding=self.funding.paid(rows, self.funding.due(steps, history)),
                answers=all_answer(steps),
            )  # fmt: skip

        return ChunkedScenarios(coins=pool.coins, candle_ms=pool.candle_ms, block=block)
