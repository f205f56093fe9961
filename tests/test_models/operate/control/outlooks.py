"""An outlook as a bot would keep it, for tests of who shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from models.operate.control.outlook import (
    Odds,
    Outlook,
    OutlookHorizon,
    OutlookPosition,
    OutlookSize,
)

HOUR_MS: Final = 3_600_000
UNTIL_MS: Final = 1_700_000_000_000 // HOUR_MS * HOUR_MS
LEVELS: Final = (0.05, 0.25, 0.5, 0.75)
ODDS: Final = Odds(share=0.0203, low=0.0176, high=0.0233)


def horizon(days: float) -> OutlookHorizon:
    """Return what an account of 1,000 may be worth so many days on."""
    return OutlookHorizon(
        days=days, equity=(None, 838.0, 990.0, 1_080.0), mean=950.0, worst_1=120.0, worst_01=None,
        liquidated=ODDS, liquidated_at_closes=Odds(share=0.0124, low=0.0103, high=0.0148),
    )  # fmt: skip


def outlook(**changed: Any) -> Outlook:
    """Return an outlook of two longs, some fields changed."""
    made = Outlook(
        time_ms=UNTIL_MS + 60_000, until_ms=UNTIL_MS, candle_ms=HOUR_MS, first_ms=0,
        engine="mixture", engine_passed=False, seed=0, paths=10_000, simulated=False,
        equity_quote=1_000.0, leverage=2.0,
        positions=(OutlookPosition(pair="LTC/USDT:USDT", amount_base=20.0, mark=100.0),),
        levels=LEVELS, horizons=tuple(map(horizon, (1.0, 3.0, 7.0))),
        by_leverage=tuple(
            OutlookSize(leverage=size, liquidated=(ODDS, ODDS, ODDS)) for size in (1.0, 3.0)
        ),
        distance=(0.205, 0.3, 0.455, None), notes=("12 gaps, 14 candles left out",),
        engine_notes=("crashes: many",),
    )  # fmt: skip
    return replace(made, **changed)
