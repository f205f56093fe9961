"""A market whose law is known, the engine that knows it, and engines with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock, chunks
from models.studies.scenarios.losses import path_losses_of
from models.studies.scenarios.origins import origins_between, scenario_folds
from models.studies.scenarios.record import Trial

COINS = ("BTC/USDT:USDT", "LTC/USDT:USDT")
CANDLE_MS = 6 * HOUR_MS
TOGETHER, BASE, NEWS, MEMORY = 0.7, 0.04e-4, 0.16, 0.80  # correlation; a GARCH(1, 1) of each coin
FIRST_MS = 1_600_000_000_000 // CANDLE_MS * CANDLE_MS


@dataclass
class Law:
    """P markets side by side, moving on candle by candle."""

    variance: FloatArray  # (P, A)
    rng: np.random.Generator

    def step(self, scale: float = 1.0) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return close, low and high of the next candle, (P, A) each."""
        both = self.rng.standard_normal((len(self.variance), 2))
        mixed = np.column_stack(
            (both[:, 0], TOGETHER * both[:, 0] + np.sqrt(1 - TOGETHER**2) * both[:, 1])
        )
        sigma = scale * np.sqrt(self.variance)
        close = sigma * mixed
        wick = sigma * np.abs(self.rng.standard_normal((2, *close.shape))) / 2
        self.variance = next_variance(self.variance, close)
        return close, np.minimum(close, 0) - wick[0], np.maximum(close, 0) + wick[1]

    def walk(self, steps: int, paths: int, scale: float = 1.0) -> list[FloatArray]:
        """Return closes, lows and highs of the first markets, (paths, steps, A) each."""
        moves = np.array([self.step(scale) for _ in range(steps)])  # (T, 3, P, A)
        return [np.swapaxes(moves[:, i, :paths], 0, 1) for i in range(3)]


def next_variance(variance: FloatArray, close: FloatArray) -> FloatArray:
    return BASE + NEWS * close**2 + MEMORY * variance


def true_history(rows: int, seed: int) -> CoinHistory:
    law = Law(np.full((1, 2), BASE / (1 - NEWS - MEMORY)), np.random.default_rng(seed))
    close, low, high = (part[0] for part in law.walk(rows, 1))
    return CoinHistory(
        coins=COINS, candle_ms=CANDLE_MS, time_ms=FIRST_MS + CANDLE_MS * np.arange(rows),
        close=close, low=low, high=high, funding=np.zeros_like(close),
    )  # fmt: skip


def trial_of(history: CoinHistory, fit_rows: int, refit_days: int = 200, seed: int = 0) -> Trial:
    """The rows after `fit_rows` as origins; 1,000 paths."""
    losses = path_losses_of(CANDLE_MS)
    start = int(history.time_ms[fit_rows])
    stop = int(history.time_ms[-1]) + CANDLE_MS
    origins = origins_between(history, losses, start, stop)
    folds = scenario_folds(origins, start, stop, refit_days)
    return Trial(
        history=history, losses=losses, origins=origins, folds=folds, paths=1000, seed=seed
    )


@dataclass(frozen=True, kw_only=True)
class LawScenarios:
    """Paths of the law from a state on, each move times `scale`."""

    variance: FloatArray  # (A,)
    scale: float = 1.0
    flaw: float = 0.0  # added to closes: NaN plants a broken engine
    coins: tuple[str, ...] = COINS
    candle_ms: int = CANDLE_MS

    def draw(self, paths: int, steps: int, seed: int, first: int = 0) -> Iterator[PathBlock]:
        for size, rng in chunks(paths, seed, first):
            law = Law(np.tile(self.variance, (CHUNK, 1)), rng)
            close, low, high = law.walk(steps, size, self.scale)
            yield PathBlock(
                close=close + self.flaw, low=low, high=high, funding=np.zeros_like(close),
                answers=np.ones(close.shape[:2], np.bool_),
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LawEngine:
    """Knows the law; follows volatility, or stands at its long-run level if it is blind."""

    name: str = "law"
    scale: float = 1.0
    blind: bool = False
    flaw: float = 0.0
    breaks_after_ms: int = 2**62  # a fit that knows more than this raises
    notes: tuple[str, ...] = ()
    fitted_until: list[int] = field(default_factory=list, repr=False)  # what each fit knew

    def fit(self, history: CoinHistory) -> LawEngine:
        known = int(history.time_ms[-1]) + history.candle_ms
        self.fitted_until.append(known)
        if known > self.breaks_after_ms:
            raise InputError("expected fewer rows", cure="take another engine")
        return self

    def given(self, history: CoinHistory) -> LawScenarios:
        variance = np.full(2, BASE / (1 - NEWS - MEMORY))
        if not self.blind:
            for close in history.close[-200:]:
                variance = next_variance(variance, close)
        return LawScenarios(variance=variance, scale=self.scale, flaw=self.flaw)


def with_future(history: CoinHistory, row: int, factor: float) -> CoinHistory:
    """The same history with another future after `row`."""
    later = np.arange(len(history.close))[:, None] > row
    return replace(
        history, close=np.where(later, factor * history.close, history.close),
        low=np.where(later, factor * history.low, history.low),
        high=np.where(later, factor * history.high, history.high),
    )  # fmt: skip
