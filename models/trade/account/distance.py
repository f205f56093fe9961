"""How far the market may move against an account before it is liquidated, solved exactly.

Equity minus maintenance margin is piecewise linear in the move, with a kink where a leg changes
its tier. Rates rise with notional, so it is also concave, and Newton's method from any point
reaches the root itself after at most one step per kink: no tolerance, no bracketing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base.types import FloatArray
from models.trade.account.tiers import MarginTiers


def total_margin(notional_quote: FloatArray, tiers: Sequence[MarginTiers]) -> FloatArray:
    """Return the maintenance margin of N accounts, (N,), from their (N, A) notionals."""
    out = np.zeros(len(notional_quote))
    for k, table in enumerate(tiers):
        out += table.maintenance_margin(notional_quote[:, k])
    return out


def uniform_distance(
    equity_quote: FloatArray, notional_quote: FloatArray, tiers: Sequence[MarginTiers]
) -> FloatArray:
    """Return the adverse move x that liquidates when every leg moves against itself by x at once.

    Longs fall to ``mark * max(0, 1 - x)`` and shorts rise to ``mark * (1 + x)``: legs that hedge
    each other are assumed to fail together, so this is smaller than any one leg's distance.

    Parameters
    ----------
    equity_quote
        (N,) float64, at the marks.
    notional_quote
        (N, A) float64, amount times mark, negative for shorts.
    tiers
        A tables, in the order of the columns.

    Returns
    -------
    ndarray
        (N,) float64; 0 where already liquidated, NaN where there is no position, inf where longs
        would survive even a price of zero. May exceed 1 if there are shorts.

    Examples
    --------
    >>> from models.trade.account.tiers import MarginTier
    >>> tier = MarginTier(floor_quote=0, cap_quote=1e6, maintenance_rate_frac=0.01,
    ...                   maintenance_amount_quote=0, max_leverage=50)
    >>> x = uniform_distance(np.array([307.0]), np.array([[1000.0]]), [MarginTiers("X", (tier,))])
    >>> float(x[0])  # 307 - 1000 x = 10 (1 - x)
    0.3
    """
    longs, shorts = np.maximum(notional_quote, 0.0), np.minimum(notional_quote, 0.0)
    x = _newton(equity_quote, longs, shorts, tiers)
    beyond = x > 1  # the longs are worth nothing and can lose no more; shorts go on
    if beyond.any():
        left = equity_quote - longs.sum(axis=1)
        x = np.where(beyond, _newton(left, np.zeros_like(longs), shorts, tiers), x)
    flat = ~np.any(notional_quote != 0, axis=1)
    return np.where(flat, np.nan, np.maximum(x, 0.0))


def _newton(
    equity: FloatArray, longs: FloatArray, shorts: FloatArray, tiers: Sequence[MarginTiers]
) -> FloatArray:
    """Return the root >= 0 of the surplus, inf where nothing moves; longs may fall below 0."""
    out = np.full(len(equity), np.inf)
    moving = (longs - shorts).any(axis=1)
    equity, longs, shorts = equity[moving], longs[moving], shorts[moving]
    gross = (longs - shorts).sum(axis=1)
    x = np.zeros(len(equity))
    for _ in range(3 + sum(len(table.tiers) for table in tiers)):
        moved = longs * np.maximum(1 - x, 0.0)[:, None] + shorts * (1 + x)[:, None]  # (N, A)
        surplus = equity - x * gross - total_margin(moved, tiers)
        fall = gross.copy()  # -d surplus / dx, (N,)
        for k, table in enumerate(tiers):
            growing = np.where(x < 1, longs[:, k], 0.0) + shorts[:, k]
            fall -= growing * table.marginal_rate(moved[:, k])
        before, x = x, np.maximum(x + surplus / fall, 0.0)
        if (x == before).all():
            break
    out[moving] = x
    return out
