"""What can go wrong with an exchange, as switches a test sets for a time.

A fault applies to requests whose line, for example ``POST /fapi/v1/order``, contains `on`, from
`start_ms` to `stop_ms` of the exchange's clock, at most `times` times and each time with `chance`.
Of a question about one market the line names it: ``GET /fapi/v1/openOrders ETHUSDT``.
Times left open mean always. Which faults struck, and where, is kept in `Faults.struck`.

An order whose status stays unknown is ``Drop(on="POST /fapi/v1/order", executed=True)``: it is
placed, and the answer is lost. A total outage is ``Drop()``. A refused order is an ``Answer`` with
the exchange's code. A frozen mark price is `Market.freeze_mark`, auto-deleveraging
`Venue.deleverage`: they belong to the market, not to a request.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from strategies.desk.loopback.conditions import Conditions, KlineRows

_SIGNED: Final = ("v3/account", "positionRisk", "balance", "rder", "userTrades", "income")
REFUSALS: Final = {
    "key revoked": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "clock refused": (400, -1021, "Timestamp for this request is outside of the recvWindow."),
}


@dataclass(kw_only=True)
class Fault:
    """Where and when a fault applies."""

    on: str = ""
    start_ms: int = 0
    stop_ms: int | None = None
    times: int | None = None
    chance: float = 1.0

    def applies(self, line: str, now_ms: int) -> bool:
        """Return whether the fault is switched on for this request."""
        on_time = self.start_ms <= now_ms and (self.stop_ms is None or now_ms < self.stop_ms)
        return on_time and self.on in line and (self.times is None or self.times > 0)


@dataclass(kw_only=True)
class Latency(Fault):
    """Wait before the request is looked at, and before its answer leaves.

    Functions of a seeded generator, in seconds, for example ``lambda r: r.lognormvariate(-3, 1)``.
    """

    before_s: Callable[[random.Random], float] = lambda _: 0.0
    after_s: Callable[[random.Random], float] = lambda _: 0.0


@dataclass(kw_only=True)
class Answer(Fault):
    """Answer with an error; with `executed`, after doing what was asked."""

    status: int
    code: int
    message: str
    retry_after_s: int | None = None
    executed: bool = False


@dataclass(kw_only=True)
class Drop(Fault):
    """Reset the connection; with `executed`, after doing what was asked."""

    executed: bool = False


@dataclass(kw_only=True)
class HalfBody(Fault):
    """Announce the whole answer, send half of it, and close."""


@dataclass(kw_only=True)
class Trickle(Fault):
    """Send the answer byte by byte, with a pause before each."""

    every_s: float


@dataclass(kw_only=True)
class Page(Fault):
    """Answer with a web page, as what stands before an exchange does when it is down."""

    status: int = 502


@dataclass(kw_only=True)
class Altered(Fault):
    """Do what was asked, and send another answer: what `change` makes of the true one's JSON."""

    change: Callable[[Any], object]


@dataclass(kw_only=True)
class StalePrices(Fault):
    """Mark price, funding and order book carry the time of `ms` ago."""

    on: str = "GET /fapi/v1/"
    ms: int


@dataclass(kw_only=True)
class ClockSkew(Fault):
    """The server's clock is ahead by `ms`, in what it answers and in what it accepts."""

    ms: int


@dataclass(kw_only=True)
class StaleCandles(Fault):
    """Klines of the state `ms` ago."""

    on: str = "lines"  # klines and markPriceKlines
    ms: int


@dataclass(kw_only=True)
class CandleFault(Fault, ABC):
    """A change to the klines that are sent."""

    on: str = "lines"

    @abstractmethod
    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        """Return the rows as they leave."""


@dataclass(kw_only=True)
class LateClose(CandleFault):
    """The forming candle appears only `ms` after it opened."""

    ms: int

    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        return rows[:-1] if rows and now_ms - rows[-1][0] < self.ms else rows


