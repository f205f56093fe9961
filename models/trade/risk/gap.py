"""The gap limit: what a repeat of the worst hour would cost, through every stop.

A stop is an order, and in the worst hour on record it was filled at the bottom or not at all. So
the size itself must be bearable: the account is taken through an hour in which every long falls as
far as its coin has fallen within any hour on record, and through one in which every short rises so
far. The costlier of the two counts. A leg on the winning side counts as nothing: relations between
coins broke in just those hours, and the exchange may close a profitable leg (auto-deleveraging)
before the other side has fallen. So a hedge is no relief, and what it hedges takes no room from it.

Where scenarios hold a worse hour possible now than any on record, sizes go by that one: they can
make a limit tighter, never wider. Where they have been silent for long, nothing is opened.
"""

from __future__ import annotations

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
    if silent := exposure.unforeseen.get(order.pair) or exposure.unforeseen.get(""):
        return refused(silent)
    against = hour_of(exposure, order.pair).against(order.side)
    room = FOR_ENTRIES * most * usable_equity(s, limits) - gap_loss_quote(exposure, order.side)
    coin = order.pair.partition("/")[0]
    what = f"a repeat of {coin}'s worst hour"
    if _foreseen_counts(exposure, order.pair, order.side):
        what = f"the worst hour to come that scenarios hold possible of {coin}"
    return limited(
        room / against,
        f"sized for {what} ({-order.side * against:+.1%}): the account "
        f"may lose {most:.0%} of equity in it, new positions use {FOR_ENTRIES * most:.1%}",
    )


def _standing(exposure: Exposure, most: float) -> Verdict:
    equity, cost = exposure.equity_quote, worst_loss_quote(exposure)
    if cost <= most * equity or cost == 0:
        return PASSED
    if equity <= 0:
        return refused("no equity left for a repeat of the worst hour", Demand.WARN, shed_frac=1.0)
    # Every leg by the same share: a hedge stays the hedge it was.
    return refused(
        f"{worst_hour_words(exposure)} would cost {cost / equity:.1%} of equity, limit {most:.0%}: "
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


def worst_hour_words(exposure: Exposure) -> str:
    """Return what is meant by the worst hour of the account's positions."""
    held = exposure.account.positions
    if any(_foreseen_counts(exposure, p.pair, 1 if p.amount_base > 0 else -1) for p in held):
        return "the worst hour to come that scenarios hold possible"
    return "a repeat of the worst hour"


def _foreseen_counts(exposure: Exposure, pair: str, side: int) -> bool:
    """Whether the hour to come is what a position of this side is measured by."""
    return hour_of(exposure, pair).against(side) > _past_hour_of(exposure, pair).against(side)


def hour_of(exposure: Exposure, pair: str) -> WorstHour:
    """Return the worst hour of `pair`: past, or to come where scenarios hold a worse one possible.

    Of a pair without a record, nothing else can make the assumption smaller.
    """
    return _past_hour_of(exposure, pair).or_worse(exposure.foreseen.get(pair, CALM))


def _past_hour_of(exposure: Exposure, pair: str) -> WorstHour:
    """Return the worst hour as recorded, or as the candles have shown if that is worse."""
    shown = exposure.worst_hours.get(pair, CALM)
    known = recorded(pair, at_marks=exposure.at_marks, table=exposure.record)
    return known.or_worse(shown)
