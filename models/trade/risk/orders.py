"""Guards on the order itself: sound numbers, no duplicate, no burst, no order too large.

Source of the kinds: Commission Delegated Regulation (EU) 2017/589 (RTS 6), Article 15: maximum
order value and volume, message limit, repeated-execution throttle until a person re-enables.
"""

from __future__ import annotations

import math

from models.base.units import MINUTE_MS, SECOND_MS
from models.trade.risk.limits import Limits
from models.trade.risk.need import intent_of, need
from models.trade.risk.snapshot import Snapshot
from models.trade.risk.verdict import PASSED, Demand, Verdict, limited, refused


def sound_order(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse an order that is not finite numbers > 0, or names no pair, side or decision."""
    order = intent_of(s)
    if order.side not in (-1, 1) or not order.pair or not order.key:
        return refused(f"expected a pair, a side and a key, got {order}")
    values = (order.notional_quote, order.leverage, order.price)
    if not all(v is not None and math.isfinite(v) and v > 0 for v in values):
        return refused(f"expected notional, leverage and price finite and > 0, got {order}")
    return PASSED


def no_duplicate(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse a second order for the same decision."""
    key = intent_of(s).key
    if any(sent.key == key for sent in need(s.sent, "recent orders")):
        return refused(f"an order for {key} was sent before")
    return PASSED


def no_burst(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse more orders within a minute than allowed, whatever the pair."""
    recent = [o for o in need(s.sent, "recent orders") if s.now_ms - o.time_ms < MINUTE_MS]
    if len(recent) >= limits.soft.max_orders_per_minute:
        return refused(f"{len(recent)} orders in the last minute")
    return PASSED


def no_repeats(s: Snapshot, limits: Limits) -> Verdict:
    """Halt when the same side of the same pair is entered again and again."""
    order, window_ms = intent_of(s), SECOND_MS * limits.soft.repeat_window_s
    same = [
        o for o in need(s.sent, "recent orders")
        if (o.pair, o.side) == (order.pair, order.side) and s.now_ms - o.time_ms < window_ms
    ]  # fmt: skip
    if len(same) >= limits.soft.max_repeats:
        return refused(
            f"{len(same)} entries on this side within {limits.soft.repeat_window_s:g} s",
            Demand.HALTED,
        )
    return PASSED


def share_of_equity(s: Snapshot, limits: Limits) -> Verdict:
    """Limit one order to a share of the usable equity."""
    usable = usable_equity(s, limits)
    share = limits.hard.max_order_equity_frac
    return limited(share * usable, f"one order is limited to {share:g} x usable equity")


def share_of_volume(s: Snapshot, limits: Limits) -> Verdict:
    """Limit one order to a share of the last hour's volume."""
    volume = need(need(s.market, "market").volume_1h_quote, "volume of the last hour")
    share = limits.hard.max_order_volume_frac
    return limited(share * volume, f"one order is limited to {share:g} of an hour's volume")


def usable_equity(s: Snapshot, limits: Limits) -> float:
    """Return the marked equity less what the bot may never use, quote units; may be negative."""
    equity = need(s.exposure, "account").equity_quote
    return equity - limits.hard.reserve_quote - limits.hard.planned_withdrawals_quote
