"""A bid side level by level, of single orders of random size: what the closed form leaves out.

Every sale is settled between two accounts, the sellers' and the makers': no coin and no money
comes from nowhere. The density of the orders, not the law of impact, is what is put in.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.errors import InputError
from models.studies.crowding.impact import SQUARE_ROOT, ImpactRules

_TICK: Final = 2e-4  # log distance of two levels
_DEEPEST: Final = 1.5  # log distance of the last bid: a fall of 78 %
_ROUGH: Final = 0.5  # sigma of the log size of an order


class LevelBook:
    """Bids at log distances below a reference price of 1; quantities in days' volumes.

    Parameters
    ----------
    rng
        None rests the mean size at every level.

    Raises
    ------
    InputError
        If the market is one without impact, which has no such book; by `sell`, if more is sold
        than there are bids.
    """

    def __init__(self, rules: ImpactRules, rng: np.random.Generator | None = None) -> None:
        if not rules.scale > 0:
            raise InputError("expected a law of impact, got none", where="limit order book")
        self.rules = rules
        edges = np.arange(0.0, _DEEPEST, _TICK)
        self.distance = edges + _TICK / 2  # (L,) of each level
        # Impact c q^p inverted: within x of the reference rest (x / c)^(1/p) of bids.
        whole = 1 / rules.power
        inside = (np.append(edges, _DEEPEST) / rules.scale) ** whole
        size = np.diff(inside)[: len(edges)]
        if rng is not None:
            size = size * np.exp(_ROUGH * rng.standard_normal(len(size)) - _ROUGH**2 / 2)
        self.full, self.price = size, np.exp(-self.distance)
        self.resting = size.copy()
        self.sellers_coins, self.sellers_money = 0.0, 0.0
        self.makers_coins, self.makers_money = 0.0, 0.0

    @property
    def fall(self) -> float:
        """Log distance of the best bid, which may be partly taken, below the reference."""
        missing = float(self.full.sum() - self.resting.sum())
        if missing <= 0:
            return 0.0
        at = min(int(np.searchsorted(np.cumsum(self.full), missing)), len(self.full) - 1)
        gone = 1 - self.resting[at] / self.full[at]
        lowest = at * _TICK
        if self.rules.law == SQUARE_ROOT and at == 0:
            gone = gone**0.5  # the first level is the one the density changes most in
        return float(lowest + gone * _TICK)

    def sell(self, quantity: float) -> float:
        """Take the nearest bids; return what was paid."""
        if quantity > self.resting.sum():
            raise InputError(
                f"expected at most {self.resting.sum():.3g} days' volumes, got {quantity:.3g}",
                where="limit order book",
                cure="a smaller crowd, or a deeper market",
            )
        # Bids come back from the deepest up, so the taken ones are always the nearest.
        through = np.minimum(np.cumsum(self.resting), quantity)
        each = np.diff(through, prepend=0.0)  # (L,) taken at every level
        self.resting = np.maximum(self.resting - each, 0.0)
        coins, money = float(each.sum()), float(each @ self.price)
        self.sellers_coins -= coins
        self.makers_coins += coins
        self.sellers_money += money
        self.makers_money -= money
        return money

    def rest(self, minutes: float) -> None:
        """Let a share of what is missing come back, the deepest bids first."""
        missing = self.full - self.resting
        back = missing.sum() * (1 - self.rules.kept(minutes))
        after = np.cumsum(missing[::-1])  # from the deepest up
        self.resting += np.diff(np.minimum(after, back), prepend=0.0)[::-1]
