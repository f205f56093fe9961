"""What the loopback exchange knows: its symbols, its clock, its market and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from models.base.files import Clock, wall_clock_ms
from strategies.desk.loopback.conditions import Conditions
from strategies.desk.loopback.limits import RateLimits
from strategies.desk.loopback.symbols import LISTED, Symbol
from strategies.desk.loopback.venue import LoopbackVenue


@dataclass(kw_only=True)
class LoopbackState:
    """One exchange; handlers read and change it.

    Without a `venue` it only describes its symbols, which is all a backtest asks for.
    """

    symbols: tuple[Symbol, ...] = LISTED
    clock: Clock = wall_clock_ms
    venue: LoopbackVenue | None = None
    conditions: Conditions = field(default_factory=Conditions)
    limits: RateLimits = field(default_factory=RateLimits)
    unknown: list[str] = field(default_factory=list)  # requests nothing here answers, oldest first

    def __post_init__(self) -> None:
        if self.venue is not None:
            self.clock, self.symbols = self.venue.clock, self.venue.symbols


STATE_KEY: Final = web.AppKey("state", LoopbackState)  # where the application keeps it
