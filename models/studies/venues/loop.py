"""Exchanges that liquidate by one index: what one sells moves the index, and the index all others.

In a step of some seconds every exchange marks positions at a mixture of its own price and the
index of all, liquidates what the mark has newly passed, and sells it in its own book. The book
comes back at a rate; arbitrage carries a difference between exchanges over, some steps late.

Falls are log prices below the start, > 0; positions are shares of the open interest of all. Shape
letters: T steps, V exchanges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import ConfigError
from models.base.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class VenueLoop:
    """Exchanges with similar risk engines.

    Attributes
    ----------
    open_interest
        (V,) of the longs at each, as shares of all.
    impact
        (V,) log fall of an exchange's own price per unit of open interest sold there at once.
    reach
        Log fall over which the positions' liquidation prices are spread evenly; inf with
        `density` for a loop that never runs out.
    density
        Of liquidation prices per unit of fall, as a share of an exchange's open interest; None is
        one over `reach`.
    """

    open_interest: tuple[float, ...] = (0.5, 0.3, 0.2)
    impact: tuple[float, ...] = (0.2, 0.35, 0.6)
    reach: float = 0.25
    density: float | None = None
    index_share: float = 1.0  # of the mark that is the index; the rest is the exchange's own price
    step_s: float = 10.0
    kept_frac: float = 0.98  # of a displacement that is still there a step later
    engine_steps: int = 1  # from the mark to the sale
    arbitrage_frac: float = 0.2  # of a difference that is carried over in a step
    arbitrage_steps: int = 2  # how old the difference is by then

    def __post_init__(self) -> None:
        sizes = (*self.open_interest, *self.impact)
        if len(self.open_interest) != len(self.impact) or len(self.impact) < 1:
            raise ConfigError("expected an open interest and an impact for every exchange")
        if not all(math.isfinite(x) and x >= 0 for x in sizes):
            raise ConfigError(f"expected open_interest and impact finite and >= 0, got {sizes}")
        if not self.reach > 0:
            raise ConfigError(f"expected reach > 0, got {self.reach}")
        for name in ("index_share", "kept_frac", "arbitrage_frac"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"expected {name} in [0, 1], got {getattr(self, name)}")
        if self.engine_steps < 0 or self.arbitrage_steps < 0:
            raise ConfigError("expected engine_steps and arbitrage_steps >= 0")
        # Of an older difference, more than this much would be overshot for ever.
        most = 2 * math.sin(math.pi / (2 * (2 * self.arbitrage_steps + 1)))
        if self.arbitrage_frac > most:
            raise ConfigError(
                f"expected arbitrage_frac <= {most:.3g} of a difference {self.arbitrage_steps} "
                f"steps old, got {self.arbitrage_frac:g}",
                where="venues",
                cure="beyond it arbitrage itself would swing wider and wider",
            )

    @property
    def per_fall(self) -> FloatArray:
        """Open interest liquidated per unit of fall at each exchange, (V,)."""
        density = 1 / self.reach if self.density is None else self.density
        return np.array(self.open_interest) * density

    @property
    def gains(self) -> FloatArray:
        """What a unit of fall of its mark pushes each exchange's own price down by, (V,)."""
        return np.array(self.impact) * self.per_fall

    @property
    def marks(self) -> FloatArray:
        """From the exchanges' prices to their marks, (V, V)."""
        n = len(self.impact)
        out: FloatArray = (1 - self.index_share) * np.eye(n) + self.index_share / n
        return out

    def passed(self, fall: FloatArray) -> FloatArray:
        """Return how much of the open interest a mark's fall has liquidated, (V,)."""
        density = 1 / self.reach if self.density is None else self.density
        share = np.maximum(fall, 0.0) * density
        out: FloatArray = np.array(self.open_interest) * (
            share if math.isinf(self.reach) else np.minimum(share, 1.0)
        )
        return out


