"""Do the bot's books and the exchange's agree? What is left unexplained has to halt.

Pure comparison of positions, resting orders and fills; who asked whom, and when, is not its
business, nor how long a difference may take to pass. An order on its way explains a difference of
positions up to its size, so that a fill seen by one side first is no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from models.operate.control.watch import Resting, WatchedPosition, uncovered

_ROUNDING_FRAC: Final = 1e-6  # of the larger amount: lots and text
_LOT_FRAC: Final = 0.02  # an order is rounded to whole lots after it was approved
_PRICE_FRAC: Final = 1e-4  # of the price: the exchange rounds the average it tells


@dataclass(frozen=True, kw_only=True)
class Books:
    """What one side believes; amounts in base units, negative for shorts.

    Attributes
    ----------
    positions
        Pair to net amount; a pair left out is flat.
    """

    positions: Mapping[str, float]


def differences(
    ours: Books, theirs: Books, pending: Mapping[str, float] | None = None
) -> tuple[str, ...]:
    """Return one sentence per pair whose amounts differ beyond what pending orders explain.

    Parameters
    ----------
    ours, theirs
        The bot's books and the exchange's.
    pending
        Pair to the unfilled amount of open orders, absolute: explains as much, in any direction.

    Examples
    --------
    >>> differences(Books(positions={"BTC": 1.0}), Books(positions={"BTC": 1.0, "LTC": -2.0}))
    ('LTC: the exchange holds -2, the books 0',)
    """
    waiting = pending or {}
    out = []
    for pair in sorted({*ours.positions, *theirs.positions}):
        mine, real = ours.positions.get(pair, 0.0), theirs.positions.get(pair, 0.0)
        allowed = abs(waiting.get(pair, 0.0)) + _ROUNDING_FRAC * max(abs(mine), abs(real))
        # Written so that NaN on any side is a difference.
        if not abs(mine - real) <= allowed:
            out.append(f"{pair}: the exchange holds {real:g}, the books {mine:g}")
    return tuple(out)


def lost_entries(
    found: Books, ours: Books, approved: Mapping[str, float]
) -> tuple[tuple[str, float], ...]:
    """Return (pair, amount) of positions that are just what was sent and never answered.

    Parameters
    ----------
    found, ours
        The exchange's books and the bot's; a pair the bot has any trade in is not lost.
    approved
        Pair to the signed amount of the last entry sent.

    Examples
    --------
    >>> lost_entries(Books(positions={"BTC": 1.0}), Books(positions={}), {"BTC": 1.001})
    (('BTC', 1.0),)
    """
    return tuple(
        (pair, amount)
        for pair, amount in sorted(found.positions.items())
        if pair not in ours.positions
        and pair in approved
        and math.isclose(amount, approved[pair], rel_tol=_LOT_FRAC)
    )


@dataclass(frozen=True, kw_only=True)
class ReportedFill:
    """What was executed of one order, all its executions together; `amount` is unsigned."""

    order: str
    pair: str
    amount: float  # base units
    price: float  # average, quote units


def order_differences(believed: Mapping[str, str], resting: Iterable[Resting]) -> tuple[str, ...]:
    """Return one sentence per order that only one side has.

    Parameters
    ----------
    believed
        Order to pair: what the bot takes for open, stops included, of the pairs asked for.
    resting
        What is open on the exchange in those pairs; the watchdog's own stops are known to be its.

    Examples
    --------
    >>> order_differences({"7": "BTC"}, [])
    ('BTC: the bot takes order 7 for open, the exchange does not have it',)
    """
    there = {order.id: order for order in resting}
    strange = (
        f"{order.symbol}: order {order.id} of {order.amount:g} is open on the exchange, "
        "the bot does not know it"
        for order in there.values()
        if order.id not in believed and not order.own
    )
    missing = (
        f"{pair}: the bot takes order {order} for open, the exchange does not have it"
        for order, pair in believed.items()
        if order not in there
    )
    return tuple(sorted((*strange, *missing)))


def bare_positions(
    positions: Iterable[WatchedPosition], resting: Iterable[Resting]
) -> tuple[str, ...]:
    """Return one sentence per position that stops on the exchange do not close as a whole.

    Examples
    --------
    >>> bare_positions([WatchedPosition(symbol="BTC", amount=-2.0, mark=100.0)], [])
    ('BTC: no stop on the exchange for 2 of -2',)
    """
    orders = list(resting)
    bare = ((held, uncovered(held, orders)) for held in positions)
    return tuple(
        f"{held.symbol}: no stop on the exchange for {left:g} of {held.amount:g}"
        for held, left in bare
        if left > _ROUNDING_FRAC * abs(held.amount)
    )


def fill_differences(
    booked: Iterable[ReportedFill], executed: Iterable[ReportedFill], waiting: Collection[str] = ()
) -> tuple[str, ...]:
    """Return one sentence per order whose executions differ from what the bot has written down.

    Parameters
    ----------
    booked
        What the bot recorded of its orders.
    executed
        The exchange's own executions over the same time, by order.
    waiting
        Orders still open: what is executed of them is not yet booked.

    Examples
    --------
    >>> mine = ReportedFill(order="7", pair="BTC", amount=1.0, price=100.0)
    >>> fill_differences([mine], [ReportedFill(order="7", pair="BTC", amount=0.5, price=100.0)])
    ('BTC: the exchange filled 0.5 at 100 of order 7, the books 1 at 100',)
    """
    mine, real = {f.order: f for f in booked}, {f.order: f for f in executed}
    out = []
    for order in sorted({*mine, *real} - {*waiting}):
        ours, theirs = mine.get(order), real.get(order)
        if ours is None or theirs is None or not _same(ours, theirs):
            known = ours or theirs
            pair = known.pair if known is not None else ""
            out.append(
                f"{pair}: the exchange filled {_told(theirs)} of order {order}, "
                f"the books {_told(ours)}"
            )
    return tuple(out)


def _same(ours: ReportedFill, theirs: ReportedFill) -> bool:
    """Return whether two fills are one; NaN on any side is not."""
    amount = abs(ours.amount - theirs.amount) <= _ROUNDING_FRAC * theirs.amount
    return amount and abs(ours.price - theirs.price) <= _PRICE_FRAC * theirs.price


def _told(fill: ReportedFill | None) -> str:
    return "nothing" if fill is None else f"{fill.amount:g} at {fill.price:g}"
