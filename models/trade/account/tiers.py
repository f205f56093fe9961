"""Maintenance margin by notional tier, as Binance USD-M publishes it per symbol.

The tier is looked up by the position's *notional* at the mark price, never by its stake: 50,000 of
stake at 20x is a position of 1,000,000 and stands in that bracket.

Source: Binance, "Leverage and Margin of USDⓈ-M Futures",
https://www.binance.com/en/support/faq/360033162192 (brackets, maintenance amount "cum").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, overload

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray

_CENT = 0.01  # maintenance margin must not jump by more than this at a tier's edge


@dataclass(frozen=True, kw_only=True)
class MarginTier:
    """One bracket of notional, from `floor_quote` up to `cap_quote`."""

    floor_quote: float
    cap_quote: float
    maintenance_rate_frac: float
    maintenance_amount_quote: float  # "cum": keeps the margin continuous across brackets
    max_leverage: float


@dataclass(frozen=True)
class MarginTiers:
    """All brackets of one pair, lowest first.

    Known before trading; the exchange changes brackets now and then, so a table is true for the
    day it was published on, and a replay of older history with it is an approximation.

    Raises
    ------
    InputError
        If brackets are missing, not finite, overlap, leave a hole, their rates fall, or the
        margin jumps by more than a cent between two of them or does not start from 0.

    Notes
    -----
    Rates that rise with notional make the margin convex in notional: the largest of its brackets'
    lines ``|notional| * rate - amount``. Liquidation prices are solved on those lines.

    Examples
    --------
    >>> low = MarginTier(floor_quote=0, cap_quote=1000, maintenance_rate_frac=0.01,
    ...                  maintenance_amount_quote=0, max_leverage=50)
    >>> high = MarginTier(floor_quote=1000, cap_quote=9000, maintenance_rate_frac=0.02,
    ...                   maintenance_amount_quote=10, max_leverage=25)
    >>> tiers = MarginTiers("X", (low, high))
    >>> tiers.maintenance_margin(np.array([500.0, -2000.0]))
    array([ 5., 30.])
    >>> tiers.maintenance_margin(2000.0)
    30.0
    >>> tiers.max_leverage(2000.0)
    25
    """

    pair: str
    tiers: tuple[MarginTier, ...]

    def __post_init__(self) -> None:
        if not self.tiers or self.tiers[0].floor_quote != 0:
            raise InputError(
                "expected margin tiers from notional 0 on",
                where=self.pair,
                cure="pass every tier of the pair, lowest first",
            )
        for i, tier in enumerate(self.tiers):
            _check_tier(tier, f"{self.pair}, tier {i + 1}")
        if abs(self.tiers[0].maintenance_amount_quote) > _CENT:
            raise InputError(
                "expected no maintenance amount in the first tier, got "
                f"{self.tiers[0].maintenance_amount_quote:g}",
                where=f"{self.pair}, tier 1",
                cure="amounts keep the margin whole at later tiers; at notional 0 it is 0",
            )
        for i, (a, b) in enumerate(zip(self.tiers, self.tiers[1:], strict=False)):
            _check_edge(a, b, f"{self.pair}, tiers {i + 1} and {i + 2}")

    @cached_property
    def floors_quote(self) -> FloatArray:
        """Lowest notional of each bracket, (K,)."""
        return np.array([t.floor_quote for t in self.tiers], dtype=np.float64)

    @cached_property
    def rates_frac(self) -> FloatArray:
        """Maintenance rate of each bracket, (K,)."""
        return np.array([t.maintenance_rate_frac for t in self.tiers], dtype=np.float64)

    @cached_property
    def amounts_quote(self) -> FloatArray:
        """Maintenance amount of each bracket, (K,)."""
        return np.array([t.maintenance_amount_quote for t in self.tiers], dtype=np.float64)

    @overload
    def maintenance_margin(self, notional_quote: float) -> float: ...
    @overload
    def maintenance_margin(self, notional_quote: FloatArray) -> FloatArray: ...
    def maintenance_margin(self, notional_quote: FloatArray | float) -> FloatArray | float:
        """Return ``|notional| * rate - amount`` of its bracket, elementwise, quote units.

        Parameters
        ----------
        notional_quote
            Signed or absolute position size at the mark price; a number or an array of any shape.

        Returns
        -------
        float or ndarray
            Same shape; NaN where the notional is. Beyond the last cap, where the exchange takes
            no larger position, the last bracket applies.
        """
        size = np.abs(np.asarray(notional_quote, dtype=np.float64))
        tier = self._tier(size)
        margin: FloatArray = size * self.rates_frac[tier] - self.amounts_quote[tier]
        return margin if isinstance(notional_quote, np.ndarray) else float(margin)

    def marginal_rate(self, notional_quote: FloatArray) -> FloatArray:
        """Return the maintenance rate of each notional's bracket, same shape."""
        rate: FloatArray = self.rates_frac[self._tier(np.abs(notional_quote))]
        return rate

    def max_leverage(self, notional_quote: float) -> float:
        """Return the highest leverage the exchange grants a position of this notional.

        At an edge exactly, the lower leverage of the two brackets.
        """
        tier = self._tier(np.abs(np.asarray(notional_quote, dtype=np.float64)))
        return self.tiers[int(tier)].max_leverage

    def _tier(self, size: FloatArray) -> IntArray:
        row: IntArray = np.searchsorted(self.floors_quote, size, side="right") - 1
        return row


