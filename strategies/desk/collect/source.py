"""One place a feed can be read from, and when to ask it again after it failed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from models.base.errors import InputError
from models.data.feeds.store import FeedRecord

_UNSAID_S: Final = 30.0  # of patience, where a provider asks for some and does not say how much

Sleep = Callable[[float], Awaitable[None]]
Reading = Callable[[], Awaitable[Sequence[FeedRecord]]]


class TooManyRequestsError(InputError):
    """A provider asks for patience."""

    def __init__(self, problem: str, retry_after_s: float) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


class FeedSource(Protocol):
    """Where a feed is read from."""

    name: str
    every_s: float  # between two readings; 0 for a stream, which waits by itself
    timeout_s: float  # for one reading
    repeats_events: bool  # whether an answer repeats events told before

    async def read(self) -> Sequence[FeedRecord]:
        """Return what there is to know now; raises where there is no answer, or no sound one."""
        ...


def retry_after_s(headers: Mapping[str, str] | None) -> float | None:
    """Return the seconds of a Retry-After header; one that names a date counts as none.

    Examples
    --------
    >>> retry_after_s({"retry-after": "30"}), retry_after_s({})
    (30.0, None)
    """
    for name, value in (headers or {}).items():
        if name.lower() == "retry-after" and str(value).strip().isdigit():
            return float(value)
    return None


@dataclass
class Rest:
    """A provider that has asked for patience gets it from every feed that reads it.

    Going on asking turns a refusal into a ban, with Binance for days.
    """

    now_s: Callable[[], float]
    _until_s: float = float("-inf")

    def heed(self, name: str) -> None:
        """Raise TooManyRequestsError while the provider is to be left alone."""
        left_s = self._until_s - self.now_s()
        if left_s > 0:
            raise TooManyRequestsError(f"{name} asked to be left alone", left_s)

    def refused(self, problem: str, retry_after_s: float | None) -> TooManyRequestsError:
        """Note a refusal, and return what to raise."""
        pause_s = _UNSAID_S if retry_after_s is None else retry_after_s
        self._until_s = max(self._until_s, self.now_s() + pause_s)
        return TooManyRequestsError(problem, pause_s)


@dataclass
class Patience:
    """How long a source that failed is left alone: exponential back-off with full jitter.

    Half of each pause is random, so that feeds that failed together do not come back together.
    """

    first_s: float
    longest_s: float
    random: random.Random
    failures: int = 0

    def failed(self, error: BaseException) -> float:
        """Count a failure and return the pause, seconds; never shorter than the provider asks."""
        self.failures += 1
        pause = min(self.first_s * 2.0 ** min(self.failures - 1, 30), self.longest_s)
        pause *= 0.5 + 0.5 * self.random.random()
        return max(pause, error.retry_after_s) if isinstance(error, TooManyRequestsError) else pause

    def succeeded(self) -> None:
        """Start from the shortest pause again."""
        self.failures = 0


@dataclass
class Spacing:
    """At least so many seconds between two requests to one provider, whoever makes them."""

    every_s: float
    now_s: Callable[[], float]
    sleep: Sleep
    _free_s: float = float("-inf")
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def turn(self) -> None:
        """Wait for a turn."""
        async with self._turn:
            wait = self._free_s - self.now_s()
            if wait > 0:
                await self.sleep(wait)
            self._free_s = self.now_s() + self.every_s
