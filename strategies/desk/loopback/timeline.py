"""When something can happen: the instants between two times at which the exchange must look.

Between two knots every price is a straight line, so what it makes true stays true up to the next
knot, and the first instant is found exactly instead of by sampling.
"""

from __future__ import annotations

from collections.abc import Callable


def first_true_ms(start_ms: int, stop_ms: int, happens: Callable[[int], bool]) -> int | None:
    """Return the first millisecond after `start_ms` at which `happens`, if it does by `stop_ms`.

    By bisection: once true it must stay true up to `stop_ms`.

    Examples
    --------
    >>> first_true_ms(0, 1000, lambda t: t >= 421)
    421
    """
    if not happens(stop_ms):
        return None
    low, high = start_ms, stop_ms
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if happens(middle) else (middle, high)
    return high