def _check_tier(tier: MarginTier, where: str) -> None:
    """Refuse a bracket that could make a margin NaN, negative or larger than the position."""
    values = {f.name: getattr(tier, f.name) for f in fields(tier)}
    if not np.isfinite(list(values.values())).all():
        raise InputError(f"expected finite numbers, got {values}", where=where)
    if not 0 < tier.maintenance_rate_frac < 1 or tier.max_leverage < 1:
        raise InputError(
            f"expected 0 < maintenance rate < 1 and leverage >= 1, got "
            f"{tier.maintenance_rate_frac:g} and {tier.max_leverage:g}",
            where=where,
            cure="rates are fractions: 0.4 % is 0.004",
        )
    if tier.cap_quote <= tier.floor_quote:
        raise InputError(
            f"expected floor < cap, got {tier.floor_quote:g}-{tier.cap_quote:g}", where=where
        )


def _check_edge(a: MarginTier, b: MarginTier, where: str) -> None:
    """Refuse a hole, an overlap, a falling rate or a jump between two brackets."""
    if a.cap_quote != b.floor_quote:
        raise InputError(
            f"expected adjacent tiers, got {a.floor_quote:g}-{a.cap_quote:g} and "
            f"{b.floor_quote:g}-{b.cap_quote:g}",
            where=where,
            cure="sort the tiers by notional and pass all of them",
        )
    rise = b.maintenance_rate_frac - a.maintenance_rate_frac
    if rise < 0:
        raise InputError(f"expected rates to rise with notional, got {rise:+g}", where=where)
    jump = abs(rise * a.cap_quote - (b.maintenance_amount_quote - a.maintenance_amount_quote))
    if jump > _CENT:
        raise InputError(
            f"maintenance margin jumps by {jump:.2f} at notional {a.cap_quote:g}",
            where=where,
            cure="the tier table is corrupt or its amounts are missing",
        )


def from_exchange_tiers(pair: str, rows: Sequence[Mapping[str, Any]]) -> MarginTiers:
    """Parse the tier rows ccxt returns and Freqtrade packages for `pair`.

    Parameters
    ----------
    rows
        Lowest tier first, each with minNotional, maxNotional, maintenanceMarginRate, maxLeverage
        and the exchange's own ``info.cum``.

    Raises
    ------
    InputError
        If a row lacks a field, a field is not a number, or the tiers do not fit together.

    Examples
    --------
    >>> row = {"minNotional": 0.0, "maxNotional": 1e4, "maintenanceMarginRate": 0.005,
    ...        "maxLeverage": 75.0, "info": {"cum": "0.0"}}
    >>> from_exchange_tiers("LTC/USDT:USDT", [row]).maintenance_margin(8000.0)
    40.0
    """
    parsed = (_parse(row, f"{pair}, tier {i + 1}") for i, row in enumerate(rows))
    return MarginTiers(pair, tuple(parsed))


def _parse(row: Mapping[str, Any], where: str) -> MarginTier:
    try:
        return MarginTier(
            floor_quote=float(row["minNotional"]),
            cap_quote=float(row["maxNotional"]),
            maintenance_rate_frac=float(row["maintenanceMarginRate"]),
            maintenance_amount_quote=float(row["info"]["cum"]),
            max_leverage=float(row["maxLeverage"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected the exchange's tier fields as numbers, got {error!r}",
            where=where,
            cure="pass the rows of fetch_leverage_tiers unchanged",
        ) from error
