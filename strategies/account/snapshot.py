"""What Freqtrade knows, as the records the guards read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
from pandas import DataFrame

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import DAY_S
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.tiers import MarginTiers
from models.trade.risk.reconciliation import Books
from models.trade.risk.snapshot import Exposure, MarketState, ModelHealth
from models.trade.risk.worst_hours import WorstDay, WorstHour

_OUTCOMES: Final = 720  # forecasts looked back on: a month of hours


def exposure_of(
    wallet_quote: float,
    trades: Iterable[Any],
    prices: Mapping[str, float],
    tiers: Mapping[str, MarginTiers],
    *,
    isolated: bool = False,
    worst_hours: Mapping[str, WorstHour] | None = None,
    worst_days: Mapping[str, WorstDay] | None = None,
    at_marks: bool = False,
) -> Exposure:
    """Return the marked account with its pending entries.

    Parameters
    ----------
    wallet_quote
        Wallet balance: deposits and realised profit, without open profit.
    trades
        Freqtrade's open trades.
    prices
        Current price of every pair with an open trade.
    tiers
        Margin tiers of every pair with an open trade.
    isolated, worst_hours, worst_days, at_marks
        As `Exposure` has them.

    Raises
    ------
    InputError
        If an open trade's pair has no price or tiers: an unmarked leg must not count as zero.
    """
    positions: dict[str, Position] = {}
    pending = {1: 0.0, -1: 0.0}
    for trade in trades:
        if trade.pair not in prices:
            raise InputError(f"no price for the open position in {trade.pair}")
        side = -1 if trade.is_short else 1
        for order in trade.open_orders:
            if order.ft_order_side == trade.entry_side:
                pending[side] += order.safe_remaining * prices[trade.pair]
        if trade.amount:
            added = Position(
                pair=trade.pair, amount_base=side * trade.amount, entry_price=trade.open_rate
            )
            positions[trade.pair] = _netted(positions.get(trade.pair), added)
    return Exposure(
        account=CrossAccount(
            wallet_quote=wallet_quote,
            positions=tuple(p for p in positions.values() if p.amount_base),
            tiers=tiers,
        ),
        marks=prices,
        pending_long_quote=pending[1],
        pending_short_quote=pending[-1],
        isolated=isolated,
        worst_hours=worst_hours or {},
        worst_days=worst_days or {},
        at_marks=at_marks,
    )


def _netted(held: Position | None, added: Position) -> Position:
    """Return two trades of one pair and side as one position at their average entry."""
    if held is None:
        return added
    amount = held.amount_base + added.amount_base
    if held.amount_base * added.amount_base < 0:
        raise InputError(f"expected trades of one side in {added.pair}, got {held} and {added}")
    cost = held.amount_base * held.entry_price + added.amount_base * added.entry_price
    return Position(pair=added.pair, amount_base=amount, entry_price=cost / amount)


def books_of(trades: Iterable[Any]) -> Books:
    """Return the positions Freqtrade believes in."""
    positions: dict[str, float] = {}
    for trade in trades:
        signed = -trade.amount if trade.is_short else trade.amount
        positions[trade.pair] = positions.get(trade.pair, 0.0) + signed
    return Books(positions=positions)


def pending_of(trades: Iterable[Any]) -> dict[str, float]:
    """Return pair to the amount of its open orders, stops left out: what may fill any moment."""
    out: dict[str, float] = {}
    for trade in trades:
        for order in trade.open_orders:
            out[trade.pair] = out.get(trade.pair, 0.0) + order.safe_remaining
    return out


def candle_market(frame: DataFrame, now: datetime, candle_s: float) -> MarketState:
    """Return what closed candles say of the market; quotes and other prices stay unknown."""
    per_hour = max(1, round(3600 / candle_s))
    recent = frame.iloc[-per_hour:]
    volume = float((recent["volume"] * recent["close"]).sum())
    age = (now - frame["date"].iloc[-1]).total_seconds() - candle_s
    return MarketState(
        volume_1h_quote=volume * min(1.0, 3600 / candle_s), candle_age_s=age, candle_s=candle_s
    )


def model_health(
    frame: DataFrame,
    side: int,
    *,
    horizon_candles: int,
    candle_s: float,
    without: Iterable[str] = (),
    latency_ms: float | None = None,
) -> ModelHealth:
    """Return what the frame's last row and its recent past say of the model.

    Everything is known at the close of the last row: an outcome counts once its horizon is over.

    Parameters
    ----------
    side
        +1 or -1: whose cascade matters.
    horizon_candles
        Of the return forecast.
    without
        Heads whose rules a person has waived.
    """
    row = frame.iloc[-1]
    day = max(1, round(DAY_S / candle_s))
    known, inside = _coverage(frame.iloc[-_OUTCOMES:], horizon_candles)
    against = columns.FALSE_ALARMS_DOWN if side > 0 else columns.FALSE_ALARMS_UP
    novelty = frame[columns.NOVELTY].iloc[-day:].to_numpy(np.float64)
    seen = novelty[np.isfinite(novelty)]
    drift = float(row[columns.DRIFT])
    per_candle = float(row[columns.SIGMA]) / math.sqrt(horizon_candles)
    return ModelHealth(
        vouched=bool(row["do_predict"] == 1),
        abstains=bool(row[columns.ABSTAIN] != 0),  # NaN abstains
        sigma_day=per_candle * math.sqrt(DAY_S / candle_s),
        false_alarms=float(row[against]),
        novelty=float(np.median(seen)) if len(seen) else None,
        drift=drift if math.isfinite(drift) else None,
        outcomes=known,
        coverage=inside / known if known else None,
        latency_ms=latency_ms,
        without=tuple(without),
    )


def _coverage(frame: DataFrame, horizon: int) -> tuple[int, int]:
    """Return how many forecasts have a known outcome, and how many of those held it."""
    close = frame["close"].to_numpy(np.float64)
    if len(close) <= horizon:
        return 0, 0
    came = np.log(close[horizon:] / close[:-horizon])

    def early(name: str) -> FloatArray:
        return frame[name].to_numpy(np.float64)[:-horizon]

    low, high = early(columns.RETURN_LOW), early(columns.RETURN_HIGH)
    known = np.isfinite(low) & np.isfinite(high) & (early("do_predict") == 1)
    return int(known.sum()), int((known & (low <= came) & (came <= high)).sum())
