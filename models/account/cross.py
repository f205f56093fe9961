"""A cross-margin account: one wallet backs every position, and all are liquidated together.

Source: Binance, "Liquidation price of USDⓈ-M futures contracts, cross margin". Equity
E = wallet + sum(amount * (mark - entry)) - pending; liquidation when E <= sum of maintenance
margins, at mark prices. Amounts are signed: a short's gain counts for a long's safety.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from models.account.tiers import MarginTiers
from models.errors import InputError

_FURTHEST = 1e3  # times the mark; a liquidation price beyond it is reported as none


@dataclass(frozen=True, kw_only=True)
class Position:
    """An open position; `amount_base` is positive for long, negative for short."""

    pair: str
    amount_base: float
    entry_price: float


@dataclass(frozen=True, kw_only=True)
class CrossAccount:
    """Wallet and positions at one instant; methods take mark prices by pair.

    Attributes
    ----------
    wallet_quote
        Deposits plus realised profit, without open profit.
    pending_quote
        Fees and funding already owed but not yet booked; positive lowers equity.
    """

    wallet_quote: float
    positions: tuple[Position, ...]
    tiers: Mapping[str, MarginTiers]
    pending_quote: float = 0.0

    def __post_init__(self) -> None:
        missing = [p.pair for p in self.positions if p.pair not in self.tiers]
        if missing:
            raise InputError(f"no margin tiers for {missing}", where="cross-margin account")
        pairs = [p.pair for p in self.positions]
        if len(set(pairs)) != len(pairs):
            raise InputError(f"expected one net position per pair, got {pairs}")

    def unrealised(self, marks: Mapping[str, float]) -> float:
        """Return the open profit of all positions, quote units."""
        return sum(p.amount_base * (_mark(marks, p.pair) - p.entry_price) for p in self.positions)

    def equity(self, marks: Mapping[str, float]) -> float:
        """Return wallet + open profit - pending."""
        return self.wallet_quote + self.unrealised(marks) - self.pending_quote

    def maintenance_margin(self, marks: Mapping[str, float]) -> float:
        """Return the sum of the positions' maintenance margins at their notional tier."""
        return sum(
            float(self.tiers[p.pair].maintenance_margin(p.amount_base * _mark(marks, p.pair)))
            for p in self.positions
        )

    def gross_notional(self, marks: Mapping[str, float]) -> float:
        """Return the sum of |amount| * mark."""
        return sum(abs(p.amount_base) * _mark(marks, p.pair) for p in self.positions)

    def margin_ratio(self, marks: Mapping[str, float]) -> float:
        """Return maintenance margin over equity; 1 is liquidation, inf without equity."""
        equity = self.equity(marks)
        return self.maintenance_margin(marks) / equity if equity > 0 else float("inf")

    def is_liquidated(self, marks: Mapping[str, float]) -> bool:
        """Return whether equity no longer exceeds the maintenance margin."""
        return bool(self.positions) and self.equity(marks) <= self.maintenance_margin(marks)

    def liquidation_price(self, pair: str, marks: Mapping[str, float]) -> float | None:
        """Return the price of `pair` at which the account is liquidated, others at their marks.

        None where no positive price does it: for example a long whose other legs and wallet carry
        its whole notional. Where the account is already liquidated, the current mark.
        """
        held = next((p for p in self.positions if p.pair == pair), None)
        if held is None or held.amount_base == 0:
            raise InputError(f"no position in {pair}", where="liquidation price")
        mark = _mark(marks, pair)

        def surplus(price: float) -> float:
            at = {**marks, pair: price}
            return self.equity(at) - self.maintenance_margin(at)

        bound = 0.0 if held.amount_base > 0 else _FURTHEST * mark
        price = _root(surplus, mark, bound)
        return price if price is None or price > 0 else None

    def distance_to_liquidation_frac(self, marks: Mapping[str, float]) -> float:
        """Return how far every position must move against itself, at once, to liquidate.

        A fraction of each mark: 0.2 means all longs fall and all shorts rise by 20 %. Legs that
        hedge each other are assumed to fail together; inf where even that cannot liquidate.
        """
        if not self.positions:
            return float("inf")

        def surplus(x: float) -> float:
            at = {
                p.pair: _mark(marks, p.pair) * (1 - np.sign(p.amount_base) * x)
                for p in self.positions
            }
            return self.equity(at) - self.maintenance_margin(at)

        # A long cannot lose more than its price; past 100 % only shorts go on losing.
        longs = any(p.amount_base > 0 for p in self.positions)
        x = _root(surplus, 0.0, 1.0 if longs else _FURTHEST)
        return float("inf") if x is None else x


def _root(f: Callable[[float], float], here: float, bound: float) -> float | None:
    """Return where the decreasing surplus reaches zero between `here` and `bound`."""
    if f(here) <= 0:
        return here
    if f(bound) > 0:
        return None
    return float(brentq(f, here, bound, xtol=1e-10, rtol=1e-12))


def _mark(marks: Mapping[str, float], pair: str) -> float:
    price = marks.get(pair)
    if price is None or not np.isfinite(price) or price < 0:
        raise InputError(
            f"expected a mark price for {pair}, got {price}",
            cure="an unmarked leg must not count as zero",
        )
    return price
