"""Replay of a backtest's fills against the cross-margin account, candle by candle.

What Freqtrade's backtest cannot say: whether the *account* would have lived. Conservative on
purpose: within a candle all positions meet their own adverse extreme at once, and a position
closed inside a candle faces that candle's extreme first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.account.tiers import MarginTiers
from models.errors import AlignmentError, InputError
from models.types import FloatArray, IntArray

_BISECTIONS = 50  # halvings of [0, 1]; far below a tick


@dataclass(frozen=True, kw_only=True)
class Fill:
    """One execution; `amount_base` is positive for a buy, negative for a sell."""

    time_ms: int
    pair: str
    amount_base: float
    price_quote: float
    fee_quote: float


@dataclass(frozen=True, kw_only=True)
class MarketPath:
    """Mark price candles of one pair, oldest first, all (N,).

    `funding_rate` is NaN but at candles whose open is a funding time; positive means longs pay.
    """

    pair: str
    time_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    funding_rate: FloatArray


@dataclass(frozen=True, kw_only=True)
class AccountAudit:
    """The account over time, arrays (N,) by candle, and where the money went (quote units)."""

    time_ms: IntArray
    wallet: FloatArray  # realised, at each candle's close
    equity_close: FloatArray  # marked at the close
    equity_worst: FloatArray  # marked at every position's adverse extreme of the candle
    maintenance_worst: FloatArray  # margin needed at that moment
    margin_ratio_close: FloatArray  # maintenance / equity; 1 is liquidation
    margin_ratio_worst: FloatArray
    gross_notional: FloatArray  # at the close
    distance_to_liquidation_frac: FloatArray  # adverse move of all legs at once; NaN when flat
    start_wallet_quote: float
    fees_quote: float  # paid
    funding_quote: float  # received, negative = paid
    slippage_quote: float  # charged on top of the engine's fills
    realised_quote: float  # from price alone
    liquidation_fee_quote: float
    bankruptcy_quote: float  # loss beyond the account's equity, borne by the exchange
    liquidated_at_ms: int | None
    ignored_fills: int  # after the liquidation

    def reconcile(self, final_wallet_quote: float) -> float:
        """Return the audit's final wallet, before slippage, minus the engine's."""
        return float(self.wallet[-1] + self.slippage_quote - final_wallet_quote)

    def summary(self) -> dict[str, Any]:
        """Return the verdict as plain numbers; None where there was never a position."""
        held = ~np.isnan(self.distance_to_liquidation_frac)
        distance = np.where(held, self.distance_to_liquidation_frac, np.inf)
        nearest, fullest = int(distance.argmin()), int(self.margin_ratio_worst.argmax())
        return {
            "liquidated": self.liquidated_at_ms is not None,
            "liquidated_at_ms": self.liquidated_at_ms,
            "min_distance_frac": float(distance[nearest]) if held.any() else None,
            "min_distance_at_ms": int(self.time_ms[nearest]) if held.any() else None,
            "max_margin_ratio": float(self.margin_ratio_worst[fullest]),
            "max_margin_ratio_at_ms": int(self.time_ms[fullest]),
            "max_drawdown_close_frac": drawdown(self.equity_close, self.start_wallet_quote),
            "max_drawdown_worst_frac": drawdown(
                self.equity_close, self.start_wallet_quote, self.equity_worst
            ),
            "final_equity_quote": float(self.equity_close[-1]),
        }


def drawdown(equity: FloatArray, start: float, troughs: FloatArray | None = None) -> float:
    """Return the largest fall from an earlier peak of `equity` to its (or `troughs`') values.

    Examples
    --------
    >>> drawdown(np.array([100.0, 120.0, 90.0]), 100.0)
    0.25
    """
    peak = np.maximum.accumulate(np.concatenate(([start], equity)))
    low = equity if troughs is None else troughs
    before = peak[:-1] if troughs is not None else peak[1:]
    return float(max(0.0, (1 - low / before).max()))


def audit_account(
    fills: Sequence[Fill],
    markets: Mapping[str, MarketPath],
    *,
    wallet_quote: float,
    tiers: Mapping[str, MarginTiers],
    slippage_frac: float = 0.0,
    liquidation_fee_frac: float = 0.0125,
) -> AccountAudit:
    """Replay `fills` over `markets` and return the account's path.

    Parameters
    ----------
    fills
        Oldest first. A fill at exactly a candle's open happens before the candle; one later in
        the candle happens inside it.
    markets
        Mark candles and funding by pair, all on one gap-free time grid.
    wallet_quote
        Wallet before the first fill.
    slippage_frac
        Extra cost of every fill as a fraction of its notional, kept apart from fees.
    liquidation_fee_frac
        Of the notional closed by a liquidation (Binance: up to 1.25 % of notional for BTC).

    Returns
    -------
    AccountAudit
        Funding is exchanged at each funding time by the positions held before the fills of that
        instant. At a liquidation everything is closed at the adverse extreme, later fills are
        ignored, and the account cannot fall below zero.

    Raises
    ------
    InputError, AlignmentError
        If fills or markets are unsorted, unknown, outside the span, off the grid or not finite.
    """
    pairs = list(markets)
    grid = _grid(markets)
    _check_fills(fills, markets, grid)
    if not wallet_quote > 0:
        raise InputError(f"expected a wallet > 0, got {wallet_quote}")
    book = _Book(pairs, markets, grid, wallet_quote, slippage_frac)
    book.apply(fills)
    worst, maintenance = book.worst(tiers)
    hit = np.flatnonzero(worst <= maintenance)
    if not len(hit):
        return book.audit(tiers, worst, maintenance, None, 0.0, 0.0, 0)
    at = int(hit[0])
    end_ms = int(grid[at] + grid[1] - grid[0])
    kept = [f for f in fills if f.time_ms < end_ms]
    book = _Book(pairs, markets, grid, wallet_quote, slippage_frac)
    book.apply(kept, last=at)
    fee = liquidation_fee_frac * book.worst_notional(at)
    equity = float(worst[at])
    book.liquidate(at, equity, fee)
    after, margin = book.worst(tiers)
    worst[at + 1 :], maintenance[at + 1 :] = after[at + 1 :], margin[at + 1 :]
    return book.audit(
        tiers, worst, maintenance, int(grid[at]), fee, max(fee - equity, 0.0),
        len(fills) - len(kept),
    )  # fmt: skip


class _Book:
    """Cash and positions on the grid: after the fills at each candle's open, and at its close."""

    def __init__(
        self,
        pairs: list[str],
        markets: Mapping[str, MarketPath],
        grid: IntArray,
        wallet: float,
        slippage_frac: float,
    ) -> None:
        self.pairs, self.grid, self.wallet, self.slip = pairs, grid, wallet, slippage_frac
        self.open, self.high, self.low, self.close, self.rate = (
            np.column_stack([getattr(markets[p], name) for p in pairs])  # (N, A)
            for name in ("open", "high", "low", "close", "funding_rate")
        )
        n, a = len(grid), len(pairs)
        self.position_open, self.position_close = np.zeros((n, a)), np.zeros((n, a))
        self.cash_open, self.cash_close = np.full(n, wallet), np.full(n, wallet)
        self.realised = np.zeros(n)  # price profit booked up to each candle's close
        self.flows = np.zeros(n)  # funding - fees - slippage booked up to each close
        self.fees = self.slippage = self.funding = 0.0
        self.inside: list[tuple[int, FloatArray, float]] = []  # candle, positions, cash

    def apply(self, fills: Sequence[Fill], last: int | None = None) -> None:
        """Walk up to candle `last`; cash flow accounting, so equity = cash + positions * mark."""
        by_candle: dict[int, list[Fill]] = {}
        for fill in fills:
            candle = int(np.searchsorted(self.grid, fill.time_ms, side="right")) - 1
            by_candle.setdefault(candle, []).append(fill)
        position, entry = np.zeros(len(self.pairs)), np.zeros(len(self.pairs))
        cash, realised = self.wallet, 0.0
        for i in range(len(self.grid) if last is None else last + 1):
            if position.any():
                paid = float(np.nansum(position * self.open[i] * self.rate[i]))
                self.funding -= paid
                cash -= paid
            waiting = by_candle.get(i, [])
            at_open = [f for f in waiting if f.time_ms == self.grid[i]]
            for fill in at_open:
                cash, realised = self._book(fill, position, entry, cash, realised)
            self.position_open[i], self.cash_open[i] = position, cash
            for fill in waiting[len(at_open) :]:
                cash, realised = self._book(fill, position, entry, cash, realised)
                self.inside.append((i, position.copy(), cash))
            self.position_close[i], self.cash_close[i] = position, cash
            self.realised[i] = realised
            self.flows[i] = self.funding - self.fees - self.slippage

    def _book(
        self, fill: Fill, position: FloatArray, entry: FloatArray, cash: float, realised: float
    ) -> tuple[float, float]:
        k = self.pairs.index(fill.pair)
        held, new = position[k], position[k] + fill.amount_base
        if abs(new) < 1e-9 * max(abs(held), abs(fill.amount_base)):
            new = 0.0  # rounding of lots must not leave a ghost position
        if held * fill.amount_base < 0:
            closed = np.sign(held) * min(abs(held), abs(fill.amount_base))
            realised += float(closed * (fill.price_quote - entry[k]))
        if new == 0:
            entry[k] = 0.0
        elif held * new <= 0:  # opened or flipped
            entry[k] = fill.price_quote
        elif abs(new) > abs(held):
            entry[k] = (held * entry[k] + fill.amount_base * fill.price_quote) / new
        position[k] = new
        slippage = self.slip * abs(fill.amount_base) * fill.price_quote
        self.fees += fill.fee_quote
        self.slippage += slippage
        return cash - (new - held) * fill.price_quote - fill.fee_quote - slippage, realised

    def _adverse(self, i: int | slice, position: FloatArray) -> FloatArray:
        """Return the mark at which each position is worst off in candle(s) i."""
        return np.where(position >= 0, self.low[i], self.high[i])

    def worst(self, tiers: Mapping[str, MarginTiers]) -> tuple[FloatArray, FloatArray]:
        """Return (equity, maintenance margin) at the worst stage of each candle, (N,) each."""
        marks = self._adverse(slice(None), self.position_open)
        equity = self.cash_open + (self.position_open * marks).sum(axis=1)
        margin = self._margin(tiers, self.position_open * marks)
        for i, position, cash in self.inside:
            at = self._adverse(i, position)
            e = cash + float(position @ at)
            m = float(self._margin(tiers, (position * at)[None])[0])
            if e - m < equity[i] - margin[i]:
                equity[i], margin[i] = e, m
        return equity, margin

    def worst_notional(self, i: int) -> float:
        """Return the notional a liquidation in candle i closes, at adverse marks."""
        stages = [self.position_open[i], *(p for k, p, _ in self.inside if k == i)]
        return max(float(np.abs(p * self._adverse(i, p)).sum()) for p in stages)

    def liquidate(self, i: int, equity: float, fee: float) -> None:
        """Close everything in candle i at `equity`, pay `fee`; nothing happens afterwards."""
        self.flows[i:] = self.flows[i]
        self.realised[i:] = equity - self.wallet - self.flows[i]
        self.flows[i:] += max(equity - fee, 0.0) - equity
        self.position_close[i:] = 0.0
        self.position_open[i + 1 :] = 0.0
        self.cash_close[i:] = max(equity - fee, 0.0)
        self.cash_open[i + 1 :] = max(equity - fee, 0.0)

    def _margin(self, tiers: Mapping[str, MarginTiers], notional: FloatArray) -> FloatArray:
        parts = [
            tiers[pair].maintenance_margin(notional[:, k]) for k, pair in enumerate(self.pairs)
        ]
        out: FloatArray = np.sum(parts, axis=0)
        return out

    def audit(
        self,
        tiers: Mapping[str, MarginTiers],
        worst: FloatArray,
        maintenance: FloatArray,
        liquidated_at_ms: int | None,
        liquidation_fee: float,
        bankruptcy: float,
        ignored: int,
    ) -> AccountAudit:
        notional = self.position_close * self.close  # (N, A)
        equity = self.cash_close + notional.sum(axis=1)
        return AccountAudit(
            time_ms=self.grid,
            wallet=self.wallet + self.realised + self.flows,
            equity_close=equity,
            equity_worst=worst,
            maintenance_worst=maintenance,
            margin_ratio_close=_ratio(self._margin(tiers, notional), equity),
            margin_ratio_worst=_ratio(maintenance, worst),
            gross_notional=np.abs(notional).sum(axis=1),
            distance_to_liquidation_frac=self._distance(tiers, equity, notional),
            start_wallet_quote=self.wallet,
            fees_quote=self.fees,
            funding_quote=self.funding,
            slippage_quote=self.slippage,
            realised_quote=float(self.realised[-1]),
            liquidation_fee_quote=liquidation_fee,
            bankruptcy_quote=bankruptcy,
            liquidated_at_ms=liquidated_at_ms,
            ignored_fills=ignored,
        )

    def _distance(
        self, tiers: Mapping[str, MarginTiers], equity: FloatArray, notional: FloatArray
    ) -> FloatArray:
        """Return, by candle, the adverse move of all legs at once that liquidates; NaN if flat."""
        gross = np.abs(notional).sum(axis=1)
        low, high = np.zeros(len(equity)), np.ones(len(equity))

        def surplus(x: FloatArray) -> FloatArray:
            moved = notional * (1 - np.sign(notional) * x[:, None])
            out: FloatArray = equity - x * gross - self._margin(tiers, moved)
            return out

        never = surplus(high) > 0
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            alive = surplus(middle) > 0
            low, high = np.where(alive, middle, low), np.where(alive, high, middle)
        x = np.where(never, np.inf, high)
        return np.where(gross > 0, x, np.nan)


def _ratio(margin: FloatArray, equity: FloatArray) -> FloatArray:
    safe = np.where(equity > 0, equity, 1.0)
    return np.where(margin > 0, np.where(equity > 0, margin / safe, np.inf), 0.0)


def _grid(markets: Mapping[str, MarketPath]) -> IntArray:
    """Return the one time grid of all markets; raise where there is not one."""
    if not markets:
        raise InputError("expected at least one market")
    first, *others = markets.values()
    grid = first.time_ms
    if len(grid) < 2 or (np.diff(grid) != grid[1] - grid[0]).any() or grid[1] <= grid[0]:
        step = np.diff(grid)
        row = int(np.flatnonzero(step != step[0])[0]) + 1 if len(step) else 0
        raise InputError(
            f"expected evenly spaced mark candles, got an irregular step at row {row}",
            where=f"{first.pair}, {grid[row] if len(grid) else 'no rows'} ms",
            cure="download the missing mark candles; holes are not filled",
        )
    for market in others:
        if not np.array_equal(market.time_ms, grid):
            raise AlignmentError(
                f"mark candles of {market.pair} and {first.pair} are on different times",
                cure="cut all markets to the same span",
            )
    for market in markets.values():
        for name in ("open", "high", "low", "close"):
            values = getattr(market, name)
            if len(values) != len(grid) or not (np.isfinite(values) & (values > 0)).all():
                raise InputError(
                    f"expected {len(grid)} finite prices > 0 in {name}", where=market.pair
                )
    return grid


def _check_fills(fills: Sequence[Fill], markets: Mapping[str, MarketPath], grid: IntArray) -> None:
    end = int(2 * grid[-1] - grid[-2])
    before = -1
    for i, fill in enumerate(fills):
        where = f"fill {i} of {fill.pair} at {fill.time_ms} ms"
        if fill.pair not in markets:
            raise InputError(f"no market for {fill.pair}", where=where)
        if fill.time_ms < before:
            raise InputError("expected fills oldest first", where=where)
        if not grid[0] <= fill.time_ms < end:
            raise InputError(f"fill outside the mark candles ({grid[0]} to {end})", where=where)
        numbers = (fill.amount_base, fill.price_quote, fill.fee_quote)
        if not np.isfinite(numbers).all() or fill.price_quote <= 0 or fill.amount_base == 0:
            raise InputError(f"expected finite amount and price > 0, got {fill}", where=where)
        before = fill.time_ms
