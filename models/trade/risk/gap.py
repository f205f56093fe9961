"""The gap limit: what a repeat of the worst hour would cost, through every stop.

A stop is an order, and in the worst hour on record it was filled at the bottom or not at all. So
the size itself must be bearable: the account is taken through an hour in which every long falls as
far as its coin has fallen within any hour on record, and through one in which every short rises so
far. The costlier of the two counts. A leg on the winning side counts as nothing: relations between
coins broke in just those hours, and the exchange may close a profitable leg (auto-deleveraging)
before the other side has fallen. So a hedge is no relief, and what it hedges takes no room from it.

Where scenarios hold a worse hour possible now than any on record, entries go by that one; where
they have been silent of a coin for long, it is not opened. What stands is not cut for it: a wick of
a broken feed would do that. Nor do positions without stops go by it, which only the mark price
closes: a hedge has to be able to grow in just those hours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.trade.risk.limits import Limits
from models.trade.risk.need import intent_of, need, need_price
from models.trade.risk.orders import usable_equity
from models.trade.risk.snapshot import Exposure, Snapshot
from models.trade.risk.verdict import PASSED, Demand, Verdict, limited, refused
from models.trade.risk.worst_hours import ASSUMED, CALM, WorstHour, recorded

# New risk uses this part of the limit, so that a position may drift before it has to be cut.
FOR_ENTRIES: Final = 0.9


def worst_hour_bearable(s: Snapshot, limits: Limits) -> Verdict:
    """Limit an order, and cut what stands, to what a repeat of the worst hour may cost."""
    exposure, most = need(s.exposure, "account"), limits.hard.worst_hour_loss_frac
    if s.intent is None:
        return _standing(exposure, most)
    order = intent_of(s)
    if not exposure.at_marks and (silent := exposure.unforeseen.get(order.pair)):
        return refused(silent)
    ahead = _ahead(exposure)
    against = hour_of(ahead, order.pair).against(order.side)
    room = FOR_ENTRIES * most * usable_equity(s, limits) - gap_loss_quote(ahead, order.side)
    coin = order.pair.partition("/")[0]
    what = f"a repeat of {coin}'s worst hour"
    if against > hour_of(exposure, order.pair).against(order.side):
        what = f"the worst hour that scenarios hold possible of {coin} now"
    return limited(
        room / against,
        f"sized for {what} ({-order.side * against:+.1%}): the account "
        f"may lose {most:.0%} of equity in it, new positions use {FOR_ENTRIES * most:.1%}",
    )


def _ahead(exposure: Exposure) -> Exposure:
    """Return the account with the hour to come among those its candles have shown."""
    if exposure.at_marks:
        return exposure
    worst = dict(exposure.worst_hours)
    for pair, hour in exposure.foreseen.items():
        worst[pair] = hour.or_worse(worst.get(pair, CALM))
    return replace(exposure, worst_hours=worst)


def _standing(exposure: Exposure, most: float) -> Verdict:
    equity, cost = exposure.equity_quote, worst_loss_quote(exposure)
    if cost <= most * equity or cost == 0:
        return PASSED
    if equity <= 0:
        return refused("no equity left for a repeat of the worst hour", Demand.WARN, shed_frac=1.0)
    # Every leg by the same share: a hedge stays the hedge it was.
    return refused(
        f"a repeat of the worst hour would cost {cost / equity:.1%} of equity, limit {most:.0%}: "
        "reducing in stages",
        Demand.WARN,
        shed_frac=1 - FOR_ENTRIES * most * equity / cost,
    )


def worst_loss_quote(exposure: Exposure) -> float:
    """Return what a repeat of the worst hour would cost the account, quote units.

    The costlier of an hour against all longs and one against all shorts, pending entries included
    as if they were in the worst of the account's coins.
    """
    return max(gap_loss_quote(exposure, side) for side in (1, -1))


def gap_loss_quote(exposure: Exposure, side: int) -> float:
    """Return what the worst hour against all positions of `side` would cost, quote units."""
    held = sum(
        abs(p.amount_base)
        * need_price(exposure.marks.get(p.pair), f"mark price of {p.pair}")
        * hour_of(exposure, p.pair).against(side)
        for p in exposure.account.positions
        if p.amount_base * side > 0
    )
    pending = exposure.pending_long_quote if side > 0 else exposure.pending_short_quote
    coins = [hour_of(exposure, pair) for pair in exposure.marks] or [ASSUMED]
    return float(held + pending * max(hour.against(side) for hour in coins))


def hour_of(exposure: Exposure, pair: str) -> WorstHour:
    """Return the worst hour of `pair`: as recorded, or as its candles have shown if that is worse.

    Of a pair without a record, what its candles have shown cannot make the assumption smaller.
    """
    shown = exposure.worst_hours.get(pair, CALM)
    known = recorded(pair, at_marks=exposure.at_marks, table=exposure.record)
    return known.or_worse(shown)