@dataclass(kw_only=True)
class MissingCandles(CandleFault):
    """Candles that open at these times are left out."""

    opens_ms: Sequence[int]

    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        return [row for row in rows if row[0] not in self.opens_ms]


@dataclass(kw_only=True)
class NoCandles(CandleFault):
    """The list of candles is empty."""

    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        return []


@dataclass(kw_only=True)
class OffCandles(CandleFault):
    """Every price is off by `frac` of itself."""

    frac: float

    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        return [
            [row[0], *(f"{float(price) * (1 + self.frac):.2f}" for price in row[1:5]), *row[5:]]
            for row in rows
        ]


@dataclass(kw_only=True)
class DuplicateCandles(CandleFault):
    """The last closed candle is sent twice."""

    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        return [*rows[:-2], *rows[-2:-1], *rows[-2:]]


@dataclass(kw_only=True)
class ShuffledCandles(CandleFault):
    """The last closed candle and the one before it change places."""

    def change(self, rows: KlineRows, now_ms: int) -> KlineRows:
        return [*rows[:-3], *rows[-2:-1], *rows[-3:-2], *rows[-1:]] if len(rows) > 2 else rows


def refused_requests(refusal: str) -> list[Answer]:
    """Return the refusal, named as in `REFUSALS`, of every request about the account."""
    status, code, message = REFUSALS[refusal]
    return [Answer(on=on, status=status, code=code, message=message) for on in _SIGNED]


def broken_row(on: str, symbol: str, change: Callable[[dict[str, Any]], object]) -> Altered:
    """Return the fault of an answer in which one symbol's row is what `change` makes of it."""

    def changed(row: dict[str, Any]) -> object:
        return change(row) if row.get("symbol") == symbol else row

    return Altered(
        on=on, change=lambda told: [*map(changed, told)] if type(told) is list else changed(told)
    )


Kind = TypeVar("Kind", bound=Fault)


@dataclass(kw_only=True)
class Faults(Conditions):
    """The faults of one exchange; tests add and clear them while it runs."""

    seed: int = 0
    active: list[Fault] = field(default_factory=list)
    struck: list[tuple[int, str, str]] = field(default_factory=list)  # when, which, request line

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def add(self, *faults: Fault) -> None:
        """Switch faults on."""
        self.active.extend(faults)

    def clear(self) -> None:
        """Switch everything off; what has struck stays on record."""
        self.active.clear()

    def strike(self, kind: type[Kind], line: str, now_ms: int) -> Kind | None:
        """Return the first fault of `kind` that hits this request, and count it."""
        for fault in tuple(self.active):
            if isinstance(fault, kind) and self._hits(fault, line, now_ms):
                return fault
        return None

    def skew_ms(self, line: str, now_ms: int) -> int:
        """Return how far the server's clock is off; 0 without the fault."""
        skew = self.strike(ClockSkew, line, now_ms)
        return skew.ms if skew else 0

    def seen_ms(self, line: str, now_ms: int) -> int:
        """Return the time klines are answered for."""
        stale = self.strike(StaleCandles, line, now_ms)
        return now_ms - stale.ms if stale else now_ms

    def stamp_ms(self, line: str, now_ms: int) -> int:
        """Return the time prices are stamped with."""
        stale = self.strike(StalePrices, line, now_ms)
        return now_ms - stale.ms if stale else now_ms

    def candles(self, rows: KlineRows, line: str, now_ms: int) -> KlineRows:
        """Return klines as they leave: every candle fault that hits changes them."""
        for fault in tuple(self.active):
            if isinstance(fault, CandleFault) and self._hits(fault, line, now_ms):
                rows = fault.change(rows, now_ms)
        return rows

    def _hits(self, fault: Fault, line: str, now_ms: int) -> bool:
        if not fault.applies(line, now_ms) or self.random.random() >= fault.chance:
            return False
        if fault.times is not None:
            fault.times -= 1
        self.struck.append((now_ms, type(fault).__name__, line))
        return True
