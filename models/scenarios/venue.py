"""The exchange itself: funding that spikes, and a venue that does not answer when all want out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base.errors import ConfigError, InputError
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios.chunked import check_rows
from models.scenarios.funding_paths import FundingPool
from models.scenarios.overlays import YEAR_MS, cluster_peaks, rate_bound, years
from models.scenarios.pareto import ParetoTail, fit_pareto
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock


@dataclass(frozen=True, kw_only=True)
class FundingSpikes:
    """Spells of extreme funding, for all coins at once or one.

    The largest absolute rate among the coins beyond a quantile begins a spell; its rate per year
    and the tail index of its size are upper bounds. Assumes spells of one length whose sign is as
    often paid by longs as the history's. Breaks where a venue changes its cap or its interval.
    """

    quantile: float = 0.97  # of the largest absolute rate among the coins
    confidence: float = 0.95  # one-sided, of the rate and the tail index
    spell_days: float = 3.0  # a spell's length, and the least time between two
    cap_frac: float = 0.03  # of notional per payment; Binance caps most contracts at 2 or 3 %

    def __post_init__(self) -> None:
        if not (0.5 <= self.quantile < 1 and self.spell_days > 0 and self.cap_frac > 0):
            raise ConfigError(
                "expected a quantile in [0.5, 1), spell_days and cap_frac > 0, got "
                f"{self.quantile}, {self.spell_days} and {self.cap_frac}"
            )

    def fit(self, history: CoinHistory) -> FittedSpikes:
        """Count the spells of a history; without enough of them there are none, and it is said."""
        rate = FundingPool.of(history).rate
        largest = np.abs(rate).max(axis=1)
        paid = (history.funding != 0).any(axis=1)
        spell_ms = int(self.spell_days * DAY_MS)
        spell = max(1, round(spell_ms / history.candle_ms))
        none = FittedSpikes(
            tail=None, per_candle=0.0, spell=spell, cap_frac=self.cap_frac, longs_pay=0.5
        )
        if not paid.any():
            return replace(none, notes=("no funding known: no spikes drawn",))
        when, sizes = history.time_ms[paid], largest[paid]
        threshold = float(np.quantile(sizes, self.quantile))
        try:
            tail = fit_pareto(sizes, when, threshold, spell_ms, self.confidence)
        except InputError as error:
            return replace(none, notes=(f"no funding spikes drawn: {error.problem}",))
        rows = cluster_peaks(np.maximum(sizes - threshold, 0.0), when, spell_ms)
        yearly = rate_bound(len(rows), years(history), self.confidence)
        peak = rate[paid][rows]
        sign = np.take_along_axis(peak, np.abs(peak).argmax(axis=1)[:, None], axis=1)
        return replace(
            none, tail=tail, per_candle=yearly * history.candle_ms / YEAR_MS,
            longs_pay=float((sign > 0).mean()),
            notes=(f"funding beyond {threshold:.2%} a payment, {yearly:.2g} spells a year",),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FittedSpikes:
    """How often a spell begins, and its size."""

    tail: ParetoTail | None  # of the absolute rate a payment
    per_candle: float
    spell: int  # candles
    cap_frac: float
    longs_pay: float  # probability that longs pay in a spell
    notes: tuple[str, ...] = ()
    taken: tuple[int, ...] = ()

    def laid_over(self, block: PathBlock, rng: np.random.Generator) -> PathBlock:
        """Put at most one spell into each path, at the candles that pay anyway."""
        paths, (steps, coins) = len(block), block.close.shape[1:]
        if self.tail is None:
            return block
        hit = rng.random(paths) < -np.expm1(-self.per_candle * steps)
        begin = rng.integers(0, steps, size=paths)
        sign = np.where(rng.random(paths) < self.longs_pay, 1.0, -1.0)
        size = np.minimum(self.tail.beyond(rng.random(size=paths)), self.cap_frac)
        alone = rng.integers(-1, coins, size=paths)  # which coin; -1 is all of them
        due = (block.funding != 0).any(axis=(0, 2))  # (T,)
        at = np.arange(steps)
        within = (at >= begin[:, None]) & (at < begin[:, None] + self.spell) & due
        coin = (alone[:, None] == np.arange(coins)) | (alone[:, None] < 0)
        where = (hit[:, None] & within)[:, :, None] & coin[:, None, :]
        return replace(block, funding=np.where(where, (sign * size)[:, None, None], block.funding))


@dataclass(frozen=True, kw_only=True)
class VenueOutages:
    """A venue that takes no orders while the market is overloaded.

    A candle is overloaded if the coins' median range is beyond a quantile of the history's. Whether
    the venue then answers is a coin toss: no candle tells, so `chance` is an assumption, not
    fitted. An outage lasts the whole candle and on, candle by candle, with `goes_on`.
    """

    quantile: float = 0.9995  # of the coins' median range in a candle
    chance: float = 0.5
    mean_minutes: float = 30.0  # of an outage; a candle is the least

    def __post_init__(self) -> None:
        if not (0.5 <= self.quantile < 1 and 0 <= self.chance <= 1 and self.mean_minutes > 0):
            raise ConfigError(
                "expected a quantile in [0.5, 1), a chance in [0, 1] and mean_minutes > 0, got "
                f"{self.quantile}, {self.chance} and {self.mean_minutes}"
            )

    def fit(self, history: CoinHistory) -> FittedOutages:
        """Learn which range is an overload.

        Raises
        ------
        InputError
            If the history is too short to know.
        """
        check_rows("outages", history, int(1 / (1 - self.quantile)))
        ranges = np.median(history.high - history.low, axis=1)
        overload = float(np.quantile(ranges, self.quantile))
        candles = self.mean_minutes * HOUR_MS / 60 / history.candle_ms
        return FittedOutages(
            overload=overload, chance=self.chance, goes_on=max(0.0, 1 - 1 / max(1.0, candles)),
            notes=(
                f"outages: {self.chance:.0%} of candles with a median range beyond "
                f"{np.expm1(overload):.1%}, assumed",
            ),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FittedOutages:
    """When the venue may fail to answer."""

    overload: float  # log of high over low, median of the coins
    chance: float
    goes_on: float  # probability that an outage lasts into the next candle
    notes: tuple[str, ...] = ()
    taken: tuple[int, ...] = ()

    def laid_over(self, block: PathBlock, rng: np.random.Generator) -> PathBlock:
        """Let overloaded candles go unanswered."""
        over = np.median(block.high - block.low, axis=2) > self.overload  # (P, T)
        shape = (CHUNK, block.close.shape[1])
        out = over & (rng.random(shape) < self.chance)
        on = rng.random(shape) < self.goes_on
        for t in range(1, shape[1]):
            out[:, t] |= out[:, t - 1] & on[:, t]
        return replace(block, answers=block.answers & ~out)
