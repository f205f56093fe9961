"""Answers that may be missing: unknown refuses new risk and never raises."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


def known_or_none(what: str, ask: Callable[[], _T]) -> _T | None:
    """Return the answer, or None if there is none: unknown, which refuses new risk."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is not known
        logger.warning("%s cannot be had: %s", what, error)
        return None


def epoch_ms(now: datetime) -> int:
    """Return a moment as UTC milliseconds.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> epoch_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000
    """
    return math.floor(now.timestamp() * 1000)
