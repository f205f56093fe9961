"""Cascades: shocks that bring about shocks, and leverage that is forced out on the way.

A shock is a candle in which the market, the mean of the coins' log returns, moves beyond three
sigmas of the month before; shocks down and up are a Hawkes process on the candle grid
(`models/data/features/hawkes.py`), fitted by likelihood. Each candle of a path is a row of the
history in units of the coins' monthly sigma, coins together: of a shock's side if the process has
one there, else a quiet one. Falls and rises then force leveraged positions out, which deepens them
(`liquidations.py`).

Assumes that all clustering is that of shocks, and that a month's volatility holds. Breaks where
volatility drifts without a shock, and is as good as the assumed leverages.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from models.base.errors import ConfigError
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.data.features.hawkes import Hawkes, fit_hawkes, memory, shocks
from models.data.features.rolling import lag, rolling_rms
from models.scenarios.chunked import ChunkedScenarios, all_answer, check_rows, check_same_market
from models.scenarios.filtered import Residuals
from models.scenarios.funding_paths import FundingPool
from models.scenarios.liquidations import LiquidationFeedback, Positions
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock

MOST_BRANCHING: Final = 0.95  # spectral radius; at 1 shocks never end
_LEAST_POOL: Final = 1_000  # rows beyond the first month


@dataclass(frozen=True, kw_only=True)
class HawkesCascades:
    """A Hawkes process of shocks, rows of the history, and liquidation feedback."""

    sigma_days: float = 30.0
    feedback: LiquidationFeedback = field(default_factory=LiquidationFeedback)
    name: str = "hawkes"

    def __post_init__(self) -> None:
        if self.sigma_days <= 0:
            raise ConfigError(f"expected sigma_days > 0, got {self.sigma_days}")

    def fit(self, history: CoinHistory) -> FittedCascades:
        """Fit the process and sort the rows.

        Raises
        ------
        InputError
            If the history is too short, or has fewer than five shocks of a side.
        """
        month = max(2, round(self.sigma_days * DAY_MS / history.candle_ms))
        check_rows(self.name, history, month + _LEAST_POOL)
        flags = market_shocks(history, month)[month + 1 :]
        process, note = _subcritical(fit_hawkes([flags]))
        sigma = np.column_stack([lag(rolling_rms(r, month), 1) for r in history.close.T])
        sigma = sigma[month + 1 :]
        known = slice(month + 1, None)
        z = Residuals(
            close=history.close[known] / sigma, low=history.low[known] / sigma,
            high=history.high[known] / sigma,
        )  # fmt: skip
        side = np.where(flags[:, 0] > 0, 1, np.where(flags[:, 1] > 0, 2, 0))
        pay = FundingPool.of(history)
        return FittedCascades(
            coins=history.coins, candle_ms=history.candle_ms, month=month, process=process,
            residuals=z, sides=tuple(np.flatnonzero(side == k) for k in range(3)),
            funding=replace(pay, rate=pay.rate[known]), feedback=self.feedback, notes=(note,),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FittedCascades:
    """The process, and rows of each side."""

    coins: tuple[str, ...]
    candle_ms: int
    month: int  # candles of the volatility
    process: Hawkes
    residuals: Residuals
    sides: tuple[IntArray, ...]  # rows of quiet candles, shocks down, shocks up
    funding: FundingPool
    feedback: LiquidationFeedback
    notes: tuple[str, ...] = ()

    def given(self, history: CoinHistory) -> ChunkedScenarios:
        """Return the scenarios after `history`: its last month's sigma, its latest shocks.

        Raises
        ------
        AlignmentError
            If its coins or candles are others than those fitted on.
        """
        check_same_market(self.coins, self.candle_ms, history)
        sigma = np.sqrt((history.close[-self.month :] ** 2).mean(axis=0))
        held = memory(market_shocks(history, self.month), self.process.decay)[-1]
        seen = (self.candle_ms, history.close, history.low, history.high)

        def block(steps: int, rng: np.random.Generator) -> PathBlock:
            counts = shock_counts(self.process, held, CHUNK, steps, rng)
            rows = self._rows(counts, rng)
            close, low, high = self._moves(rows, sigma, self.feedback.positions(CHUNK, *seen))
            return PathBlock(
                close=close, low=low, high=high,
                funding=self.funding.paid(rows, self.funding.due(steps, history)),
                answers=all_answer(steps),
            )  # fmt: skip

        return ChunkedScenarios(coins=self.coins, candle_ms=self.candle_ms, block=block)

    def _rows(self, counts: IntArray, rng: np.random.Generator) -> IntArray:
        """Return a row for every candle, of the side that has shocks there; (P, T, 2) -> (P, T)."""
        shape = counts.shape[:2]
        down, up = counts[:, :, 0] > 0, counts[:, :, 1] > 0
        up &= ~down | (rng.random(shape) < 0.5)
        side = np.where(up, 2, np.where(down, 1, 0))
        sizes = np.array([len(rows) for rows in self.sides])
        first = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        sorted_rows = np.concatenate(self.sides)
        return np.asarray(sorted_rows[first[side] + (rng.random(shape) * sizes[side]).astype(int)])

    def _moves(
        self, rows: IntArray, sigma: FloatArray, positions: Positions
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        z = self.residuals
        close, low, high = (x[rows] * sigma for x in (z.close, z.low, z.high))
        sigma_day = sigma * np.sqrt(DAY_MS / self.candle_ms)
        for t in range(rows.shape[1]):
            candle = positions.through(close[:, t], low[:, t], high[:, t], sigma_day)
            close[:, t], low[:, t], high[:, t] = candle
        return close, low, high


def market_shocks(history: CoinHistory, month: int) -> FloatArray:
    """Return 1 where the mean of the coins' returns is a shock, (R, 2): down, up."""
    level = np.exp(np.cumsum(history.close.mean(axis=1)))
    return shocks(level, month)


def shock_counts(
    process: Hawkes, held: FloatArray, paths: int, steps: int, rng: np.random.Generator
) -> IntArray:
    """Return drawn shocks per candle and side, (P, T, 2), from the memory held at the start (2,).

    In the long run (1 - branching)^-1 base per candle.
    """
    out = np.empty((paths, steps, 2), dtype=np.int64)
    state = np.broadcast_to(held, (paths, 2))
    for t in range(steps):
        out[:, t] = rng.poisson(process.base + state @ process.branching.T)
        state = process.decay * state + (1 - process.decay) * out[:, t]
    return out


def _subcritical(process: Hawkes) -> tuple[Hawkes, str]:
    """Return a process whose shocks die out, and what is to be said of it."""
    radius = float(np.abs(np.linalg.eigvals(process.branching)).max())
    said = f"a shock brings about {radius:.2f} others"
    if radius <= MOST_BRANCHING:
        return process, said
    branching = process.branching * MOST_BRANCHING / radius
    return replace(process, branching=branching), f"{said}, taken as {MOST_BRANCHING}"
