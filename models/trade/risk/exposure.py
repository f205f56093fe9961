"""Guards on leverage and on what all positions and pending orders add up to."""

from __future__ import annotations

from models.trade.risk.limits import Limits
from models.trade.risk.need import intent_of, need
from models.trade.risk.orders import usable_equity
from models.trade.risk.snapshot import Snapshot
from models.trade.risk.verdict import PASSED, Verdict, limited, refused


def leverage_within(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse leverage over the limit; beyond it only the isolated, capped opt-in is left."""
    hard, leverage = limits.hard, need(intent_of(s).leverage, "leverage")
    if leverage < 1:
        return refused(f"expected leverage >= 1, got {leverage:g}")
    if leverage <= hard.max_leverage:
        return PASSED
    if not need(s.exposure, "account").isolated:
        return refused(f"leverage {leverage:g} > {hard.max_leverage:g}")
    if leverage > hard.isolated_leverage:
        return refused(f"isolated leverage {leverage:g} > {hard.isolated_leverage:g}")
    stake = hard.isolated_equity_frac * usable_equity(s, limits)
    # What is held already counts, or the stake would grow order by order.
    held = need(s.exposure, "account").notional_quote(intent_of(s).pair)
    return limited(stake * leverage - held, f"isolated stake limited to {stake:g}")


def equity_left(s: Snapshot, limits: Limits) -> Verdict:
    """Never stake the reserve or planned withdrawals: a stake comes out of what is beyond them."""
    usable = usable_equity(s, limits)
    if usable <= 0:
        return refused(f"no equity beyond the reserve and planned withdrawals ({usable:.2f})")
    return limited(usable * need(intent_of(s).leverage, "leverage"), "stake limited to the equity")


def gross_within(s: Snapshot, limits: Limits) -> Verdict:
    """Limit the sum of all positions, pending orders and this one."""
    most = limits.hard.max_gross_leverage
    room = most * usable_equity(s, limits) - need(s.exposure, "account").gross_notional_quote
    return limited(room, f"gross exposure limited to {most:g} x usable equity")


def net_within(s: Snapshot, limits: Limits) -> Verdict:
    """Limit the signed sum; of the pending orders only those of this side are sure to count."""
    side, exposure = intent_of(s).side, need(s.exposure, "account")
    pending = exposure.pending_long_quote if side > 0 else exposure.pending_short_quote
    most = limits.hard.max_net_leverage
    room = most * usable_equity(s, limits) - side * exposure.net_notional_quote - pending
    return limited(room, f"net exposure limited to {most:g} x usable equity")
