"""Where the loop runs away: the linearised threshold, and the one the simulation has.

With liquidation prices spread evenly the loop is linear as long as marks fall. Displacements u obey

    u[t+1] = r u[t] + a (mean - 1) u[t-L] + c G M (u[t-d] - u[t-d-1])

with r what is kept of a displacement, a and L share and age of arbitrage, d the engine's lag, G the
gains, M from prices to marks, and c a factor on all gains. A displacement that grows as z^t, z > 1,
keeps marks falling and so feeds itself. It exists where

    1 / c = largest eigenvalue of z^-d (1 - 1/z) (z - r - a z^-L (mean - 1))^-1 G M,

and the smallest such c over z > 1 is the threshold. One exchange without lag: c G = (1 +
sqrt(1 - r))^2, which is 1 where nothing comes back, and more where the book does: then the price
turns before the next sale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar

from models.base.errors import InputError
from models.studies.venues.loop import NO_BREAKERS, LoopBreakers, VenueLoop, loop_run

_STEPS: Final = 1_500
_AWAY: Final = 1e30  # times the shock: no loop that ends has come so far
_HALVINGS: Final = 13
_MOST: Final = 1e4  # times the impacts, in the search for a threshold


def scaled(loop: VenueLoop, factor: float) -> VenueLoop:
    """Return the loop with all impacts times `factor`."""
    return replace(loop, impact=tuple(factor * x for x in loop.impact))


def linear_threshold(loop: VenueLoop) -> float:
    """Return the factor on all gains from which the loop runs away, linearised.

    Raises
    ------
    InputError
        If nothing is liquidated or nothing moves a price: no factor lets that run away.

    Examples
    --------
    >>> one = VenueLoop(open_interest=(1.0,), impact=(1.0,), reach=1.0, kept_frac=0.96,
    ...                 engine_steps=0, arbitrage_frac=0.0)
    >>> round(linear_threshold(one), 6)  # (1 + sqrt(0.04))^2
    1.44
    """
    if not loop.gains.max() > 0:
        raise InputError("expected a gain above 0", where="venues")

    def factor(log_excess: float) -> float:
        return 1 / _eigenvalue(loop, 1 + float(np.exp(log_excess)))

    coarse = np.linspace(-14, 4, 400)
    best = int(np.argmin([factor(x) for x in coarse]))
    low, high = coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]
    found = minimize_scalar(factor, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    return float(found.fun)


def simulated_threshold(loop: VenueLoop, breakers: LoopBreakers = NO_BREAKERS) -> float:
    """Return the same factor as the simulation has it, by halving; liquidations never run out.

    Raises
    ------
    InputError
        If no factor is found, as where a breaker bounds what can be sold in a step.
    """
    density = 1 / loop.reach if loop.density is None else loop.density
    endless = replace(loop, reach=float("inf"), density=density)
    low, high = 0.0, 1.0
    while not runs_away(scaled(endless, high), breakers):
        low, high = high, 2 * high
        if high > _MOST:
            raise InputError("expected a loop that can run away", where="venues")
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if runs_away(scaled(endless, middle), breakers) else (middle, high)
        )
    return (low + high) / 2


def runs_away(loop: VenueLoop, breakers: LoopBreakers = NO_BREAKERS) -> bool:
    """Return whether a shock of one step is left behind without end."""
    with np.errstate(over="ignore", invalid="ignore"):
        index = loop_run(loop, np.ones(_STEPS), breakers).index
        return not bool((index < _AWAY).all())  # NaN is away, too


def _eigenvalue(loop: VenueLoop, z: float) -> float:
    n = len(loop.impact)
    mean = np.full((n, n), 1 / n)
    held = (z - loop.kept_frac) * np.eye(n)
    held -= loop.arbitrage_frac * z ** float(-loop.arbitrage_steps) * (mean - np.eye(n))
    pushed = z ** float(-loop.engine_steps) * (1 - 1 / z) * np.diag(loop.gains) @ loop.marks
    return float(np.linalg.eigvals(np.linalg.solve(held, pushed)).real.max())
