"""How often a position of a given leverage would have been liquidated, counted on real candles.

An entry at every candle's close, its own margin behind it and nothing else: liquidated once the
extreme of a later candle reaches the liquidation price within the holding time. The extreme is
that of the candles handed in, so mark candles give the exchange's answer and contract candles one
that is a little worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, Candles, FloatArray
from models.base.units import DAY_MS
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.tiers import MarginTiers


@dataclass(frozen=True, kw_only=True)
class LiquidationRow:
    """One cell of the table; `share` is NaN if no entry had the whole holding time ahead."""

    side: int  # +1 long, -1 short
    leverage: float
    hold_ms: int
    share: float  # of entries liquidated within the holding time
    entries: int
    independent: int  # entries that do not overlap: what the share's precision rests on


def liquidation_table(
    candles: Candles,
    candle_ms: int,
    tiers: MarginTiers,
    *,
    leverages: Sequence[float] = (2.0, 3.0, 5.0, 10.0, 20.0),
    holds_ms: Sequence[int] = (DAY_MS, 7 * DAY_MS),
    notional_quote: float = 10_000.0,
) -> tuple[LiquidationRow, ...]:
    """Return the share of entries liquidated, by side, holding time and leverage.

    Parameters
    ----------
    candles
        On one gap-free grid, oldest first.
    tiers
        Margin tiers of the pair.
    notional_quote
        Size of each position, which decides its margin tier.

    Raises
    ------
    InputError
        If a leverage or holding time is not > 0, or a leverage leaves no margin to lose.
    """
    rows = []
    for side in (1, -1):
        for hold_ms in holds_ms:
            candles_held = hold_ms // candle_ms
            if candles_held < 1:
                raise InputError(f"expected to hold at least one candle, got {hold_ms} ms")
            worst = _worst_ahead(candles, candles_held, side)
            for leverage in leverages:
                ratio = liquidation_ratio(tiers, leverage, side, notional_quote)
                hit = _reached(candles.close[: len(worst)] * ratio, worst, side)
                rows.append(
                    LiquidationRow(
                        side=side,
                        leverage=leverage,
                        hold_ms=hold_ms,
                        share=float(hit.mean()) if len(hit) else float("nan"),
                        entries=len(hit),
                        independent=-(-len(hit) // candles_held),
                    )
                )
    return tuple(rows)


def liquidation_ratio(
    tiers: MarginTiers, leverage: float, side: int, notional_quote: float
) -> float:
    """Return the liquidation price over the entry price of a position margined on its own.

    0 for a long that is never liquidated.

    Examples
    --------
    >>> from models.trade.account.tiers import MarginTier
    >>> tier = MarginTier(floor_quote=0, cap_quote=1e6, maintenance_rate_frac=0.01,
    ...                   maintenance_amount_quote=0, max_leverage=50)
    >>> tiers = MarginTiers("X", (tier,))
    >>> round(liquidation_ratio(tiers, 10.0, 1, 1e4), 4)  # 0.9 / 0.99
    0.9091
    >>> round(liquidation_ratio(tiers, 10.0, -1, 1e4), 4)  # 1.1 / 1.01
    1.0891
    """
    if not (np.isfinite(leverage) and leverage > 0 and notional_quote > 0):
        raise InputError(f"expected leverage and notional > 0, got {leverage}, {notional_quote}")
    account = CrossAccount(
        wallet_quote=notional_quote / leverage,
        positions=(Position(pair=tiers.pair, amount_base=side * notional_quote, entry_price=1.0),),
        tiers={tiers.pair: tiers},
    )
    marks = {tiers.pair: 1.0}
    if account.is_liquidated(marks):
        raise InputError(
            f"a position of {notional_quote:g} at {leverage:g}x is liquidated where it is opened",
            where=tiers.pair,
            cure="choose a lower leverage or a smaller position",
        )
    return account.liquidation_price(tiers.pair, marks) or 0.0


def _reached(price: FloatArray, worst: FloatArray, side: int) -> BoolArray:
    reached: BoolArray = worst <= price if side > 0 else worst >= price
    return reached


def _worst_ahead(candles: Candles, count: int, side: int) -> FloatArray:
    """Return the adverse extreme of the `count` candles after each, (N - count,).

    By doubling: the extreme of 2 k candles is that of two runs of k.
    """
    worse = np.minimum if side > 0 else np.maximum
    run = (candles.low if side > 0 else candles.high)[1:]
    out: FloatArray | None = None
    done, length = 0, 1
    while length <= count:
        if count & length:
            part = run[done:]
            size = len(part) if out is None else min(len(out), len(part))
            out = part[:size] if out is None else worse(out[:size], part[:size])
            done += length
        run = worse(run[: max(len(run) - length, 0)], run[length:])
        length *= 2
    assert out is not None  # count >= 1
    return out[: max(len(candles) - count, 0)]
