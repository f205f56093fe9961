"""Maintenance margin by notional tier, as Binance USD-M publishes it per symbol.

Source: Binance, "Leverage and Margin of USDⓈ-M Futures". The tier is looked up by the position's
*notional* at the mark price, not by its stake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.errors import InputError
from models.types import FloatArray

_CENT = 0.01  # maintenance margin must not jump by more than this at a tier's edge


@dataclass(frozen=True, kw_only=True)
class MarginTier:
    """One bracket of notional."""

    floor_quote: float
    cap_quote: float
    maintenance_rate_frac: float
    maintenance_amount_quote: float  # "cum": keeps the margin continuous across brackets
    max_leverage: float


@dataclass(frozen=True)
class MarginTiers:
    """All brackets of one pair, lowest first.

    Raises
    ------
    InputError
        If brackets are missing, overlap, leave a hole, or the margin jumps between two of them.

    Examples
    --------
    >>> low = MarginTier(floor_quote=0, cap_quote=1000, maintenance_rate_frac=0.01,
    ...                  maintenance_amount_quote=0, max_leverage=50)
    >>> high = MarginTier(floor_quote=1000, cap_quote=9000, maintenance_rate_frac=0.02,
    ...                   maintenance_amount_quote=10, max_leverage=25)
    >>> MarginTiers("X", (low, high)).maintenance_margin(np.array([500.0, -2000.0]))
    array([ 5., 30.])
    """

    pair: str
    tiers: tuple[MarginTier, ...]

    def __post_init__(self) -> None:
        if not self.tiers or self.tiers[0].floor_quote != 0:
            raise InputError("expected margin tiers from notional 0 on", where=self.pair)
        for i, (a, b) in enumerate(zip(self.tiers, self.tiers[1:], strict=False)):
            where = f"{self.pair}, tiers {i + 1} and {i + 2}"
            if a.cap_quote != b.floor_quote or b.cap_quote <= b.floor_quote:
                raise InputError(
                    f"expected adjacent tiers, got {a.floor_quote:g}-{a.cap_quote:g} and "
                    f"{b.floor_quote:g}-{b.cap_quote:g}",
                    where=where,
                )
            jump = abs(
                (b.maintenance_rate_frac - a.maintenance_rate_frac) * a.cap_quote
                - (b.maintenance_amount_quote - a.maintenance_amount_quote)
            )
            if jump > _CENT:
                raise InputError(
                    f"maintenance margin jumps by {jump:.2f} at notional {a.cap_quote:g}",
                    where=where,
                    cure="the tier table is corrupt or its amounts are missing",
                )

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return (
            np.array([t.floor_quote for t in self.tiers]),
            np.array([t.maintenance_rate_frac for t in self.tiers]),
            np.array([t.maintenance_amount_quote for t in self.tiers]),
        )

    def maintenance_margin(self, notional_quote: FloatArray | float) -> FloatArray:
        """Return |notional| * rate - amount of its bracket, elementwise, same shape.

        Beyond the last cap, where the exchange takes no larger position, the last bracket applies.
        """
        floors, rates, amounts = self._table
        size = np.abs(np.asarray(notional_quote, dtype=np.float64))
        tier = np.searchsorted(floors, size, side="right") - 1
        out: FloatArray = np.asarray(size * rates[tier] - amounts[tier])
        return out

    def max_leverage(self, notional_quote: float) -> float:
        """Return the highest leverage the exchange grants a position of this notional."""
        tier = int(np.searchsorted(self._table[0], abs(notional_quote), side="right")) - 1
        return self.tiers[tier].max_leverage


def from_exchange_tiers(pair: str, rows: Sequence[Mapping[str, Any]]) -> MarginTiers:
    """Parse the tier rows ccxt returns and Freqtrade packages for `pair`."""
    return MarginTiers(
        pair,
        tuple(
            MarginTier(
                floor_quote=float(row["minNotional"]),
                cap_quote=float(row["maxNotional"]),
                maintenance_rate_frac=float(row["maintenanceMarginRate"]),
                maintenance_amount_quote=float(row["info"]["cum"]),
                max_leverage=float(row["maxLeverage"]),
            )
            for row in rows
        ),
    )
