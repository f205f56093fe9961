"""One market through one crash: candles as fine as there are, and the hours a bot decides at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.base.errors import InputError
from models.base.types import Candles, FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.data.features.candles import sigma_per_candle
from models.trade.account.records import MarketPath


@dataclass(frozen=True, kw_only=True)
class RecordedCrash:
    """One market through one crash; arrays (N,), on a gap-free grid.

    Raises
    ------
    InputError
        If a candle is longer than an hour, or hours do not divide into candles.
    """

    name: str
    pair: str
    candles: Candles
    candle_ms: int
    funding_rate: FloatArray  # NaN but at candles whose open is a funding time
    market: str = "perpetual"  # or "spot": what the candles are of

    def __post_init__(self) -> None:
        if self.candle_ms > HOUR_MS or HOUR_MS % self.candle_ms:
            raise InputError(
                f"expected candles of an hour or a whole part of it, got {self.candle_ms} ms",
                where=self.name,
            )

    def path(self, start: int, stop: int | None = None) -> MarketPath:
        """Return the candles from row `start` to before row `stop`, as the audit reads them."""
        c, rows = self.candles, slice(start, stop)
        prices = {n: getattr(c, n)[rows] for n in ("time_ms", "open", "high", "low", "close")}
        return MarketPath(pair=self.pair, funding_rate=self.funding_rate[rows], **prices)

    @cached_property
    def close_ms(self) -> IntArray:
        """When each candle closes, (N,)."""
        out: IntArray = self.candles.time_ms + self.candle_ms
        return out

    @cached_property
    def hours(self) -> DecisionHours:
        """The whole hours of the path, as a bot with hourly candles knows them at their close."""
        per_hour = HOUR_MS // self.candle_ms
        last = np.flatnonzero(self.close_ms % HOUR_MS == 0)
        last = last[last >= per_hour - 1]
        c = self.candles
        traded = np.concatenate(([0.0], np.cumsum(c.volume * c.close)))
        sigma = sigma_per_candle(c.close[last])
        return DecisionHours(
            last=last,
            volume_quote=traded[last + 1] - traded[last + 1 - per_hour],
            sigma=sigma,
        )


@dataclass(frozen=True, kw_only=True)
class DecisionHours:
    """Whole hours of a path, arrays (H,); each known at its close."""

    last: IntArray  # row of the hour's last candle
    volume_quote: FloatArray
    sigma: FloatArray  # volatility of an hour's log return; NaN in warm-up

    @property
    def known(self) -> IntArray:
        """Hours whose volatility is known: there a bot may start."""
        return np.flatnonzero(np.isfinite(self.sigma) & (self.sigma > 0))


def simulated_crash(*, seed: int = 0, fall_frac: float = 0.5, hours: float = 12.0) -> RecordedCrash:
    """Return a month of 5-minute candles with a fall in its third week; not real, and named so.

    Parameters
    ----------
    fall_frac
        Of price, from the start of the crash to its end, with volatility five times the usual.
    """
    rng, step_ms = np.random.default_rng(seed), 300_000
    count, start, length = 30 * 288, 18 * 288, round(12 * hours)
    sigma = np.full(count, 0.0012)
    sigma[start : start + length] *= 5
    drift = np.zeros(count)
    drift[start : start + length] = math.log(1 - fall_frac) / length
    close = 50_000 * np.exp(np.cumsum(drift + sigma * rng.standard_normal(count)))
    opened = np.concatenate([[50_000.0], close[:-1]])
    reach = 1 + sigma * np.abs(rng.standard_normal((2, count)))
    candles = Candles(
        time_ms=1_704_067_200_000 + step_ms * np.arange(count, dtype=np.int64),
        open=opened,
        high=np.maximum(opened, close) * reach[0],
        low=np.minimum(opened, close) / reach[1],
        close=close,
        volume=400 * (sigma / 0.0012) * rng.uniform(0.5, 1.5, count),
    )
    name = f"simulated, -{fall_frac:.0%} in {hours:g} h"
    return RecordedCrash(
        name=name, pair="BTC/USDT:USDT", candles=candles, candle_ms=step_ms, market="simulated",
        funding_rate=np.full(count, np.nan),
    )  # fmt: skip


def utc_day(time_ms: int) -> int:
    """Return the number of the UTC day a moment belongs to."""
    return time_ms // DAY_MS
