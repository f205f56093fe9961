"""One position along some joint paths: its money and margin at every candle.

Positions do not know of each other but for deleveraging, so all candles of a leg are computed at
once. Within a candle a leg is looked at twice: at its adverse extreme, and at the close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.types import BoolArray, FloatArray, IntArray
from models.scenarios.paths import PathBlock
from models.trade.account.cross import Position
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.tiers import MarginTiers


@dataclass(frozen=True, kw_only=True)
class HeldLeg:
    """What a position adds to the account, (P, T) each, quote units.

    A position that ends within a candle meets that candle's extreme first, with its margin and
    with what ending it costs.
    """

    tiers: MarginTiers
    side: int
    worst_profit: FloatArray  # at the adverse extreme, funding and costs so far taken off
    close_profit: FloatArray
    worst_notional: FloatArray  # >= 0; 0 once it has ended
    worst_margin: FloatArray
    close_margin: FloatArray
    held: BoolArray | None  # when the candle opened; None is always
    kept: BoolArray | None  # still at the close


@dataclass(frozen=True, kw_only=True)
class _Prices:
    """Of one coin along the paths."""

    opened: FloatArray  # (P, T) the close before
    close: FloatArray
    worst: FloatArray  # the adverse extreme
    stopped: IntArray | None  # (P,) candle in which the stop is reached, T if in none
    against: BoolArray | None  # (P, T) a move that makes the exchange deleverage


def held_legs(setup: ScenarioAccount, columns: list[int], block: PathBlock) -> list[HeldLeg]:
    """Return every position's legs along the block's paths."""
    positions = setup.account.positions
    prices = [_prices(setup, p, block, k) for p, k in zip(positions, columns, strict=True)]
    taken = _deleveraged(setup, prices)
    return [
        _leg(setup, position, one, block, column, taken.get(int(np.sign(position.amount_base))))
        for position, one, column in zip(positions, prices, columns, strict=True)
    ]


def first_step(hit: BoolArray) -> IntArray:
    """Return the first candle of each path that is hit, (P,); T where none is.

    Examples
    --------
    >>> first_step(np.array([[False, True, True], [False, False, False]]))
    array([1, 3])
    """
    first: IntArray = np.where(hit.any(axis=1), hit.argmax(axis=1), hit.shape[1])
    return first


def margin_of(tiers: MarginTiers, size: FloatArray) -> FloatArray:
    """Return `MarginTiers.maintenance_margin` of sizes >= 0, by the few brackets they reach.

    Examples
    --------
    >>> from models.trade.account.tiers import MarginTier
    >>> tier = MarginTier(floor_quote=0, cap_quote=1e6, maintenance_rate_frac=0.01,
    ...                   maintenance_amount_quote=0, max_leverage=50)
    >>> margin_of(MarginTiers("X", (tier,)), np.array([[1000.0, 0.0]]))
    array([[10.,  0.]])
    """
    floors, rates, amounts = tiers.floors_quote, tiers.rates_frac, tiers.amounts_quote
    ends = np.array([size.min(), size.max()])
    low, high = np.searchsorted(floors, ends, side="right") - 1
    out: FloatArray = size * rates[low]
    if amounts[low]:
        out -= amounts[low]
    for k in range(low + 1, high + 1):
        np.copyto(out, size * rates[k] - amounts[k], where=size >= floors[k])
    return out


def _prices(setup: ScenarioAccount, position: Position, block: PathBlock, column: int) -> _Prices:
    mark, long = setup.marks[position.pair], position.amount_base > 0
    extreme = (block.low if long else block.high)[:, :, column]
    close = np.cumsum(block.close[:, :, column], axis=1)
    np.exp(close, out=close)
    close *= mark
    opened = np.empty_like(close)
    opened[:, 0], opened[:, 1:] = mark, close[:, :-1]
    worst = np.exp(extreme)
    worst *= opened
    stop, adl = setup.stops.get(position.pair), setup.deleveraging_frac
    reached = None
    if stop is not None:
        reached = first_step(worst <= stop if long else worst >= stop)
    against = None
    if adl is not None:
        against = extreme <= np.log1p(-adl) if long else extreme >= np.log1p(adl)
        if reached is not None:
            against &= np.arange(close.shape[1]) <= reached[:, None]
    return _Prices(opened=opened, close=close, worst=worst, stopped=reached, against=against)


def _deleveraged(setup: ScenarioAccount, prices: list[_Prices]) -> dict[int, IntArray]:
    """Return side -> candle in which the exchange closes it, (P,), T if in none.

    The first candle in which the other side fails and this one does not. Then there is no other
    side left to fail, so it happens once.
    """
    if setup.deleveraging_frac is None:
        return {}
    fails = {}
    for side in (1, -1):
        moves = [
            one.against
            for one, position in zip(prices, setup.account.positions, strict=True)
            if position.amount_base * side > 0 and one.against is not None
        ]
        fails[side] = np.logical_or.reduce(moves) if moves else np.zeros_like(prices[0].against)
    taken = {side: first_step(fails[-side] & ~fails[side]) for side in (1, -1)}
    never = prices[0].close.shape[1]
    return {
        side: np.where(taken[side] < taken[-side], taken[side], never) for side in (1, -1)
    }  # fmt: skip


def _leg(
    setup: ScenarioAccount, position: Position, prices: _Prices, block: PathBlock, column: int,
    taken: IntArray | None,
) -> HeldLeg:  # fmt: skip
    amount, entry = position.amount_base, position.entry_price
    tiers, side = setup.account.tiers[position.pair], 1 if amount > 0 else -1
    size = abs(amount)
    paid = (amount * prices.opened) * block.funding[:, :, column]
    if prices.stopped is None and taken is None:
        paid = np.cumsum(paid, axis=1, out=paid)
        notional = size * prices.worst
        return HeldLeg(
            tiers=tiers, side=side, worst_notional=notional,
            worst_profit=amount * (prices.worst - entry) - paid,
            close_profit=amount * (prices.close - entry) - paid,
            worst_margin=margin_of(tiers, notional),
            close_margin=margin_of(tiers, size * prices.close), held=None, kept=None,
        )  # fmt: skip
    ended, price, worst = _ends(setup, position, prices, block, taken)
    steps = np.arange(prices.close.shape[1])
    held, kept = steps <= ended[:, None], steps < ended[:, None]
    paid = np.cumsum(np.where(held, paid, 0.0), axis=1)
    cost = setup.exit_cost_frac * size * price  # (P,)
    realised = (amount * (price - entry) - cost)[:, None]
    notional = np.where(held, size * worst, 0.0)
    faced = amount * (worst - entry) - np.where(kept, 0.0, cost[:, None])
    return HeldLeg(
        tiers=tiers, side=side, worst_notional=notional,
        worst_profit=np.where(held, faced, realised) - paid,
        close_profit=np.where(kept, amount * (prices.close - entry), realised) - paid,
        worst_margin=margin_of(tiers, notional),
        close_margin=margin_of(tiers, np.where(kept, size * prices.close, 0.0)),
        held=held, kept=kept,
    )  # fmt: skip


def _ends(
    setup: ScenarioAccount, position: Position, prices: _Prices, block: PathBlock,
    taken: IntArray | None,
) -> tuple[IntArray, FloatArray, FloatArray]:  # fmt: skip
    """Return (candle it ends in, price it ends at, adverse prices faced) of one position.

    The price is that of the last candle where it never ends. A stop and the exchange's closing in
    one candle: the stop's price, which is the worse.
    """
    paths, steps = prices.close.shape
    rows = np.arange(paths)
    never = np.full(paths, steps)
    stopped = never if prices.stopped is None else prices.stopped
    ended = stopped if taken is None else np.minimum(stopped, taken)
    at = np.minimum(ended, steps - 1)
    worst, price = prices.worst, prices.opened[rows, at]
    by_stop = (stopped == ended) & (ended < steps)
    if by_stop.any():
        # Where the exchange answers, the price goes through the stop on its way to the extreme.
        in_time = by_stop & block.answers[rows, at]
        fill = np.where(in_time, setup.stops.get(position.pair, 0.0), worst[rows, at])
        price = np.where(by_stop, fill, price)
        worst = worst.copy()
        worst[rows[by_stop], at[by_stop]] = fill[by_stop]
    return ended, price, worst
