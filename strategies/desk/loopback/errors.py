"""Binance's errors, by the code and text its USD-M error page gives them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ApiError(Exception):
    """An answer with an HTTP status, Binance's error code and its message."""

    code: int
    message: str
    status: int = 400
    retry_after_s: int | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.code} {self.message}"


def mandatory(name: str) -> ApiError:
    """Return the error for a parameter that is missing or malformed."""
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )
