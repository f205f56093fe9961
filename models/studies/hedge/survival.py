"""How often a leveraged position would have been liquidated, with its hedge and without.

Entered at every day's first candle and held for a horizon. One cross account: the hedge's profit
backs the position. Two accounts: it does not until somebody moves it, so what had to be moved is
counted. Within a candle every leg meets its own adverse extreme at once, as in the account replay,
which is hard on hedges: the legs' extremes rarely coincide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.account.distance import total_margin
from models.trade.account.tiers import MarginTiers
from models.trade.hedging.transfer import transfer_need


@dataclass(frozen=True, kw_only=True)
class Legs:
    """A long or short position and its hedge over time; arrays (N,) or (N, K), quote units."""

    amount_base: float  # signed, of the primary
    open: FloatArray  # (N,) of the primary
    close: FloatArray
    adverse: FloatArray  # the primary's low if long, high if short
    hedge_pnl: FloatArray  # (N,) per candle, net of costs and funding
    hedge_amount: FloatArray  # (N, K) signed, at the close
    hedge_close: FloatArray  # (N, K)
    hedge_adverse: FloatArray  # (N, K) high of a short leg, low of a long one


def survival(
    legs: Legs,
    tiers: MarginTiers,
    hedge_tiers: Sequence[MarginTiers],
    *,
    leverage: float,
    horizon: int,
    every: int = 24,
) -> dict[str, Any]:
    """Return shares of entries liquidated within `horizon` candles and the transfers needed.

    Parameters
    ----------
    leverage
        Notional over collateral at entry; the collateral is all there is, in the cross account
        for both legs.
    horizon, every
        Candles held, and between two entries.
    """
    n = len(legs.close)
    if not (leverage >= 1 and horizon >= 1 and every >= 1) or n <= horizon:
        raise InputError(f"expected leverage >= 1 and more than {horizon} candles, got {n}")
    starts = np.arange(0, n - horizon, every)
    alone = cross = covered = 0
    moved: list[float] = []
    price_move = legs.amount_base * (legs.adverse - legs.close)  # worst of the candle, from close
    hedge_move = (legs.hedge_amount * (legs.hedge_adverse - legs.hedge_close)).sum(axis=1)
    hedge_margin = total_margin(legs.hedge_amount * legs.hedge_adverse, hedge_tiers)
    margin = np.asarray(tiers.maintenance_margin(legs.amount_base * legs.adverse))
    path = np.cumsum(legs.hedge_pnl)
    for s in starts:
        rows = slice(s, s + horizon)
        entry = legs.open[s]
        notional = abs(legs.amount_base) * entry
        own = notional / leverage + legs.amount_base * (legs.close[rows] - entry)
        worst = own + price_move[rows]
        # The hedge held at the entry was put on before it: only what it earns from now on counts.
        gained = path[rows] - path[s]
        alone += bool((worst <= margin[rows]).any())
        both = worst + gained + hedge_move[rows] <= margin[rows] + hedge_margin[rows]
        cross += bool(both.any())
        short = transfer_need(worst, margin[rows])
        if (short > 0).any():
            first = int(np.argmax(short > 0))
            moved.append(float(short.max()) / notional)
            covered += bool(gained[first] >= short[first])
    total = len(starts)
    return {
        "leverage": leverage,
        "horizon_candles": horizon,
        "entries": total,
        "unhedged": alone / total,
        "cross": cross / total,
        "transfer_needed": len(moved) / total,
        "transfer_covered": covered / len(moved) if moved else np.nan,
        "transfer_p95": float(np.quantile(moved, 0.95)) if moved else 0.0,
    }
