"""What the loopback exchange knows: its symbols, its clock, and the requests it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.exchange.clock import Clock, wall_clock_ms
from tests.exchange.faults import Faults
from tests.exchange.limits import RateLimits
from tests.exchange.symbols import LISTED, Symbol
from tests.exchange.venue import Venue


@dataclass(frozen=True)
class Arrival:
    """One request as it came in."""

    time_ms: float  # by the machine's clock, UTC
    line: str  # "GET /fapi/v1/ping"
    weight: int


@dataclass(kw_only=True)
class ExchangeState:
    """One exchange; handlers read and change it, tests look into it.

    Without a `venue` it only describes its symbols, which is all a backtest asks for.
    """

    symbols: tuple[Symbol, ...] = LISTED
    clock: Clock = wall_clock_ms
    venue: Venue | None = None
    faults: Faults = field(default_factory=Faults)
    limits: RateLimits = field(default_factory=RateLimits)
    requests: list[str] = field(default_factory=list)  # "GET /fapi/v1/ping", oldest first
    arrivals: list[Arrival] = field(default_factory=list)  # the same, with time and weight
    unknown: list[str] = field(default_factory=list)  # those of them nothing here answers
    watchers: list[Callable[[], None]] = field(default_factory=list)  # called after each of them

    def __post_init__(self) -> None:
        if self.venue is not None:
            self.clock, self.symbols = self.venue.clock, self.venue.symbols
