"""What can go wrong with the Bot API, as switches a test sets for a time.

The switches are those of the loopback exchange. `Fault.on` is part of a method's name, for example
``sendMessage``, or of the proxy's line ``CONNECT api.telegram.org:443``; left open it means every
request. A message that arrives and whose answer is lost is ``Drop(on="sendMessage",
executed=True)``; Telegram out of reach is ``Drop()``; a slow line is a `Latency`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.exchange.faults import Drop, Fault, Faults, Latency
from tests.telegram.errors import BotApiError

__all__ = ["Drop", "Fault", "Faults", "Latency", "Refusal", "bad_gateway", "too_many_requests"]


@dataclass(kw_only=True)
class Refusal(Fault):
    """Answer with an error and do nothing."""

    error: BotApiError


def too_many_requests(on: str, *, retry_after_s: int = 1, times: int | None = None) -> Refusal:
    """Return the flood limit: 429, and how long to wait."""
    description = f"Too Many Requests: retry after {retry_after_s}"
    return Refusal(on=on, times=times, error=BotApiError(429, description, retry_after_s))


def bad_gateway(on: str, *, times: int | None = None) -> Refusal:
    """Return what Telegram's front answers while the servers behind it are away."""
    return Refusal(on=on, times=times, error=BotApiError(502, "Bad Gateway"))
