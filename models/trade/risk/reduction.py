"""How to get out without moving the market: small steps, each a share of what is traded.

Source: crowded exits amplify a crash in proportion to what is sold at once (Khandani & Lo 2007);
only selling less at a time helps, which is why a step is capped by volume and never by urgency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from models.base.errors import InputError
from models.base.units import HOUR_S, SECOND_MS

STEP_S: Final = 60.0
# Of the position, per step, while nobody knows the volume: out within ten minutes all the same.
_BLIND_STEP_FRAC: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class ReductionStep:
    """What to close now, and when the next step may follow."""

    notional_quote: float
    next_ms: int
    last: bool  # nothing is left to do after it


def next_step(
    *,
    now_ms: int,
    held_quote: float,
    target_quote: float,
    volume_1h_quote: float | None,
    max_volume_frac: float,
    smallest_quote: float = 0.0,
) -> ReductionStep:
    """Return the next step from `held_quote` down to `target_quote`.

    Parameters
    ----------
    now_ms
        Time of the step.
    held_quote, target_quote
        Absolute notional of the position now, and of what shall be left of it.
    volume_1h_quote
        Traded in the last hour; None or nonsense if unknown, which must not keep anyone in.
    max_volume_frac
        Share of the volume expected until the next step.
    smallest_quote
        Least order the exchange takes: nothing smaller is left behind.

    Raises
    ------
    InputError
        If a notional is not finite or negative, or the share is not in (0, 1].

    Examples
    --------
    >>> next_step(now_ms=0, held_quote=1e5, target_quote=0.0, volume_1h_quote=6e7,
    ...           max_volume_frac=0.05).notional_quote
    50000.0
    """
    if not (0 <= target_quote < math.inf and 0 <= held_quote < math.inf):
        raise InputError(f"expected notionals >= 0, got {held_quote} and {target_quote}")
    if not 0 < max_volume_frac <= 1:
        raise InputError(f"expected a share of volume in (0, 1], got {max_volume_frac}")
    left = held_quote - target_quote
    known = volume_1h_quote is not None and 0 < volume_1h_quote < math.inf
    if known and volume_1h_quote is not None:
        most = max_volume_frac * volume_1h_quote * STEP_S / HOUR_S
    else:
        most = _BLIND_STEP_FRAC * held_quote
    size = max(min(max(most, smallest_quote), left), 0.0)
    if left - size < smallest_quote:  # no crumb that a last step could not close
        size = max(left, 0.0)
    if size > 0 and held_quote - size < smallest_quote:
        size = held_quote
    return ReductionStep(
        notional_quote=size, next_ms=now_ms + round(SECOND_MS * STEP_S), last=size >= left
    )
