"""Three coins of which the first falls alone, hour by hour as told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.base.types import Candles
from models.studies.stress.crash import RecordedCrash
from models.studies.stress.hedged import HedgedCrash, HedgeRules
from models.trade.hedging.policy import PolicyConfig
from models.trade.risk.limits import HardLimits, Limits
from models.trade.risk.worst_hours import CoinRecord, WorstDay, WorstHour, WorstTable
from strategies.account.tiers import load_binance_tiers

PAIRS = ("LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
HOUR = 3_600_000
HOURS = 240


def falling(levels: Mapping[int, float]) -> HedgedCrash:
    """Return flat coins at 100; from each hour named on the first is at that level."""
    flat, level = np.full(HOURS, 100.0), np.full(HOURS, 100.0)
    for hour, price in levels.items():
        level[hour:] = price
    traded = tuple(
        RecordedCrash(name="made up", pair=pair, candles=_candles(close), candle_ms=HOUR,
                      funding_rate=np.full(HOURS, np.nan))
        for pair, close in zip(PAIRS, (level, flat, flat), strict=True)
    )  # fmt: skip
    return HedgedCrash(traded=traded, marks=tuple(c.path(0) for c in traded))


def _candles(close: np.ndarray) -> Candles:
    opened = np.concatenate(([close[0]], close[:-1]))
    return Candles(
        time_ms=HOUR * np.arange(HOURS, dtype=np.int64), open=opened, close=close,
        high=np.maximum(opened, close), low=np.minimum(opened, close), volume=np.full(HOURS, 1e7),
    )  # fmt: skip


def record(fall_frac: float) -> WorstTable:
    """Return a record in which every day of the first coin is as calm as told, the others' too."""
    known = CoinRecord(hour=WorstHour(fall_frac=fall_frac / 2, rise_frac=0.1),
                       day=WorstDay(fall_frac=fall_frac, rise_frac=0.2))  # fmt: skip
    return {pair.partition("/")[0]: {"traded": known} for pair in PAIRS}


def numbered_rules(fall_frac: float, number: float = 0.15, *, may_reduce: bool = False
                   ) -> HedgeRules:  # fmt: skip
    """Return rules whose only tight limit is the number, and losses that halt late."""
    hard = HardLimits(max_order_equity_frac=3.0, max_leverage=3.0, max_gross_leverage=3.0,
                      max_net_leverage=3.0, worst_hour_loss_frac=0.25, loss_day_frac=0.9,
                      loss_week_frac=0.9, loss_peak_frac=0.9)  # fmt: skip
    return replace(
        HedgeRules(tiers=load_binance_tiers(PAIRS), limits=Limits(hard=hard), amount_base=1.0,
                   wallet_quote=10_000.0, policy=PolicyConfig(max_ratio=1.25)),
        worst_day_frac=number, may_reduce_primary=may_reduce, record=record(fall_frac),
    )  # fmt: skip
