"""Reading a snapshot: what is unknown is an error by name, and the runner refuses."""

from __future__ import annotations

import math
from typing import TypeVar

from models.base.errors import InputError
from models.trade.risk.snapshot import Intent, Snapshot

_T = TypeVar("_T")


def need(value: _T | None, what: str) -> _T:
    """Return `value` if it is known.

    Raises
    ------
    InputError
        If it is None, or a number that is not finite.

    Examples
    --------
    >>> need(1.5, "mark price")
    1.5
    >>> need(None, "mark price")
    Traceback (most recent call last):
    models.base.errors.InputError: mark price unknown
    """
    if value is None:
        raise InputError(f"{what} unknown")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{what} is {value}")
    return value


def need_price(value: float | None, what: str) -> float:
    """Return `value` if it is a known price > 0; a price of zero is a broken feed."""
    price = need(value, what)
    if price <= 0:
        raise InputError(f"{what} is {price}")
    return price


def intent_of(s: Snapshot) -> Intent:
    """Return the snapshot's intent; only standing guards can do without."""
    return need(s.intent, "intent")
