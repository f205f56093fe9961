"""Filtered historical simulation: past surprises, scaled by the volatility of now.

Barone-Adesi, Giannopoulos & Vosper, "VaR without correlations for portfolios of derivative
securities", Journal of Futures Markets 19, 1999. Every row of the history, close, low and high of
all coins, is divided by the coins' sigma of that candle; rows of such residuals are drawn in
stationary blocks, coins together, and multiplied by sigma as it develops on the path.

Assumes that surprises in units of sigma come again as they were, and sigma moves as `volatility.py`
says. Breaks where a surprise is larger than any before (see `tails.py`), and where coins part in a
way they never did (see `breaks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import ConfigError
from models.base.resampling import stationary_indices
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import DAY_MS
from models.scenarios.chunked import (
    ChunkedScenarios,
    all_answer,
    around_close,
    check_rows,
    check_same_market,
    kept_rows,
)
from models.scenarios.components import fit_component_volatility
from models.scenarios.funding_paths import FundingPool
from models.scenarios.har import fit_har_volatility
from models.scenarios.neighbours import NeighbourRows
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock
from models.scenarios.tails import JointTails
from models.scenarios.volatility import FIT_DAYS, Volatility, fit_coin_volatility

LEAST_RESIDUALS = 1_000
VOLATILITIES: Final[Mapping[str, Callable[[CoinHistory, float], Volatility]]] = {
    "garch": fit_coin_volatility,  # EWMA where it is integrated
    "garch, long memory": fit_component_volatility,  # EWMAs from short to long there
    "har": lambda history, fit_days: fit_har_volatility(history),  # of all rows
}


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Rows in units of their own sigma, (R, A) each; closes have a mean square of one."""

    close: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, kw_only=True)
class FilteredHistory:
    """GARCH-t, or EWMA, and residual rows in stationary blocks."""

    mean_block_days: float = 1.0  # of the geometric block length
    fit_days: float = FIT_DAYS  # of the volatility's parameters; residuals are of all rows
    volatility: str = "garch"  # of `VOLATILITIES`
    neighbours: float = 1.0  # share of rows, nearest in volatility, that blocks start from
    name: str = "filtered"

    def __post_init__(self) -> None:
        if self.mean_block_days <= 0 or self.fit_days <= 0:
            raise ConfigError(
                f"expected mean_block_days and fit_days > 0, got {self.mean_block_days} "
                f"and {self.fit_days}"
            )
        if not 0 < self.neighbours <= 1:
            raise ConfigError(f"expected neighbours in (0, 1], got {self.neighbours}")
        if self.volatility not in VOLATILITIES:
            raise ConfigError(
                f"expected a volatility of {'; '.join(VOLATILITIES)}, got {self.volatility!r}"
            )

    def fit(self, history: CoinHistory, kept: BoolArray | None = None) -> FittedFilter:
        """Fit the volatility and keep the residuals, those of `kept` (R,) where it is given.

        Volatility is of all rows: it rises after a large one whoever draws that one.

        Raises
        ------
        InputError
            If the history is too short, or a coin never moves.
        """
        rows = kept_rows(history, kept)
        check_rows(self.name, history.only(rows), LEAST_RESIDUALS)
        volatility = VOLATILITIES[self.volatility](history, self.fit_days)
        sigma = np.sqrt(volatility.variances(history)[:-1])[rows]
        mean_block = max(1.0, self.mean_block_days * DAY_MS / history.candle_ms)
        near = NeighbourRows.of(sigma, self.neighbours, mean_block)
        return FittedFilter(
            coins=history.coins,
            candle_ms=history.candle_ms,
            volatility=volatility,
            residuals=residuals_of(history.only(rows), sigma),
            funding=FundingPool.of(history).only(rows),
            mean_block=mean_block,
            neighbours=near if self.neighbours < 1 else None,
            notes=volatility.notes,
        )


@dataclass(frozen=True, kw_only=True)
class FittedFilter:
    """Volatility and residuals of one history."""

    coins: tuple[str, ...]
    candle_ms: int
    volatility: Volatility
    residuals: Residuals
    funding: FundingPool
    mean_block: float  # candles
    neighbours: NeighbourRows | None = None  # that blocks start from; all rows without
    tails: JointTails | None = None  # what residuals beyond a quantile are replaced by
    notes: tuple[str, ...] = ()

    def given(self, history: CoinHistory) -> ChunkedScenarios:
        """Return the scenarios after `history`, from the volatility it ends with.

        Raises
        ------
        AlignmentError
            If its coins or candles are others than those fitted on.
        """
        check_same_market(self.coins, self.candle_ms, history)
        state = self.volatility.newest(history)

        def block(steps: int, rng: np.random.Generator) -> PathBlock:
            rows, close, low, high = self._walk(state, steps, rng)
            return PathBlock(
                close=close, low=low, high=high,
                funding=self.funding.paid(rows, self.funding.due(steps, history)),
                answers=all_answer(steps),
            )  # fmt: skip

        return ChunkedScenarios(coins=self.coins, candle_ms=self.candle_ms, block=block)

    def _walk(
        self, state: FloatArray, steps: int, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Return drawn rows (P, T), and their close, low and high (P, T, A), sigma as it develops.

        Rows are drawn at once where they do not depend on the volatility of a path.
        """
        rows = np.empty((CHUNK, steps), dtype=np.int64)
        close, low, high = (np.empty((*rows.shape, len(self.coins))) for _ in range(3))
        at_once = steps if self.neighbours is None else 1
        now = np.broadcast_to(state, (CHUNK, len(state)))
        for t in range(steps):
            sigma = np.sqrt(self.volatility.level(now))
            if t % at_once == 0:
                ahead = slice(t, t + at_once)
                rows[:, ahead] = self._next_rows(rows[:, :t], sigma, at_once, rng)
                surprises = self._surprises(rows[:, ahead], rng)
                close[:, ahead], low[:, ahead], high[:, ahead] = surprises
            for part in (close, low, high):
                part[:, t] *= sigma
            now = self.volatility.after(now, close[:, t], low[:, t], high[:, t])
        return rows, close, low, high

    def _next_rows(
        self, before: IntArray, sigma: FloatArray, steps: int, rng: np.random.Generator
    ) -> IntArray:
        """Return the rows of the next steps, (P, steps), after those `before`, (P, t)."""
        if self.neighbours is None:
            pool = len(self.residuals.close)
            return stationary_indices(pool, self.mean_block, CHUNK, rng, steps)
        newest = before[:, -1] if before.shape[1] else None
        return self.neighbours.drawn(sigma, newest, rng)[:, None]

    def _surprises(
        self, rows: IntArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return close, low and high of rows (P, T) in units of sigma, (P, T, A) each."""
        z = self.residuals
        close, low, high = z.close[rows], z.low[rows], z.high[rows]
        if self.tails is not None:
            self.tails.replace(rows, close, low, high, rng)
            low, high = around_close(close, low, high)
        return close, low, high


def residuals_of(history: CoinHistory, sigma: FloatArray) -> Residuals:
    """Return a history's rows in units of their sigma, (R, A).

    Closes are scaled to a mean square of one: parameters of the newest year do not make it so, and
    with more the variance of a path would drift away.
    """
    sigma = sigma * np.sqrt(((history.close / sigma) ** 2).mean(axis=0))
    return Residuals(
        close=history.close / sigma, low=history.low / sigma, high=history.high / sigma
    )
