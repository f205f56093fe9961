"""An account that joint paths are taken through: what it holds now, and what ends a position.

The account is a `CrossAccount` at the marks the paths start from. Nothing is decided on the way: a
position stays as it is until its stop at the exchange fills, the exchange closes it because the
other side failed (auto-deleveraging), or the account is liquidated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.scenarios.paths import PathBlock
from models.trade.account.cross import CrossAccount

ADL_FALL_FRAC: Final = 0.1  # within an hour: then the exchange closes the other side's positions
_SLACK = 1e-12  # of a log return: a low may be a rounding above its close


@dataclass(frozen=True, kw_only=True)
class ScenarioAccount:
    """What is held when the paths begin, and by what rules a position may end before them.

    Attributes
    ----------
    account
        Wallet, positions and tiers; `pending_quote` is what opening costs.
    marks
        Price of every position at the end of the history, quote units.
    stops
        Stop price at the exchange by pair, between the mark and ruin: below it for a long, above
        it for a short.
    exit_cost_frac
        Fee and slippage of a stop's or the exchange's own closing, of its notional.
    liquidation_fee_frac
        Of the notional that a liquidation closes, taken from what equity is left.
    deleveraging_frac
        Move against a position within one candle that makes the exchange close every position of
        the other side, at that candle's open, before it has earned anything; None is never.

    Raises
    ------
    InputError
        If there is no position or mark, a number is out of range, a stop is on the wrong side, or
        the account is liquidated where it stands.
    """

    account: CrossAccount
    marks: Mapping[str, float]
    stops: Mapping[str, float] = field(default_factory=dict)
    exit_cost_frac: float = 0.001
    liquidation_fee_frac: float = 0.0125
    deleveraging_frac: float | None = None

    def __post_init__(self) -> None:
        if not self.account.positions:
            raise InputError("expected at least one position", where="scenario account")
        fracs = (self.exit_cost_frac, self.liquidation_fee_frac)
        if not all(0 <= frac < 1 for frac in fracs):
            raise InputError(f"expected costs from 0 to below 1 of the notional, got {fracs}")
        adl = self.deleveraging_frac
        if adl is not None and not 0 < adl < 1:
            raise InputError(f"expected a move between 0 and 1 for deleveraging, got {adl}")
        if self.account.is_liquidated(self.marks):
            raise InputError(
                f"an account with equity {self.account.equity(self.marks):g} and maintenance "
                f"margin {self.account.maintenance_margin(self.marks):g} is liquidated before any "
                "path begins",
                where="scenario account",
                cure="hold less, or put more into the wallet",
            )
        self._check_stops()

    def _check_stops(self) -> None:
        held = {p.pair: p.amount_base for p in self.account.positions}
        for pair, price in self.stops.items():
            if pair not in held:
                raise InputError(f"a stop of {pair}, which is not held", where="scenario account")
            room = (self.marks[pair] - price) * np.sign(held[pair])
            if not (np.isfinite(price) and price > 0 and room > 0):
                side = "below" if held[pair] > 0 else "above"
                raise InputError(
                    f"expected a stop {side} the mark {self.marks[pair]:g}, got {price}",
                    where=pair,
                )

    def columns(self, coins: Sequence[str]) -> list[int]:
        """Return the column of each position among the coins of a block.

        Raises
        ------
        AlignmentError
            If a position has no paths.
        """
        missing = [p.pair for p in self.account.positions if p.pair not in coins]
        if missing:
            raise AlignmentError(
                f"no paths of {missing}, only of {list(coins)}",
                where="scenario account",
                cure="draw scenarios of every coin that is held",
            )
        return [list(coins).index(p.pair) for p in self.account.positions]


def check_path_block(block: PathBlock, coins: Sequence[str], steps: int) -> None:
    """Raise unless a block has all coins, `steps` candles at least, and candles that can be.

    Raises
    ------
    AlignmentError
        If the shapes differ from each other or from what is asked.
    InputError
        If a number is not finite, a low is above or a high below its candle's closes, or funding
        is more than all.
    """
    shape = block.close.shape
    alike = all(x.shape == shape for x in (block.low, block.high, block.funding))
    if len(shape) != 3 or not alike or block.answers.shape != shape[:2]:
        raise AlignmentError(
            f"expected paths of one shape (P, T, A), got close {shape}, low {block.low.shape}, "
            f"high {block.high.shape}, funding {block.funding.shape}, answers "
            f"{block.answers.shape}",
            where="block of paths",
        )
    if shape[0] < 1 or shape[1] < steps or shape[2] != len(coins):
        raise AlignmentError(
            f"expected at least 1 path of {steps} candles of {len(coins)} coins, got {shape}",
            where="block of paths",
            cure="draw as many steps as the furthest horizon has",
        )
    # A sum is finite only where all of it is, and NaN passes no comparison.
    sums = [float(x.sum()) for x in (block.close, block.low, block.high, block.funding)]
    if not np.isfinite(sums).all():
        raise InputError(
            "expected finite paths, got NaN or inf",
            where="block of paths",
            cure="an engine that breaks must not count as a calm market",
        )
    below = (block.low <= np.minimum(block.close, 0.0) + _SLACK).all()
    above = (block.high >= np.maximum(block.close, 0.0) - _SLACK).all()
    if not (below and above and np.abs(block.funding).max() < 1):
        raise InputError(
            "expected low <= close and open <= high in every candle, and funding below 1",
            where="block of paths",
        )
