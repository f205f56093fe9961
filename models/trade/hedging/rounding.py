"""What of a wanted change the exchange can execute: whole lots, above its smallest order.

An account of a few hundred dollars cannot change its hedge by a tenth: the smallest order decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.base.errors import InputError

_SLACK = 1e-9  # of a lot: an amount in lots may have passed through a float


@dataclass(frozen=True, kw_only=True)
class OrderRules:
    """An exchange's rules for one instrument."""

    lot_base: float = 0.0  # amounts are multiples of this; 0: any amount
    min_notional_quote: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lot_base", "min_notional_quote"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"expected {name} finite and >= 0, got {getattr(self, name)}")


def executable(change_base: float, held_base: float, price: float, rules: OrderRules) -> float:
    """Return the part of `change_base` that can be ordered; 0 if none.

    Parameters
    ----------
    change_base
        Wanted signed change of the position.
    held_base
        Signed position now.

    Returns
    -------
    float
        Rounded toward zero in lots; 0 below the smallest notional. A position that is to be
        closed is closed whole: an exchange takes reduce-only orders of any size. What would
        leave a rest too small to be ordered later closes it as well.

    Examples
    --------
    >>> rules = OrderRules(lot_base=0.001, min_notional_quote=20.0)
    >>> executable(-0.0126, 0.0, 3000.0, rules), executable(-0.005, 0.0, 3000.0, rules)
    (-0.012, 0.0)
    >>> executable(0.009, -0.012, 3000.0, rules)  # the rest would be 9 dollars
    0.012
    """
    if not (math.isfinite(change_base) and math.isfinite(held_base) and 0 < price < math.inf):
        raise InputError(
            f"expected finite amounts and a price > 0, got {change_base}, {held_base}, {price}"
        )
    amount = change_base
    if rules.lot_base > 0:
        lots = math.floor(abs(change_base) / rules.lot_base + _SLACK)
        digits = max(0, 12 - math.floor(math.log10(rules.lot_base)))
        amount = math.copysign(round(lots * rules.lot_base, min(digits, 15)), change_base)
    reducing = held_base * change_base < 0
    if reducing and abs(change_base) <= abs(held_base) * (1 + 1e-12):
        rest = abs(held_base + amount)
        if rest * price < rules.min_notional_quote or rest <= rules.lot_base * _SLACK:
            return -held_base
    if abs(amount) * price < rules.min_notional_quote:
        return 0.0
    return amount


def reachable(
    target: Sequence[float], primary_notional: float, smallest: Sequence[float]
) -> tuple[float, ...]:
    """Return `target` with the legs too small to be ordered folded into the largest one.

    A target that is not known stays unknown.

    Parameters
    ----------
    target
        Ratio of each leg.
    primary_notional
        Of the hedged position, quote.
    smallest
        Smallest order of each leg, quote.

    Examples
    --------
    >>> reachable((0.3, 0.5), 200.0, (100.0, 20.0))  # 60 dollars of BTC cannot be ordered
    (0.0, 0.8)
    >>> reachable((0.3, 0.5), 1000.0, (100.0, 20.0))
    (0.3, 0.5)
    """
    if not all(math.isfinite(r) for r in target):
        return tuple(target)  # not known is not nothing: the hedge is held
    fits = [r * primary_notional >= s for r, s in zip(target, smallest, strict=True)]
    if all(fits) or not any(fits):
        return tuple(target) if all(fits) else (0.0,) * len(target)
    kept = [r if fit else 0.0 for r, fit in zip(target, fits, strict=True)]
    kept[max(range(len(kept)), key=kept.__getitem__)] += sum(target) - sum(kept)
    return tuple(kept)
