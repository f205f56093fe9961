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
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock
from models.scenarios.tails import JointTails
from models.scenarios.volatility import FIT_DAYS, Volatility, fit_coin_volatility

LEAST_RESIDUALS = 1_000
STAND_INS: Final[Mapping[str, Callable[[CoinHistory, float], Volatility]]] = {
    "ewma": fit_coin_volatility,
    "long memory": fit_component_volatility,
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
    stand_in: str = "ewma"  # of `STAND_INS`, where GARCH is integrated
    name: str = "filtered"

    def __post_init__(self) -> None:
        if self.mean_block_days <= 0 or self.fit_days <= 0:
            raise ConfigError(
                f"expected mean_block_days and fit_days > 0, got {self.mean_block_days} "
                f"and {self.fit_days}"
            )
        if self.stand_in not in STAND_INS:
            raise ConfigError(
                f"expected a stand-in of {', '.join(STAND_INS)}, got {self.stand_in!r}"
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
        volatility = STAND_INS[self.stand_in](history, self.fit_days)
        return FittedFilter(
            coins=history.coins,
            candle_ms=history.candle_ms,
            volatility=volatility,
            residuals=residuals_of(history, volatility, rows),
            funding=FundingPool.of(history).only(rows),
            mean_block=max(1.0, self.mean_block_days * DAY_MS / history.candle_ms),
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
        state = self.volatility.newest(history.close)

        def block(steps: int, rng: np.random.Generator) -> PathBlock:
            pool = len(self.residuals.close)
            rows = stationary_indices(pool, self.mean_block, CHUNK, rng, steps)
            close, low, high = self._scaled(rows, state, rng)
            return PathBlock(
                close=close, low=low, high=high,
                funding=self.funding.paid(rows, self.funding.due(steps, history)),
                answers=all_answer(steps),
            )  # fmt: skip

        return ChunkedScenarios(coins=self.coins, candle_ms=self.candle_ms, block=block)

    def _scaled(
        self, rows: IntArray, state: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return close, low and high of drawn rows (P, T) -> (P, T, A), sigma as it develops."""
        z = self.residuals
        close, low, high = z.close[rows], z.low[rows], z.high[rows]
        if self.tails is not None:
            self.tails.replace(rows, close, low, high, rng)
            low, high = around_close(close, low, high)
        now = np.broadcast_to(state, (len(rows), len(state)))
        for t in range(rows.shape[1]):
            sigma = np.sqrt(self.volatility.level(now))
            for part in (close, low, high):
                part[:, t] *= sigma
            now = self.volatility.after(now, close[:, t])
        return close, low, high


def residuals_of(history: CoinHistory, volatility: Volatility, kept: BoolArray) -> Residuals:
    """Return a history's rows of `kept` (R,) in units of sigma.

    Closes are scaled to a mean square of one: parameters of the newest year do not make it so, and
    with more the variance of a path would drift away.
    """
    sigma = np.sqrt(volatility.variances(history.close)[:-1])[kept]
    rows = history.only(kept)
    sigma = sigma * np.sqrt(((rows.close / sigma) ** 2).mean(axis=0))
    return Residuals(close=rows.close / sigma, low=rows.low / sigma, high=rows.high / sigma)
