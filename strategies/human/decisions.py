"""Journal records from what Freqtrade hands to a hook."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from freqtrade.persistence import Order, Trade
from pandas import Series

from models.base import columns
from models.base.entry import EntryRule
from models.operate.journal.records import DecisionRecord, OrderFilled, TradeOutcome


class EntryRefusal(NamedTuple):
    """Why the newest entry into a pair was not made."""

    candle_ms: int | None  # open of the candle it was asked for on
    rule: EntryRule
    why: str


def seen(row: Series | None) -> dict[str, Any]:
    """Return the part of a decision that tells which forecast it stood on; none without a row."""
    if row is None:
        return {}
    low, high = row.get("interval_low"), row.get("interval_high")
    return {
        "candle_ms": int(row["date"].timestamp() * 1000),
        "forecast": {n: float(row[n]) for n in columns.FORECAST if n in row.index},
        "interval": None if low is None or high is None else (float(low), float(high)),
    }


def forecast_summary(row: Series | None) -> str:
    """Return a forecast in one line, for a person who is asked about it."""
    if row is None or not math.isfinite(float(row.get(columns.P_UP, math.nan))):
        return "no forecast"
    words = {columns.P_UP: "up", columns.P_FLAT: "flat", columns.P_DOWN: "down"}
    parts = [f"{word} {row[name]:.0%}" for name, word in words.items()]
    low = float(row.get(columns.EDGE_LOW, math.nan))
    if math.isfinite(low):  # what an entry stands on; no model's bare claim
        parts.append(f"edge {1e4 * low:+.1f} bps (lower bound)")
    return ", ".join(parts)


def exit_record(
    trade: Trade, reason: str, rate: float, row: Series | None, inputs: Mapping[str, float]
) -> DecisionRecord:
    """Return the decision to close a trade."""
    return DecisionRecord(
        action="exit", pair=trade.pair, side="short" if trade.is_short else "long",
        trade_id=trade.id, reason=reason, rate=rate, leverage=trade.leverage,
        notional_quote=trade.amount * rate, inputs=inputs, **seen(row),
    )  # fmt: skip


def filled(trade: Trade, order: Order, decision: int | None) -> OrderFilled:
    """Return the record of a filled order."""
    return OrderFilled(
        trade_id=trade.id, pair=trade.pair, side=order.ft_order_side, order_id=order.order_id,
        amount_base=order.safe_filled, rate=order.safe_price,
        opens=order.ft_order_side == trade.entry_side, decision=decision,
    )  # fmt: skip


def outcome(trade: Trade, now: datetime) -> TradeOutcome:
    """Return the record of a trade that has just been closed."""
    return TradeOutcome(
        trade_id=trade.id, pair=trade.pair, exit_reason=trade.exit_reason or "",
        profit_quote=float(trade.close_profit_abs), profit_frac=float(trade.close_profit),
        held_s=(now - trade.open_date_utc).total_seconds(),
    )  # fmt: skip
