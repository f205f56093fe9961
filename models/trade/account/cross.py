"""A cross-margin account: one wallet backs every position, and all are liquidated together.

Equity ``E = wallet + sum(amount * (mark - entry)) - pending``; liquidation when ``E <= MM``, the
sum of maintenance margins, at mark prices. Amounts are signed: a short's gain counts for a long's
safety. Everything is known at the instant of the marks.

Source: Binance, "Liquidation price of USDⓈ-M futures contracts",
https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93 (cross margin, one-way).
Breaks where the exchange does more than the formula: liquidation in several steps, collateral
other than the quote currency, and auto-deleveraging of a profitable leg are not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.base.errors import InputError
from models.trade.account.distance import uniform_distance
from models.trade.account.tiers import MarginTiers


@dataclass(frozen=True, kw_only=True)
class Position:
    """An open position; `amount_base` is positive for long, negative for short."""

    pair: str
    amount_base: float
    entry_price: float  # average, quote units


@dataclass(frozen=True, kw_only=True)
class CrossAccount:
    """Wallet and positions at one instant; methods take mark prices by pair, quote units.

    Attributes
    ----------
    wallet_quote
        Deposits plus realised profit, without open profit.
    positions
        One net position per pair.
    tiers
        Margin tiers by pair, at least of the positions.
    pending_quote
        Fees and funding already owed but not yet booked; positive lowers equity.

    Raises
    ------
    InputError
        If a number is not finite, a pair has two positions or no tiers; by every method, if a
        mark price is missing or not a finite number > 0. Nothing unknown passes as safe.

    Examples
    --------
    >>> from models.trade.account.tiers import MarginTier
    >>> tier = MarginTier(floor_quote=0, cap_quote=3e5, maintenance_rate_frac=0.004,
    ...                   maintenance_amount_quote=0, max_leverage=125)
    >>> account = CrossAccount(
    ...     wallet_quote=10_000.0, tiers={"BTC": MarginTiers("BTC", (tier,))},
    ...     positions=(Position(pair="BTC", amount_base=1.0, entry_price=50_000.0),))
    >>> account.equity({"BTC": 48_000.0}), account.maintenance_margin({"BTC": 48_000.0})
    (8000.0, 192.0)
    >>> round(account.liquidation_price("BTC", {"BTC": 48_000.0}), 2)  # 40,000 / 0.996
    40160.64
    """

    wallet_quote: float
    positions: tuple[Position, ...]
    tiers: Mapping[str, MarginTiers]
    pending_quote: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.wallet_quote, self.pending_quote]).all():
            raise InputError(
                f"expected a finite wallet and pending amount, got {self.wallet_quote} and "
                f"{self.pending_quote}",
                where="cross-margin account",
                cure="an unknown wallet must stop trading, not count as safe",
            )
        missing = [p.pair for p in self.positions if p.pair not in self.tiers]
        if missing:
            raise InputError(
                f"no margin tiers for {missing}",
                where="cross-margin account",
                cure="load the tiers of every pair held",
            )
        pairs = [p.pair for p in self.positions]
        if len(set(pairs)) != len(pairs):
            raise InputError(
                f"expected one net position per pair, got {pairs}",
                where="cross-margin account",
                cure="net them: one-way mode holds one position per pair",
            )
        bad = [p for p in self.positions if not _is_sound(p)]
        if bad:
            raise InputError(
                f"expected finite amounts other than 0 and entry prices > 0, got {bad}",
                where="cross-margin account",
            )

    def unrealised(self, marks: Mapping[str, float]) -> float:
        """Return the open profit of all positions."""
        open_profit = (
            p.amount_base * (_mark(marks, p.pair) - p.entry_price) for p in self.positions
        )
        return float(sum(open_profit))

    def equity(self, marks: Mapping[str, float]) -> float:
        """Return wallet + open profit - pending."""
        return self.wallet_quote + self.unrealised(marks) - self.pending_quote

    def maintenance_margin(self, marks: Mapping[str, float]) -> float:
        """Return the sum of the positions' maintenance margins, each at its notional's tier."""
        return float(sum(self._margin(p, marks) for p in self.positions))

    def gross_notional(self, marks: Mapping[str, float]) -> float:
        """Return the sum of ``|amount| * mark``."""
        return float(sum(abs(p.amount_base) * _mark(marks, p.pair) for p in self.positions))

    def account_leverage(self, marks: Mapping[str, float]) -> float:
        """Return gross notional over equity; 0 when flat, inf with positions but no equity."""
        gross, equity = self.gross_notional(marks), self.equity(marks)
        if gross == 0:
            return 0.0
        return gross / equity if equity > 0 else float("inf")

    def margin_ratio(self, marks: Mapping[str, float]) -> float:
        """Return maintenance margin over equity; 1 is liquidation, inf without equity."""
        equity = self.equity(marks)
        return self.maintenance_margin(marks) / equity if equity > 0 else float("inf")

    def is_liquidated(self, marks: Mapping[str, float]) -> bool:
        """Return whether equity no longer exceeds the maintenance margin; a flat account is not."""
        return bool(self.positions) and self.equity(marks) <= self.maintenance_margin(marks)

    def liquidation_price(self, pair: str, marks: Mapping[str, float]) -> float | None:
        """Return the price of `pair` at which the account is liquidated, others at their marks.

        Exact across tiers. The margin is the largest of its brackets' lines
        ``|amount| * price * rate - cum``, so a long is liquidated at the highest price at which
        equity meets any of them, a short at the lowest.

        Parameters
        ----------
        pair
            One of the positions.
        marks
            Of every position; the mark of `pair` itself does not change the answer.

        Returns
        -------
        float or None
            Above the mark of a long, or below that of a short, if the account is already
            liquidated. None if no positive price is a root: a long carried whole by the wallet
            and the other legs, or a short in an account those have already ruined.
            ``is_liquidated`` tells the two apart, and a distance of 0 or inf does.

        Raises
        ------
        InputError
            If there is no position in `pair`, or a mark is missing.
        """
        held = self._held(pair)
        side, size, tiers = np.sign(held.amount_base), abs(held.amount_base), self.tiers[pair]
        # Equity, less the other legs' margin, were this pair's price 0; it rises by `amount` per 1.
        rest = self.equity(marks) - self.maintenance_margin(marks) + self._margin(held, marks)
        rest -= held.amount_base * _mark(marks, pair)
        roots = -(rest + tiers.amounts_quote) / (size * (side - tiers.rates_frac))  # (K,)
        price = float(roots.max() if side > 0 else roots.min())
        return price if price > 0 else None

    def distance_to_liquidation_frac(
        self, marks: Mapping[str, float], pair: str | None = None
    ) -> float:
        """Return how far positions must move against themselves, at once, to liquidate.

        The smallest x >= 0 at which the account is liquidated with every long at
        ``mark * max(0, 1 - x)`` and every short at ``mark * (1 + x)``: legs that hedge each other
        are assumed to fail together. With `pair`, only that position moves.

        Returns
        -------
        float
            0 if already liquidated, inf if flat or if even worthless longs cannot liquidate.
        """
        if not self.positions:
            return float("inf")
        moving = self.positions if pair is None else (self._held(pair),)
        still = sum(self._margin(p, marks) for p in self.positions if p not in moving)
        notional = np.array([[p.amount_base * _mark(marks, p.pair) for p in moving]])  # (1, A)
        equity = np.array([self.equity(marks) - still])
        return float(uniform_distance(equity, notional, [self.tiers[p.pair] for p in moving])[0])

    def _margin(self, position: Position, marks: Mapping[str, float]) -> float:
        notional = position.amount_base * _mark(marks, position.pair)
        return self.tiers[position.pair].maintenance_margin(notional)

    def _held(self, pair: str) -> Position:
        for position in self.positions:
            if position.pair == pair:
                return position
        raise InputError(
            f"no position in {pair}, only in {[p.pair for p in self.positions]}",
            where="cross-margin account",
        )


def _is_sound(p: Position) -> bool:
    finite = bool(np.isfinite([p.amount_base, p.entry_price]).all())
    return finite and p.amount_base != 0 and p.entry_price > 0


def _mark(marks: Mapping[str, float], pair: str) -> float:
    price = marks.get(pair)
    if price is None or not np.isfinite(price) or price <= 0:
        raise InputError(
            f"expected a mark price > 0 for {pair}, got {price}",
            where="cross-margin account",
            cure="an unmarked leg must not count as zero",
        )
    return float(price)
