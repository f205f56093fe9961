"""What selling does to a price, and how it recovers: a book of general shape with resilience.

Bids rest below the reference price, their density a power of the distance from it. What is sold
takes the nearest ones; what was taken comes back exponentially. Constant density is linear impact
(Obizhaeva & Wang 2013), a density that grows in proportion to the distance the square-root law
(Toth et al., "Anomalous price impact and the critical nature of liquidity", Phys. Rev. X 1, 2011;
for Bitcoin: Donier & Bonart, "A million metaorder analysis of market impact", 2015). Resilience of
volume: Alfonsi, Fruth & Schied, "Optimal execution strategies in limit order books with general
shape functions", Quantitative Finance 10, 2010, model 1.

Quantities are in ordinary days' volumes, falls in log price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

from models.base.errors import ConfigError

SQUARE_ROOT: Final = "square-root"
LINEAR: Final = "linear"
NO_IMPACT: Final = "none"
LAWS: Final = (SQUARE_ROOT, LINEAR, NO_IMPACT)
MINUTES_A_DAY: Final = 1440


@dataclass(frozen=True, kw_only=True)
class ImpactRules:
    """How deep the market is, and how soon it is as deep again."""

    law: str = SQUARE_ROOT
    # Selling a whole day's volume at once moves the price by so many daily volatilities: of order
    # one in all markets it was measured in, 0.9 for Bitcoin (Donier & Bonart).
    strength: float = 1.0
    sigma_day: float = 0.03  # Bitcoin's, 2021 to 2025: 0.031
    # Of the usual depth, while it falls. In the hours in which Bitcoin was 6 % below three hours
    # before, volume moved the price as if a fifth of the usual depth were there (median of 156).
    depth_frac: float = 0.2
    half_life_min: float = 60.0  # until half of what was taken from the book is back; inf: never

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise ConfigError(f"expected a law of impact among {LAWS}, got {self.law!r}")
        for name in ("strength", "sigma_day", "depth_frac"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"expected {name} finite and > 0, got {getattr(self, name)}")
        if not self.half_life_min > 0:
            raise ConfigError(f"expected half_life_min > 0, got {self.half_life_min}")

    @property
    def scale(self) -> float:
        """Log fall per unit of `power`-th power of what is missing from the book."""
        if self.law == NO_IMPACT:
            return 0.0
        return self.strength * self.sigma_day / math.pow(self.depth_frac, self.power)

    @property
    def power(self) -> float:
        """Of the quantity in the law of impact."""
        return 0.5 if self.law == SQUARE_ROOT else 1.0

    def displacement(self, taken: float) -> float:
        """Return how far below the reference the price is, with so much missing from the book.

        Examples
        --------
        >>> rules = ImpactRules(depth_frac=1.0)
        >>> rules.displacement(0.25), rules.displacement(1.0)
        (0.015, 0.03)
        """
        return self.scale * float(taken**self.power)

    def kept(self, minutes: float) -> float:
        """Return which share of what was taken is still missing after so long."""
        return math.pow(0.5, minutes / self.half_life_min)


class SoldInto(Protocol):
    """A market that can be sold into: the closed form here, or a book level by level."""

    def sell(self, quantity: float) -> float:
        """Take `quantity` of bids; return what was paid, over the reference price."""
        ...

    def rest(self, minutes: float) -> None:
        """Let bids come back."""
        ...

    @property
    def fall(self) -> float:
        """Log distance of the price below the reference."""
        ...


class ShapedMarket:
    """The book in closed form: one number, what is missing from it.

    Examples
    --------
    >>> market = ShapedMarket(ImpactRules(law="linear", depth_frac=1.0, half_life_min=30.0))
    >>> _ = market.sell(0.5); market.rest(30.0)
    >>> market.fall
    0.0075
    """

    def __init__(self, rules: ImpactRules) -> None:
        self.rules, self.taken = rules, 0.0

    @property
    def fall(self) -> float:
        """Log distance of the price below the reference."""
        return self.rules.displacement(self.taken)

    def sell(self, quantity: float) -> float:
        """Take `quantity` of bids; return what was paid, over the reference price."""
        before, self.taken = self.taken, self.taken + quantity
        return self._paid(self.taken) - self._paid(before)

    def rest(self, minutes: float) -> None:
        """Let bids come back."""
        self.taken *= self.rules.kept(minutes)

    def _paid(self, taken: float) -> float:
        """Return the integral of the price over the first `taken` of the bids."""
        c = self.rules.scale
        if c == 0:
            return taken
        if self.rules.law == LINEAR:
            return -math.expm1(-c * taken) / c
        deep = c * math.sqrt(taken)  # of exp(-c sqrt(q)): 2 / c^2 (1 - (1 + deep) exp(-deep))
        return 2 / c**2 * (1 - (1 + deep) * math.exp(-deep))
