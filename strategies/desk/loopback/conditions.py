"""What lies between the market and what a client sees of it: nothing, unless somebody says so.

Whoever wants an exchange that lies, lags or forgets hands `LoopbackState` a subclass and
`build_app` a middleware; the exchange itself knows no faults.
"""

from __future__ import annotations

from typing import Any, TypeAlias

KlineRows: TypeAlias = list[list[Any]]  # klines as they are sent: a time, texts, a count


class Conditions:
    """An exchange at its best: its clock is right and its candles are those of the market.

    Every method takes the request's line, for example ``GET /fapi/v1/klines``, and the time of the
    exchange's clock in milliseconds UTC.
    """

    def skew_ms(self, line: str, now_ms: int) -> int:
        """Return how far the server's clock is ahead in what it answers and accepts."""
        return 0

    def seen_ms(self, line: str, now_ms: int) -> int:
        """Return the time klines are answered for."""
        return now_ms

    def stamp_ms(self, line: str, now_ms: int) -> int:
        """Return the time prices are stamped with."""
        return now_ms

    def candles(self, rows: KlineRows, line: str, now_ms: int) -> KlineRows:
        """Return klines as they leave, oldest first."""
        return rows
