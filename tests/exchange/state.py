"""What the loopback exchange knows: its symbols, its clock, and the requests it saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.exchange.symbols import LISTED, Symbol


def wall_clock_ms() -> int:
    """Return the machine's time, milliseconds UTC."""
    return time.time_ns() // 1_000_000


@dataclass(kw_only=True)
class ExchangeState:
    """One exchange; handlers read and change it, tests look into it."""

    symbols: tuple[Symbol, ...] = LISTED
    clock: Callable[[], int] = wall_clock_ms
    requests: list[str] = field(default_factory=list)  # "GET /fapi/v1/ping", oldest first
    unknown: list[str] = field(default_factory=list)  # those of them nothing here answers
