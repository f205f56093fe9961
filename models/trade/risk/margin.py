"""Guards on the account's margin: how full it is, and how far liquidation is after the order.

Both come from the pack's own cross-margin account (`models.trade.account`), never from a trade's
price; live, the exchange's own count of the ratio is held against it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from models.trade.decision.sizing import ES99_SIGMAS
from models.trade.risk.limits import Limits
from models.trade.risk.need import intent_of, need, need_price
from models.trade.risk.snapshot import ExchangeAccount, Exposure, Intent, Snapshot
from models.trade.risk.verdict import PASSED, Demand, Verdict, limited, refused

_OLD_S: Final = 60.0  # asked for every few seconds
_HALVINGS: Final = 30  # of the order, until its size is known to one part in 10^9
_LOST: Final = 1 - 1e-9  # of a price


def margin_ratio(s: Snapshot, limits: Limits) -> Verdict:
    """Warn, stop new risk, then close in stages as maintenance margin eats up the equity.

    Of the pack's number and the exchange's own, where it is known, the worse one decides.
    """
    hard, theirs = limits.hard, s.exchange
    real = 0.0 if theirs is None else _exchange_ratio(theirs)
    # An account the pack cannot value must not hide what the exchange says of it.
    ratio = real if s.exposure is None and real >= hard.margin_warn else max(_own_ratio(s), real)
    said = f"maintenance margin is {ratio:.2f} of equity"
    if ratio >= hard.margin_flatten:
        return refused(f"{said}: closing in stages", Demand.REDUCING, shed_frac=1.0)
    if ratio >= hard.margin_reduce:
        return refused(said, Demand.REDUCING)
    if ratio >= hard.margin_warn:
        return Verdict(reason=said, demand=Demand.WARN)
    return PASSED


def margin_agrees(s: Snapshot, limits: Limits) -> Verdict:
    """Warn if the exchange counts another margin ratio; refuse if it is unknown, old or worse."""
    theirs = need(s.exchange, "the exchange's own margin")
    age_s = (s.now_ms - theirs.time_ms) / 1000
    if not abs(age_s) <= _OLD_S:
        said = f"the exchange's own margin is {age_s:.0f} s old"
        return refused(said, Demand.WARN, unknown=True)
    ours, real = need(theirs.computed_ratio, "margin ratio"), _exchange_ratio(theirs)
    said = f"margin ratio {real:.3f} by the exchange, {ours:.3f} by the pack"
    if real - ours > limits.hard.max_margin_gap:
        return refused(said, Demand.WARN)
    if ours - real > limits.hard.max_margin_gap:
        return Verdict(reason=said, demand=Demand.WARN)
    return PASSED


def _own_ratio(s: Snapshot) -> float:
    exposure = need(s.exposure, "account")
    return exposure.account.margin_ratio(exposure.marks) if exposure.account.positions else 0.0


def _exchange_ratio(account: ExchangeAccount) -> float:
    need(account.equity_quote, "equity by the exchange")
    need(account.maintenance_quote, "maintenance margin by the exchange")
    return account.margin_ratio


def distance_kept(s: Snapshot, limits: Limits) -> Verdict:
    """Keep liquidation max(daily ES 99 % times days, floor) away with the order filled."""
    sigma = need(need(s.model, "model").sigma_day, "daily volatility")
    wanted = limits.hard.distance_es99_days * ES99_SIGMAS * sigma
    return _kept(s, max(wanted, limits.hard.min_distance_frac))


def distance_floor(s: Snapshot, limits: Limits) -> Verdict:
    """Keep liquidation the floor away: for a hedge, which has to grow as volatility does."""
    return _kept(s, limits.hard.min_distance_frac)


def _kept(s: Snapshot, least: float) -> Verdict:
    order, exposure = intent_of(s), need(s.exposure, "account")
    survives = _survivor(exposure, order, least)
    if survives(order.notional_quote):
        return PASSED
    low, high = 0.0, order.notional_quote
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if survives(middle) else (low, middle)
    return limited(low, f"liquidation must stay {least:.1%} away")


def _survivor(exposure: Exposure, order: Intent, move_frac: float) -> Callable[[float], bool]:
    """Return whether the account lives through `move_frac` against every leg, by order size.

    Pending orders of the order's side count as filled, all at the mark.
    """
    account, marks = exposure.account, exposure.marks
    mark = need_price(marks.get(order.pair), f"mark price of {order.pair}")
    own = [p for p in account.positions if p.pair == order.pair]
    others = tuple(p for p in account.positions if p.pair != order.pair)
    # All but nothing left of it: an account takes no price of 0 for a price.
    most = {p.pair: min(move_frac, _LOST) if p.amount_base > 0 else move_frac for p in others}
    moved = {p.pair: _moved(marks[p.pair], p.amount_base, most[p.pair]) for p in others}
    rest = dataclasses.replace(account, positions=others)
    surplus = rest.equity(moved) - rest.maintenance_margin(moved)
    surplus += sum(p.amount_base * (mark - p.entry_price) for p in own)
    held = sum(p.amount_base for p in own) * mark
    pending = exposure.pending_long_quote if order.side > 0 else exposure.pending_short_quote
    tiers = account.tiers[order.pair]

    def survives(notional: float) -> bool:
        filled = held + order.side * (notional + pending)
        after = _moved(filled, filled, move_frac)
        return bool(surplus + after - filled >= tiers.maintenance_margin(after))

    return survives


def _moved(value: float, side: float, move_frac: float) -> float:
    """Return a price or a signed notional after a move against `side`; nothing falls below 0."""
    return value * (max(1 - move_frac, 0.0) if side > 0 else 1 + move_frac)
