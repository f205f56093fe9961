"""The same coin held as spot and hedged one to one with its perpetual."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray
from models.studies.hedge.effectiveness import HedgedReturns
from models.trade.hedging.simulate import Costs, HedgeMarket, banded, simulate

_BAND: Final = 0.02


def same_coin_returns(
    time_ms: IntArray, spot: HedgeMarket, perpetual: HedgeMarket, amount_base: float, costs: Costs
) -> HedgedReturns:
    """Return the hourly returns of spot and perpetual, both on the candles of `time_ms` (N,)."""
    path = simulate(
        time_ms, spot, amount_base, [perpetual], banded(np.ones((len(time_ms), 1)), _BAND), costs
    )
    share: FloatArray = 1.0 / path.notional
    return HedgedReturns(
        time_ms=time_ms,
        primary=path.primary_pnl * share,
        hedge=path.hedge_pnl * share,
        cost=path.cost * share,
        funding=path.funding * share,
        traded=path.traded * share,
        ratio=path.ratio.sum(axis=1),
    )