@dataclass(frozen=True, kw_only=True)
class LoopBreakers:
    """What exchanges do against the loop; the defaults are nothing."""

    halt_fall: float = math.inf  # log fall of a mark within `halt_window` that halts liquidations
    halt_window: int = 6
    halt_steps: int = 30
    fund: float = 0.0  # open interest an insurance fund takes over instead of selling it
    sold_frac: float = 1.0  # of a position that is liquidated; the rest stays, with more margin
    most_a_step: float = math.inf  # of its own open interest that an exchange sells in a step

    def __post_init__(self) -> None:
        if not (self.halt_fall > 0 and self.halt_window >= 1 and self.halt_steps >= 1):
            raise ConfigError("expected halt_fall > 0, halt_window and halt_steps >= 1")
        if not (self.fund >= 0 and 0 < self.sold_frac <= 1 and self.most_a_step > 0):
            raise ConfigError("expected fund >= 0, sold_frac in (0, 1] and most_a_step > 0")


NO_BREAKERS: Final = LoopBreakers()


@dataclass(frozen=True, kw_only=True)
class LoopRun:
    """What became of a shock; arrays (T, V)."""

    fall: FloatArray  # of each exchange's own price
    mark: FloatArray  # fall of each mark
    sold: FloatArray  # in each step, into the book
    absorbed: FloatArray  # by the fund
    waiting: FloatArray  # (V,) due and not yet sold at the end

    @property
    def index(self) -> FloatArray:
        """Mean fall of all exchanges, (T,)."""
        out: FloatArray = self.fall.mean(axis=1)
        return out


def ramp(fall_frac: float, steps: int, total: int) -> FloatArray:
    """Return a fall from outside that takes `steps` steps and stays, log price, (T,).

    Raises
    ------
    ConfigError
        If the fall is not in (0, 1), or there are no steps or fewer in all.
    """
    if not (0 < fall_frac < 1 and 1 <= steps <= total):
        raise ConfigError(
            f"expected a fall in (0, 1) over 1 <= steps <= total, got {fall_frac}, {steps}, {total}"
        )
    out: FloatArray = -math.log1p(-fall_frac) * np.minimum(np.arange(1, total + 1) / steps, 1.0)
    return out


def loop_run(loop: VenueLoop, outside: FloatArray, breakers: LoopBreakers = NO_BREAKERS) -> LoopRun:
    """Return what a fall from outside sets off.

    Parameters
    ----------
    outside
        (T,) log fall that all exchanges share; may also be (T, V), each its own.
    """
    steps, n = len(outside), len(loop.impact)
    outside = np.broadcast_to(np.reshape(outside, (steps, -1)), (steps, n))
    pushed = np.zeros((steps + 1, n))  # by liquidations and arbitrage
    fall, mark, sold, absorbed = (np.zeros((steps, n)) for _ in range(4))
    due = np.zeros((steps + loop.engine_steps + 1, n))
    low, waiting, until = np.zeros(n), np.zeros(n), np.full(n, -1)
    fund = breakers.fund
    most = breakers.most_a_step * np.array(loop.open_interest)
    for t in range(steps):
        fall[t] = outside[t] + pushed[t]
        mark[t] = loop.marks @ fall[t]
        lower = np.maximum(low, mark[t])
        due[t + loop.engine_steps] += breakers.sold_frac * (loop.passed(lower) - loop.passed(low))
        low = lower
        waiting += due[t]
        then = mark[t - breakers.halt_window] if t >= breakers.halt_window else np.zeros(n)
        until = np.where(mark[t] - then > breakers.halt_fall, t + breakers.halt_steps, until)
        out = np.where(until > t, 0.0, np.minimum(waiting, most))
        waiting = waiting - out
        share = min(fund / out.sum(), 1.0) if out.sum() > 0 else 0.0
        absorbed[t], sold[t] = share * out, (1 - share) * out
        fund -= absorbed[t].sum()
        pushed[t + 1] = loop.kept_frac * pushed[t] + np.array(loop.impact) * sold[t]
        if t >= loop.arbitrage_steps:
            seen = fall[t - loop.arbitrage_steps]
            pushed[t + 1] += loop.arbitrage_frac * (seen.mean() - seen)
    return LoopRun(fall=fall, mark=mark, sold=sold, absorbed=absorbed,
                   waiting=waiting + due[steps:].sum(axis=0))  # fmt: skip
