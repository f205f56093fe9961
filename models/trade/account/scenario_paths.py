"""A cross-margin account along joint paths: what becomes of it on each of them.

Liquidation is looked for in every candle twice. *At the extremes*: every position at its own
adverse extreme at once, longs at their lows and shorts at their highs, so no hedge is credited
with an extreme of its own; candles do not say whether that ever happened, and nothing worse can
have. *At the closes*: only where all prices are known at one moment, and nothing milder can have
been. The truth lies between; whatever is about safety takes the first, and after it nothing is
left but what the liquidation left.

Funding is exchanged at a candle's open on the close before it, as `Ledger` has it, by what is held
then. A liquidation closes everything at the extremes and takes its fee; below zero it ends at 0.

Source: as `cross.py`. Breaks where the exchange liquidates in steps instead of all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.scenarios.paths import PathBlock
from models.trade.account.distance import uniform_distance
from models.trade.account.scenario_account import ScenarioAccount, check_path_block
from models.trade.account.scenario_legs import HeldLeg, first_step, held_legs

_CELLS: Final = 40_000  # of paths by candles: what is between two sums stays in a core's cache


@dataclass(frozen=True, kw_only=True)
class PathOutcomes:
    """What became of the account, path by path; horizons are the H candles asked about.

    At most 16 H + 24 bytes a path. `scale` is the factor on all positions (and on what opening
    them cost) from which on the path liquidates the account at its extremes by each horizon; inf
    beyond the largest factor looked at.
    """

    equity: FloatArray  # (P, H) at each horizon's close; after a liquidation what it left
    scale: FloatArray  # (P, H), or (P, 0) where it was not asked for
    at_extremes: IntArray  # (P,) candle of the liquidation, -1 for none
    at_closes: IntArray  # (P,) the same if only closes counted
    distance: FloatArray  # (P,) least adverse move of all legs left in any candle, at most 1

    def __len__(self) -> int:
        return len(self.equity)


def joined_outcomes(parts: Sequence[PathOutcomes]) -> PathOutcomes:
    """Return the outcomes of all parts, in their order."""
    names = [f.name for f in fields(PathOutcomes)]
    return PathOutcomes(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def path_outcomes(
    setup: ScenarioAccount,
    coins: Sequence[str],
    block: PathBlock,
    horizons: Sequence[int],
    *,
    largest_scale: float | None = None,
) -> PathOutcomes:
    """Return what becomes of the account on each path of a block.

    Parameters
    ----------
    coins
        The block's columns; those not held are not looked at.
    horizons
        Candles after the start, rising, each >= 1; nothing after the last is looked at.
    largest_scale
        Up to which factor on the positions `PathOutcomes.scale` is told; None leaves it out.

    Raises
    ------
    InputError, AlignmentError
        If the block does not fit (`check_path_block`), a position has no paths, or the horizons
        do not rise from 1.
    """
    steps = list(horizons)
    if not steps or steps[0] < 1 or any(b <= a for a, b in pairwise(steps)):
        raise InputError(f"expected horizons that rise from 1 candle on, got {steps}")
    if largest_scale is not None:
        _check_scale(setup, largest_scale)
    columns = setup.columns(coins)
    check_path_block(block, coins, steps[-1])
    ends = np.array(steps) - 1
    rows = max(1, _CELLS // steps[-1])
    return joined_outcomes([
        _part(setup, columns, _cut(block, slice(i, i + rows), steps[-1]), ends, largest_scale)
        for i in range(0, len(block), rows)
    ])  # fmt: skip


def _check_scale(setup: ScenarioAccount, largest: float) -> None:
    if not (np.isfinite(largest) and largest > 0 and setup.account.wallet_quote > 0):
        raise InputError(
            f"expected a finite scale > 0 and a wallet > 0, got {largest} and "
            f"{setup.account.wallet_quote}",
            where="scenario account",
        )


def _cut(block: PathBlock, rows: slice, steps: int) -> PathBlock:
    return PathBlock(
        close=block.close[rows, :steps], low=block.low[rows, :steps],
        high=block.high[rows, :steps], funding=block.funding[rows, :steps],
        answers=block.answers[rows, :steps],
    )  # fmt: skip


def _part(
    setup: ScenarioAccount,
    columns: list[int],
    block: PathBlock,
    ends: IntArray,
    largest: float | None,
) -> PathOutcomes:
    legs = held_legs(setup, columns, block)
    own = setup.account.wallet_quote - setup.account.pending_quote
    equity = own + _sum([leg.worst_profit for leg in legs])
    margin = _sum([leg.worst_margin for leg in legs])
    surplus = equity - margin
    hit = first_step(_both(surplus <= 0, _any([leg.held for leg in legs])))
    closing = own + _sum([leg.close_profit for leg in legs])
    closes = closing - _sum([leg.close_margin for leg in legs])
    late = first_step(_both(closes <= 0, _any([leg.kept for leg in legs])))
    count, rows = surplus.shape[1], np.arange(len(surplus))
    at = np.minimum(hit, count - 1)
    gross = _sum([leg.worst_notional[rows, at] for leg in legs])
    left = np.maximum(equity[rows, at] - setup.liquidation_fee_frac * gross, 0.0)
    return PathOutcomes(
        equity=np.where(hit[:, None] <= ends, left[:, None], closing[:, ends]),
        scale=_scales(setup, legs, largest, ends),
        at_extremes=np.where(hit < count, hit, -1),
        at_closes=np.where(late < count, late, -1),
        distance=np.where(hit < count, 0.0, _least_distance(legs, equity, surplus)),
    )


def _least_distance(legs: list[HeldLeg], equity: FloatArray, surplus: FloatArray) -> FloatArray:
    """Return the least `uniform_distance` of each path's candles, (P,), at most 1.

    Equity falls with the move at a rate between two bounds that need no search, so only candles
    that could be a path's nearest are solved.
    """
    steep, gentle = np.zeros_like(surplus), np.zeros_like(surplus)  # most and least it may fall
    for leg in legs:
        n, rates = leg.worst_notional, leg.tiers.rates_frac
        top = rates[np.searchsorted(leg.tiers.floors_quote, 2 * n.max(), side="right") - 1]
        steep += n * (1 - rates[0] if leg.side > 0 else 1 + top)
        gentle += n * (1 - top if leg.side > 0 else 1 + rates[0])
    held = gentle > 0
    near = np.divide(surplus, steep, out=np.full_like(surplus, np.inf), where=held)
    far = np.divide(surplus, gentle, out=np.full_like(surplus, np.inf), where=held)
    least = np.minimum(far.min(axis=1), 1.0)
    row, step = np.nonzero(near <= least[:, None])
    notional = np.column_stack([leg.side * leg.worst_notional[row, step] for leg in legs])
    out = np.ones(len(surplus))
    if len(row):
        exact = uniform_distance(equity[row, step], notional, [leg.tiers for leg in legs])
        np.minimum.at(out, row, exact)
    return out


def _scales(
    setup: ScenarioAccount, legs: list[HeldLeg], largest: float | None, ends: IntArray
) -> FloatArray:
    """Return the least factor on the positions that liquidates by each horizon, (P, H).

    With a factor s the surplus of a candle is ``wallet + s * profit - margin(s * notional)``:
    concave in s, as margins are convex, and > 0 at 0. So once liquidated, every larger factor is
    too. Rates bound the factor of every candle; only those that could be the least are solved.
    """
    if largest is None:
        return np.empty((len(legs[0].worst_profit), 0))
    wallet = setup.account.wallet_quote
    profit = _sum([leg.worst_profit for leg in legs]) - setup.account.pending_quote
    heavy, light, spare = -profit, -profit, wallet
    for leg in legs:
        n, rates = leg.worst_notional, leg.tiers.rates_frac
        top = rates[np.searchsorted(leg.tiers.floors_quote, largest * n.max(), side="right") - 1]
        heavy = heavy + top * n
        light = light + rates[0] * n
        spare += leg.tiers.amounts_quote[0]
    early = np.divide(wallet, heavy, out=np.full_like(heavy, np.inf), where=heavy > 0)
    late = np.divide(spare, light, out=np.full_like(light, np.inf), where=light > 0)
    late = np.minimum(np.minimum.accumulate(late, axis=1), largest)
    row, step = np.nonzero(early <= late)
    found = np.full_like(profit, np.inf)
    notional = np.column_stack([leg.worst_notional[row, step] for leg in legs])
    found[row, step] = _root(wallet, profit[row, step], notional, legs, largest)
    out: FloatArray = np.minimum.accumulate(found, axis=1)[:, ends]
    return out


def _root(
    wallet: float, profit: FloatArray, notional: FloatArray, legs: list[HeldLeg], largest: float
) -> FloatArray:
    """Return the factor in (0, largest] at which the surplus is 0, (N,); inf where none is.

    Newton's method from the right of a concave function falls to its root without passing it, at
    most one step for each bracket.
    """
    out = np.full(len(profit), np.inf)
    owed, slope = _line(np.full(len(profit), largest), wallet, profit, notional, legs)
    hit = owed - largest * slope <= 0
    s, profit, notional = owed[hit] / slope[hit], profit[hit], notional[hit]
    for _ in range(sum(len(leg.tiers.tiers) for leg in legs)):
        owed, slope = _line(s, wallet, profit, notional, legs)
        before, s = s, owed / slope
        if (s == before).all():
            break
    out[hit] = s
    return out


def _line(
    s: FloatArray, wallet: float, profit: FloatArray, notional: FloatArray, legs: list[HeldLeg]
) -> tuple[FloatArray, FloatArray]:
    """Return (owed, slope) of the surplus, ``owed - s * slope``, on the brackets of factor s."""
    owed, slope = np.full(len(s), wallet), -profit
    for leg, n in zip(legs, notional.T, strict=True):
        bracket = np.searchsorted(leg.tiers.floors_quote, s * n, side="right") - 1
        owed = owed + leg.tiers.amounts_quote[bracket]
        slope = slope + leg.tiers.rates_frac[bracket] * n
    return owed, slope


def _sum(parts: list[FloatArray]) -> FloatArray:
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _any(parts: list[BoolArray | None]) -> BoolArray | None:
    """Return where any position is held; None where that is always."""
    out: BoolArray | None = None
    for part in parts:
        if part is None:
            return None
        out = part if out is None else out | part
    return out


def _both(hit: BoolArray, held: BoolArray | None) -> BoolArray:
    return hit if held is None else hit & held
