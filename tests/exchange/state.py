"""The loopback exchange's state with what tests switch on and look into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from strategies.desk.loopback.state import LoopbackState
from tests.exchange.faults import Faults


@dataclass(frozen=True)
class Arrival:
    """One request as it came in."""

    time_ms: float  # by the machine's clock, UTC
    line: str  # "GET /fapi/v1/ping"
    weight: int


@dataclass(kw_only=True)
class ExchangeState(LoopbackState):
    """One exchange whose faults are its conditions; it keeps every request it saw."""

    faults: Faults = field(default_factory=Faults)
    requests: list[str] = field(default_factory=list)  # "GET /fapi/v1/ping", oldest first
    arrivals: list[Arrival] = field(default_factory=list)  # the same, with time and weight
    watchers: list[Callable[[], None]] = field(default_factory=list)  # called after each of them

    def __post_init__(self) -> None:
        super().__post_init__()
        self.conditions = self.faults
