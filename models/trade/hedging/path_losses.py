"""What a primary and its hedge legs lose along joint paths, each per unit of its ratio.

A position that is held as it is has an equity that is linear in its size, at every price. So what
one unit of each position loses is computed once, and every sum of them is a loss of the account.

*At closes* all prices are known at one moment: there losses are counted. *At extremes* every
position meets its own adverse extreme of the candle, as the account room has it: there the account
is looked at for liquidation. Which extreme is adverse goes by the side, never by the size, so that
stays linear, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import FloatArray
from models.scenarios.paths import PathBlock
from models.trade.account.scenario_account import check_path_block


@dataclass(frozen=True, kw_only=True)
class UnitLosses:
    """Losses of one unit of each position, in units of the primary's notional.

    The primary is position 0, the legs are the others; a negative loss is a gain. Price and
    funding are in it, trading is not.
    """

    at_closes: FloatArray  # (1 + K, P, T)
    at_extremes: FloatArray  # (1 + K, P, T), maintenance margin added
    upside: float  # mean of what the primary gains by the end, where it gains


def unit_losses(
    blocks: Sequence[PathBlock], coins: Sequence[str], side: int, rates_frac: Sequence[float]
) -> UnitLosses:
    """Return what each position loses at every candle of every path.

    Parameters
    ----------
    blocks
        Of the same steps, P paths together.
    coins
        The blocks' columns, the primary first.
    side
        Of the primary, +1 long or -1 short; the legs have the other one.
    rates_frac
        (1 + K,) maintenance margin of each, as a fraction of its notional.

    Raises
    ------
    InputError, AlignmentError
        If there are no paths, no leg, or the paths are not sound (`check_path_block`).
    """
    if not blocks or len(coins) < 2:
        raise InputError(
            f"expected paths of a primary and at least one leg, got {len(blocks)} blocks of "
            f"{list(coins)}",
            where="tail hedge",
            cure="draw scenarios of the primary and of every coin that may hedge it",
        )
    for block in blocks:
        check_path_block(block, coins, 1)
    steps = {block.close.shape[1] for block in blocks}
    if len(steps) > 1:
        raise AlignmentError(
            f"expected blocks of the same steps, got {sorted(steps)}",
            where="tail hedge",
            cure="draw all paths at once, or with the same number of steps",
        )
    sides = [side] + [-side] * (len(coins) - 1)
    each = [
        _of_coin(blocks, a, s, r) for a, (s, r) in enumerate(zip(sides, rates_frac, strict=True))
    ]
    at_closes = np.stack([closes for closes, _ in each])
    return UnitLosses(
        at_closes=at_closes,
        at_extremes=np.stack([extremes for _, extremes in each]),
        upside=float(np.maximum(-at_closes[0, :, -1], 0.0).mean()),
    )


def _of_coin(
    blocks: Sequence[PathBlock], a: int, side: int, rate_frac: float
) -> tuple[FloatArray, FloatArray]:
    """Return losses of one unit of a coin at closes and at extremes, (P, T) each."""
    close = np.concatenate([b.close[:, :, a] for b in blocks])
    extreme = np.concatenate([(b.low if side > 0 else b.high)[:, :, a] for b in blocks])
    price = np.exp(np.cumsum(close, axis=1))  # of what stood at 1 when the paths begin
    opened = np.concatenate((np.ones((len(price), 1)), price[:, :-1]), axis=1)
    worst = opened * np.exp(extreme)
    paid = np.concatenate([b.funding[:, :, a] for b in blocks])
    paid = np.cumsum(side * opened * paid, axis=1)
    # DIFF: the account room has tiers; here a position has one maintenance rate, that of the
    # largest notional it may reach. Margin is then never too low, and linear in the size.
    return paid - side * (price - 1.0), paid - side * (worst - 1.0) + rate_frac * worst
