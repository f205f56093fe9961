"""Jump diffusion: a constant volatility, and jumps that coins share or have alone.

Merton, "Option pricing when underlying stock returns are discontinuous", J. Financial Economics 3,
1976. A candle's log return is normal plus N normal jumps, N Poisson; its density is the series

    sum_k e^-rate rate^k / k!  N(drift + k mean, sigma^2 + k spread^2),

cut where `_MOST` jumps are left. Each coin's five parameters are fitted by likelihood, on a fine
histogram of its returns, with jumps at least as wide as the diffusion: else one row would be a jump
of no width and infinite likelihood (Kiefer 1978). What coins have in common is fitted by moments:
rows in which most coins jump give the rate of common jumps and the correlation of their sizes,
rows in which none does the correlation of the diffusions. A coin's own jumps are the rest of its
rate, so every coin keeps its own density.

Lows and highs are those of the Brownian bridge to the close.
DIFF: a jump down is taken to come before the bridge's low, a jump up before its high, whereas its
time is uniform: excursions are too wide rather than too narrow in a candle with a jump.

Assumes independent candles. Breaks at volatility that clusters, which it takes for jumps: calm days
get too many, wild ones too few. There are no wicks that come back beyond the bridge's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

from models.base.errors import InputError
from models.base.types import FloatArray
from models.scenarios.chunked import (
    ChunkedScenarios,
    all_answer,
    around_close,
    check_rows,
    check_same_market,
)
from models.scenarios.funding_paths import FundingPool
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock

LEAST_JUMP_ROWS: Final = 1_000
_MOST: Final = 6  # jumps in one candle
_BINS: Final = 8_001


@dataclass(frozen=True, kw_only=True)
class MertonLaw:
    """One coin's candle; logs."""

    drift: float  # of the diffusion
    sigma: float
    rate: float  # jumps per candle
    mean: float  # of a jump
    spread: float  # standard deviation of a jump

    def log_density(self, r: FloatArray) -> FloatArray:
        """Return the log density at each return, (R,) -> (R,)."""
        return np.asarray(logsumexp(self._terms(r), axis=0))

    def jumped(self, r: FloatArray) -> FloatArray:
        """Return P(at least one jump | return), (R,) -> (R,)."""
        terms = self._terms(r)
        return np.asarray(-np.expm1(terms[0] - logsumexp(terms, axis=0)))

    def _terms(self, r: FloatArray) -> FloatArray:
        """Return the log of each term of the series, (K, R)."""
        k = np.arange(_MOST + 1)[:, None]
        variance = self.sigma**2 + k * self.spread**2
        weight = -self.rate + k * np.log(self.rate) - gammaln(k + 1)
        away = r - self.drift - k * self.mean
        return np.asarray(weight - 0.5 * (np.log(2 * np.pi * variance) + away**2 / variance))


