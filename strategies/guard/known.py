"""A moment as the guards count it."""

from __future__ import annotations

import math
from datetime import datetime


def epoch_ms(now: datetime) -> int:
    """Return a moment as UTC milliseconds.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> epoch_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000
    """
    return math.floor(now.timestamp() * 1000)
