"""Liquidation feedback: a fall forces leveraged positions out, and their selling deepens the fall.

Each coin has a histogram of leverages, and each leverage's open positions one mean entry price,
which follows the price as positions are turned over. A long of leverage l is forced out where the
price is -log(1 - 1/l + m) below its entry (m: maintenance margin), a short log(1 + 1/l - m) above.
What is forced out moves the price by the square-root law (Toth et al., Phys. Rev. X 1, 2011; on
Bitcoin Donier & Bonart 2015),

    impact = y sigma_day sqrt(forced volume / daily volume),

which may reach the next leverage, until none is reached any more. Who is gone comes back as
positions are turned over, at the price of then. Of the impact, a part is left at the candle's close
(Farmer et al., Quantitative Finance 13, 2013: two thirds of the peak).

No public source tells leverages, open interest per daily volume or the depth left in a cascade:
`leverages`, `shares`, `open_interest_days` and `depth_left` are assumptions, to be varied. Breaks
where entries differ widely, and says nothing of funds that insure or deleverage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.scenarios.chunked import around_close


@dataclass(frozen=True, kw_only=True)
class LiquidationFeedback:
    """Who is leveraged how much, and what their exit does."""

    leverages: tuple[float, ...] = (3.0, 5.0, 10.0, 20.0, 50.0)
    shares: tuple[float, ...] = (0.3, 0.3, 0.25, 0.1, 0.05)  # of a side's open interest
    maintenance: float = 0.01  # margin, as a fraction of notional
    turnover_days: float = 1.0  # time constant in which positions are renewed
    open_interest_days: float = 0.5  # of one side, in days of traded volume
    depth_left: float = 0.3  # of the usual depth; forced volume counts by so much more
    impact: float = 1.0  # y of the square-root law
    permanent: float = 2 / 3  # of the impact that is left at the close

    def __post_init__(self) -> None:
        sound = (
            len(self.leverages) == len(self.shares)
            and abs(sum(self.shares) - 1) < 1e-9
            and all(1 / x > self.maintenance for x in self.leverages)
            and min(*self.shares, self.open_interest_days, self.impact) >= 0
            and min(self.turnover_days, self.depth_left) > 0
            and 0 <= self.permanent <= 1
        )
        if not sound:
            raise ConfigError(
                "expected as many shares as leverages, adding up to 1; leverages below "
                f"1 / maintenance; permanent in [0, 1]; the others above 0; got {self}"
            )

    def positions(
        self, paths: int, candle_ms: int, close: FloatArray, low: FloatArray, high: FloatArray
    ) -> Positions:
        """Return what is open after candles that were seen, (R, A) each, the same on every path.

        Entries begin at the first of the last ten turnovers, and what the recorded lows and highs
        reached is gone; recorded candles hold its impact already.
        """
        rows = round(10 * self.turnover_days * DAY_MS / candle_ms)
        turnover = float(-np.expm1(-candle_ms / DAY_MS / self.turnover_days))
        shape = (1, close.shape[1], len(self.leverages))
        margin = 1 / np.array(self.leverages) - self.maintenance
        longs = Side(-np.log1p(-margin), np.array(self.shares), np.zeros(shape), np.ones(shape))
        shorts = Side(np.log1p(margin), np.array(self.shares), np.zeros(shape), np.ones(shape))
        seen = Positions(rules=replace(self, impact=0.0), turnover=turnover, longs=longs,
                         shorts=shorts)  # fmt: skip
        for candle in zip(close[-rows:, None], low[-rows:, None], high[-rows:, None], strict=True):
            seen.through(*candle, np.zeros(shape[1]))
        return Positions(
            rules=self, turnover=turnover, longs=longs.on(paths), shorts=shorts.on(paths)
        )


@dataclass
class Side:
    """Open positions of one side; a fall is what moves against them, so shorts see it mirrored."""

    distance: FloatArray  # (L,) log from the entry down to where they are forced out
    shares: FloatArray  # (L,) of the side's open interest, if all is open
    entry: FloatArray  # (P, A, L) log of the mean entry over the price
    alive: FloatArray  # (P, A, L) share that is open

    def on(self, paths: int) -> Side:
        """Return the same on so many paths, from one."""
        entry, alive = (np.repeat(x, paths, axis=0) for x in (self.entry, self.alive))
        return Side(self.distance, self.shares, entry, alive)

    def forced(self, extreme: FloatArray, unit: FloatArray) -> FloatArray:
        """Return how far down a candle goes, (P, A); who is forced out is gone.

        `unit` (A,) is the impact of the whole side's exit.
        """
        level = self.entry - self.distance
        near = ((extreme[:, :, None] <= level) & (self.alive > 0)).any(axis=2)
        if not near.any():
            return extreme
        start, level, alive = extreme[near], level[near], self.alive[near]
        held, scale = alive * self.shares, np.broadcast_to(unit, extreme.shape)[near]
        reach = start
        for _ in range(len(self.distance) + 1):
            hit = reach[:, None] <= level
            reach = start - scale * np.sqrt((held * hit).sum(axis=1))
        alive[hit] = 0.0
        self.alive[near] = alive
        whole = extreme.copy()
        whole[near] = reach
        return whole

    def renewed(self, close: FloatArray, turnover: float) -> None:
        """Follow the price (P, A) and open a share of the positions anew, at the price of now."""
        old = self.alive * (1 - turnover)
        self.alive = old + turnover
        self.entry = (self.entry - close[:, :, None]) * old / self.alive


@dataclass(kw_only=True)
class Positions:
    """What is open on every path; changes candle by candle."""

    rules: LiquidationFeedback
    turnover: float  # share that is renewed within a candle
    longs: Side
    shorts: Side

    def through(
        self, close: FloatArray, low: FloatArray, high: FloatArray, sigma_day: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the candle (P, A) with what it forced out, and remember who is gone."""
        rules = self.rules
        volume = rules.open_interest_days / rules.depth_left
        unit = rules.impact * sigma_day * np.sqrt(volume)
        deeper, higher = self.longs.forced(low, unit), -self.shorts.forced(-high, unit)
        close = close + rules.permanent * ((deeper - low) + (higher - high))
        low, high = around_close(close, deeper, higher)
        self.longs.renewed(close, self.turnover)
        self.shorts.renewed(-close, self.turnover)
        return close, low, high