@dataclass(frozen=True, kw_only=True)
class JumpDiffusion:
    """Merton's model of every coin, with jumps in common."""

    name: str = "jumps"

    def fit(self, history: CoinHistory) -> FittedJumps:
        """Fit every coin by likelihood, what they have in common by moments.

        Raises
        ------
        InputError
            If the history is too short, or a coin never moves.
        """
        check_rows(self.name, history, LEAST_JUMP_ROWS)
        laws = tuple(
            fit_merton(r, coin) for coin, r in zip(history.coins, history.close.T, strict=True)
        )
        z = np.column_stack([
            (r - law.drift - law.mean) / law.spread
            for r, law in zip(history.close.T, laws, strict=True)
        ])  # fmt: skip
        jumps = np.column_stack([
            law.jumped(r) > 0.5 for r, law in zip(history.close.T, laws, strict=True)
        ])  # fmt: skip
        coins = len(laws)
        together = (jumps.sum(axis=1) > coins / 2) & (coins > 1)
        common = min(float(together.mean()), *(law.rate for law in laws))
        quiet = ~jumps.any(axis=1)
        return FittedJumps(
            coins=history.coins, candle_ms=history.candle_ms, laws=laws, common=common,
            jump_correlation=_mean_correlation(z[together]),
            diffusion=np.atleast_2d(np.corrcoef(history.close[quiet].T)),
            funding=FundingPool.of(history),
            notes=(
                "jumps a year and coin: "
                + ", ".join(f"{coin} {law.rate * 8_766 * 3_600_000 / history.candle_ms:.0f}"
                            for coin, law in zip(history.coins, laws, strict=True))
                + f"; {common * 8_766 * 3_600_000 / history.candle_ms:.0f} of them in common",
            ),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FittedJumps:
    """Laws of every coin and what joins them; where it stands changes only the funding clock."""

    coins: tuple[str, ...]
    candle_ms: int
    laws: tuple[MertonLaw, ...]
    common: float  # common jumps per candle
    jump_correlation: float  # of the coins' sizes in a common jump
    diffusion: FloatArray  # (A, A) correlation
    funding: FundingPool
    notes: tuple[str, ...] = ()

    def given(self, history: CoinHistory) -> ChunkedScenarios:
        """Return the scenarios after `history`.

        Raises
        ------
        AlignmentError
            If its coins or candles are others than those fitted on.
        """
        check_same_market(self.coins, self.candle_ms, history)

        def block(steps: int, rng: np.random.Generator) -> PathBlock:
            close, low, high = self._moves(steps, rng)
            rows = rng.integers(0, len(self.funding.rate), size=(CHUNK, 1))
            return PathBlock(
                close=close, low=low, high=high,
                funding=self.funding.paid(
                    np.minimum(rows + np.arange(steps), len(self.funding.rate) - 1),
                    self.funding.due(steps, history),
                ),
                answers=all_answer(steps),
            )  # fmt: skip

        return ChunkedScenarios(coins=self.coins, candle_ms=self.candle_ms, block=block)

    def _moves(
        self, steps: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return close, low and high, (CHUNK, T, A)."""
        shape = (CHUNK, steps, len(self.laws))
        drift, sigma, rate, mean, spread = np.array([
            (law.drift, law.sigma, law.rate, law.mean, law.spread) for law in self.laws
        ]).T  # fmt: skip
        root = np.linalg.cholesky(self.diffusion + 1e-9 * np.eye(len(self.laws)))
        diffused = drift + sigma * (rng.standard_normal(shape) @ root.T)
        shared = rng.poisson(self.common, shape[:2])[:, :, None]
        own = rng.poisson(rate - self.common, shape)
        rho = self.jump_correlation
        noise = np.sqrt(shared * (1 - rho) + own) * rng.standard_normal(shape)
        noise += np.sqrt(shared * rho) * rng.standard_normal((*shape[:2], 1))
        jump = mean * (shared + own) + spread * noise
        low, high = _bridge(diffused, sigma, rng)
        close = diffused + jump
        low, high = around_close(close, low + np.minimum(jump, 0), high + np.maximum(jump, 0))
        return close, low, high


def fit_merton(r: FloatArray, coin: str = "") -> MertonLaw:
    """Return the law of highest likelihood of returns (R,).

    Raises
    ------
    InputError
        If they never move.
    """
    if not r.std() > 0:
        raise InputError(f"expected returns of {coin} that move, got none", where=coin)
    counts, edges = np.histogram(r, bins=_bins(r))
    at = 0.5 * (edges[1:] + edges[:-1])[counts > 0]
    counts = counts[counts > 0]
    scale = 1.4826 * float(np.median(np.abs(r - np.median(r)))) or float(r.std())

    def law(theta: FloatArray) -> MertonLaw:
        sigma = scale * float(np.exp(theta[1]))
        return MertonLaw(
            drift=scale * float(theta[0]), sigma=sigma, rate=float(np.exp(theta[2])),
            mean=scale * float(theta[3]), spread=sigma * float(np.exp(theta[4])),
        )  # fmt: skip

    def cost(theta: FloatArray) -> float:
        return -float(counts @ law(theta).log_density(at)) / len(r)

    bounds = [(-1.0, 1.0), (-3.0, 2.0), (np.log(1e-6), np.log(0.5)), (-20.0, 20.0), (0.0, 6.0)]
    starts = ([0.0, 0.0, np.log(rate), 0.0, np.log(wide)] for rate, wide in ((0.1, 2), (0.01, 6)))
    found = [minimize(cost, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    return law(min(found, key=lambda one: float(one.fun)).x)


def _bins(r: FloatArray) -> FloatArray:
    """Return bin edges, fine where the returns are: a bin is wide only far out."""
    middle, unit = float(np.median(r)), float(np.quantile(np.abs(r - np.median(r)), 0.5)) or 1e-6
    reach = np.arcsinh(float(np.abs(r - middle).max()) / unit) * 1.001
    return np.asarray(middle + unit * np.sinh(np.linspace(-reach, reach, _BINS)))


def _bridge(
    close: FloatArray, sigma: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return a minimum and a maximum of the Brownian bridge from 0 to each close.

    P(min < m | close) = exp(-2 m (m - close) / sigma^2), inverted. Each has its own uniform: their
    dependence is left out.
    """
    square = 2 * sigma**2

    def reach() -> FloatArray:
        return np.asarray(np.sqrt(close**2 + square * rng.standard_exponential(close.shape)))

    return 0.5 * (close - reach()), 0.5 * (close + reach())


def _mean_correlation(z: FloatArray) -> float:
    """Return the mean correlation between columns, in [0, 0.99]; 0 without enough rows."""
    coins = z.shape[1]
    if coins < 2 or len(z) < 10:
        return 0.0
    both = np.corrcoef(z.T)
    return float(np.clip((both.sum() - coins) / (coins * (coins - 1)), 0.0, 0.99))
