"""Errors as the Bot API sends them (https://core.telegram.org/bots/api#making-requests)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class BotApiError(Exception):
    """An unsuccessful answer: ``error_code``, which is also the HTTP status, and its text."""

    code: int
    description: str
    retry_after_s: int | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.description}"

    def to_json(self) -> dict[str, Any]:
        """Return the answer's body, with ResponseParameters where there are any."""
        body = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after_s is None:
            return body
        return {**body, "parameters": {"retry_after": self.retry_after_s}}


def bad_request(what: str) -> BotApiError:
    """Return the error for a request that is understood and cannot be done."""
    return BotApiError(400, f"Bad Request: {what}")
