"""Idiosyncratic breaks: one coin falls through the floor, and the others do not follow.

Then correlation and beta fail, and a hedge in another coin with them. A coin's own fall in a candle
is its low below the median of the other coins' lows. Beyond a high quantile it is a break: how
often is counted per coin, in candles in which the market itself falls hard and in the others, at
the upper bound of a Poisson rate; how deep is a generalised Pareto tail at the upper bound of its
index (`pareto.py`), fitted on all coins' breaks together: any coin may do what one has done. What
of a fall is left at the close is drawn from the breaks of the history.

Assumes that breaks of different coins have one distribution of sizes, and that given the state of
the market they strike each by itself. Breaks where a coin stays down for another reason than a
thin book: a delisting, a fork, a lawsuit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base.errors import ConfigError
from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS
from models.scenarios.chunked import around_close, check_rows
from models.scenarios.overlays import YEAR_MS, away_from_others, cluster_peaks, rate_bound
from models.scenarios.pareto import LEAST_CLUSTERS, ParetoTail, fit_pareto
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock


@dataclass(frozen=True, kw_only=True)
class IdiosyncraticBreaks:
    """Where a break begins, and how sure its numbers are to be."""

    quantile: float = 0.995  # of the largest own fall among the coins, candle by candle
    stress_quantile: float = 0.999  # of the market's fall: beyond it, breaks have another rate
    confidence: float = 0.95  # one-sided, of rates and of the tail index
    apart_days: float = 1.0  # breaks of a coin closer than this are one

    def __post_init__(self) -> None:
        shares = (self.quantile, self.stress_quantile, self.confidence)
        if not all(0.5 <= q < 1 for q in shares) or self.apart_days <= 0:
            raise ConfigError(
                f"expected quantiles and confidence in [0.5, 1) and apart_days > 0, got {shares} "
                f"and {self.apart_days}"
            )

    def fit(self, history: CoinHistory) -> FittedBreaks:
        """Count the breaks of a history and fit their sizes.

        Raises
        ------
        InputError
            If there are too few to fit.
        """
        coins = len(history.coins)
        if coins < 2:
            return FittedBreaks(
                tail=None, calm=np.zeros(coins), stressed=np.zeros(coins), stress=-np.inf,
                kept=np.ones(1), notes=("breaks need another coin to break away from: none drawn",),
            )  # fmt: skip
        check_rows("breaks", history, round(LEAST_CLUSTERS / (1 - self.quantile)))
        own = np.maximum(-away_from_others(history.low), 0.0)  # (R, A)
        largest = own.max(axis=1)
        apart_ms = int(self.apart_days * DAY_MS)
        threshold = float(np.quantile(largest, self.quantile))
        tail = fit_pareto(largest, history.time_ms, threshold, apart_ms, self.confidence)
        market = np.median(history.low, axis=1)
        stress = float(np.quantile(market, 1 - self.stress_quantile))
        wild = market <= stress
        peaks = [
            cluster_peaks(np.maximum(x - threshold, 0.0), history.time_ms, apart_ms) for x in own.T
        ]

        def bounds(state: BoolArray) -> FloatArray:
            counted = [float(state[rows].sum()) for rows in peaks]
            total = max(1.0, float(state.sum()))
            return np.array([min(1.0, rate_bound(n, total, self.confidence)) for n in counted])

        calm, stressed = bounds(~wild), bounds(wild)
        gone = own > threshold
        left = np.clip(-away_from_others(history.close)[gone] / own[gone], 0.0, 1.0)
        return FittedBreaks(
            tail=tail, calm=calm, stressed=stressed, stress=stress, kept=left,
            notes=(self._note(history, calm, stressed, tail),),
        )  # fmt: skip

    def _note(
        self, history: CoinHistory, calm: FloatArray, stressed: FloatArray, tail: ParetoTail
    ) -> str:
        per_year = YEAR_MS / history.candle_ms
        rates = ", ".join(
            f"{coin} {c * per_year:.2g} a year and {s:.0%} of stressed candles"
            for coin, c, s in zip(history.coins, calm, stressed, strict=True)
        )
        return (
            f"breaks of more than {-np.expm1(-tail.threshold):.1%}, xi {tail.estimate:.2f} taken "
            f"as {tail.shape:.2f}: {rates}"
        )


@dataclass(frozen=True, kw_only=True)
class FittedBreaks:
    """Probabilities per candle and coin, sizes, and what of a fall stays."""

    tail: ParetoTail | None  # of a coin's own fall in a candle, in logs
    calm: FloatArray  # (A,) probability of a break in a candle
    stressed: FloatArray  # (A,) the same where the market's median low is at `stress` or below
    stress: float
    kept: FloatArray  # shares of a fall that are left at the close, to draw from
    notes: tuple[str, ...] = ()
    taken: tuple[int, ...] = ()

    def laid_over(self, block: PathBlock, rng: np.random.Generator) -> PathBlock:
        """Let coins break; two in one candle, each by itself."""
        if self.tail is None:
            return block
        wild = np.median(block.low, axis=2) <= self.stress  # (P, T)
        chance = np.where(wild[:, :, None], self.stressed, self.calm)
        hit = rng.random((CHUNK, *block.close.shape[1:])) < chance
        count = int(hit.sum())
        size = self.tail.beyond(rng.random(count))
        left = rng.choice(self.kept, count)
        close, low = block.close.copy(), block.low.copy()
        low[hit] -= size
        close[hit] -= left * size
        low, high = around_close(close, low, block.high)
        return replace(block, close=close, low=low, high=high)
