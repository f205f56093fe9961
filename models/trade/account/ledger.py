"""Cash and positions of a replay: what was held, and what it cost, at every stage of a candle.

Between two fills nothing but marks and funding changes, so all candles are computed at once from
the states after each fill. Cash flow accounting: ``equity = cash + sum(position * mark)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.base.types import FloatArray, IntArray
from models.trade.account.distance import total_margin, uniform_distance
from models.trade.account.records import Fill, MarketPath
from models.trade.account.tiers import MarginTiers

_DUST_FRAC = 1e-9  # of a fill: rounding of lots must not leave a ghost position


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Every moment to be survived, S rows in order of time: each candle at its adverse extremes,
    once with the positions after the fills at its open, once more after each fill inside it.
    """

    candle: IntArray  # (S,) row of the grid
    state: IntArray  # (S,) number of fills booked
    equity: FloatArray  # (S,) at the adverse extremes
    margin: FloatArray  # (S,)
    notional: FloatArray  # (S,) gross
    legs: FloatArray  # (S, A) signed

    def nearest(self, candles: int, tiers: Sequence[MarginTiers]) -> FloatArray:
        """Return the least adverse move left at any stage of each candle, (N,); NaN when flat."""
        left = uniform_distance(self.equity, self.legs, tiers)
        out = np.full(candles, np.nan)
        np.fmin.at(out, self.candle, left)
        return out

    def worst(self, candles: int) -> tuple[FloatArray, FloatArray]:
        """Return (equity, margin) at the stage of each candle nearest to liquidation, (N,)."""
        order = np.lexsort((self.equity - self.margin, self.candle))
        first = order[np.searchsorted(self.candle[order], np.arange(candles))]
        return self.equity[first], self.margin[first]


class Ledger:
    """The account after each of M fills (M + 1 states), and at the N candles of the grid.

    Parameters
    ----------
    fills
        M checked fills, oldest first.
    markets
        A checked paths on one grid.
    wallet_quote
        Before the first fill.
    slippage_frac
        Charged on every fill's notional.

    Notes
    -----
    Funding is exchanged at a candle's open by the positions held before the fills of that instant,
    at the mark price of the open: the exchange charges whoever holds at the timestamp.
    """

    def __init__(
        self,
        fills: Sequence[Fill],
        markets: Mapping[str, MarketPath],
        wallet_quote: float,
        slippage_frac: float,
    ) -> None:
        self.markets, self.wallet = list(markets.values()), wallet_quote
        self.grid = self.markets[0].time_ms
        self._book(fills, slippage_frac)
        at = np.array([f.time_ms for f in fills], dtype=np.int64)
        self.fill_candle: IntArray = np.searchsorted(self.grid, at, side="right") - 1  # (M,)
        self.inside = at > self.grid[self.fill_candle] if len(at) else np.zeros(0, dtype=np.bool_)
        # Number of fills before each candle, after those at its open, and after all of it, (N,).
        when = 2 * self.fill_candle + self.inside
        opens = 2 * np.arange(len(self.grid))
        self.before = np.searchsorted(when, opens, side="left")
        self.at_open = np.searchsorted(when, opens, side="right")
        self.at_close = np.searchsorted(when, opens + 1, side="right")
        held = self.position[self.before]  # (N, A)
        paid = held * self._column("open") * np.nan_to_num(self._column("funding_rate"))
        self.funding: FloatArray = -np.cumsum(paid.sum(axis=1))  # (N,) received so far

    def _column(self, name: str) -> FloatArray:
        return np.column_stack([getattr(m, name) for m in self.markets])  # (N, A)

    def _book(self, fills: Sequence[Fill], slippage_frac: float) -> None:
        column = {m.pair: k for k, m in enumerate(self.markets)}
        position, entry = [0.0] * len(column), [0.0] * len(column)
        states = np.zeros((len(fills) + 1, len(column)))
        realised, traded = np.zeros(len(fills) + 1), np.zeros(len(fills) + 1)
        for j, fill in enumerate(fills):
            k = column[fill.pair]
            held = position[k]
            profit, position[k], entry[k] = net(held, entry[k], fill)
            states[j + 1], realised[j + 1] = position, profit
            traded[j + 1] = (position[k] - held) * fill.price_quote
        turnover = np.array([0.0, *(abs(f.amount_base) * f.price_quote for f in fills)])
        self.position: FloatArray = states  # (M + 1, A)
        self.realised: FloatArray = np.cumsum(realised)  # (M + 1,), price alone, average entry
        self.fees: FloatArray = np.cumsum([0.0, *(f.fee_quote for f in fills)])
        self.slippage: FloatArray = slippage_frac * np.cumsum(turnover)
        self.cash: FloatArray = self.wallet - np.cumsum(traded) - self.fees - self.slippage

    def wallet_close(self) -> FloatArray:
        """Return the realised wallet at each close, (N,)."""
        s = self.at_close
        out: FloatArray = (
            self.wallet + self.realised[s] - self.fees[s] - self.slippage[s] + self.funding
        )
        return out

    def marked_close(self) -> tuple[FloatArray, FloatArray]:
        """Return equity (N,) and signed notional (N, A) at each close."""
        notional = self.position[self.at_close] * self._column("close")
        return self.cash[self.at_close] + self.funding + notional.sum(axis=1), notional

    def stages(self, tiers: Mapping[str, MarginTiers]) -> Stages:
        """Return every stage, marked at each position's adverse extreme: low if long, else high."""
        candle = np.concatenate((np.arange(len(self.grid)), self.fill_candle[self.inside]))
        state = np.concatenate((self.at_open, np.flatnonzero(self.inside) + 1))
        order = np.lexsort((state, candle))
        candle, state = candle[order], state[order]
        position = self.position[state]  # (S, A)
        marks = np.where(position >= 0, self._column("low")[candle], self._column("high")[candle])
        notional = position * marks
        return Stages(
            candle=candle,
            state=state,
            equity=self.cash[state] + self.funding[candle] + notional.sum(axis=1),
            margin=total_margin(notional, [tiers[m.pair] for m in self.markets]),
            notional=np.abs(notional).sum(axis=1),
            legs=notional,
        )


def net(held: float, entry: float, fill: Fill) -> tuple[float, float, float]:
    """Net `fill` into a position; return (realised profit, new position, new average entry).

    Adding moves the average entry, reducing keeps it, and a fill larger than the position closes
    it and opens the rest at the fill's price.

    Examples
    --------
    >>> sell = Fill(time_ms=0, pair="X", amount_base=-3.0, price_quote=110.0, fee_quote=0.0)
    >>> net(2.0, 100.0, sell)  # 2 closed for 10 each, 1 short opened
    (20.0, -1.0, 110.0)
    """
    new = held + fill.amount_base
    if abs(new) < _DUST_FRAC * max(abs(held), abs(fill.amount_base)):
        new = 0.0
    profit = 0.0
    if held * fill.amount_base < 0:
        closed = held if held * new <= 0 else -fill.amount_base
        profit = closed * (fill.price_quote - entry)
    if new == 0:
        return profit, 0.0, 0.0
    if held * new <= 0:  # opened or flipped
        return profit, new, fill.price_quote
    if abs(new) > abs(held):
        entry = (held * entry + fill.amount_base * fill.price_quote) / new
    return profit, new, entry
