"""Rate limits: request weight per address, orders per account, and the ban that follows.

Weights are those of the endpoint pages of Binance USD-M; limits those ``exchangeInfo`` announces.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from models.base.units import MINUTE_MS
from strategies.desk.loopback.errors import ApiError

TEN_S_MS: Final = 10_000

# "METHOD /path" -> (weight with a symbol, weight without)
_WEIGHTS: Final[dict[str, tuple[int, int]]] = {
    "GET /fapi/v1/ticker/24hr": (1, 40),
    "GET /fapi/v1/ticker/bookTicker": (2, 5),
    "GET /fapi/v1/premiumIndex": (1, 10),
    "GET /fapi/v1/openOrders": (1, 40),
    "GET /fapi/v1/openAlgoOrders": (1, 40),
    "GET /fapi/v1/allOrders": (5, 5),
    "GET /fapi/v1/allAlgoOrders": (5, 5),
    "GET /fapi/v1/userTrades": (5, 5),
    "GET /fapi/v1/income": (30, 30),
    "GET /fapi/v1/symbolConfig": (5, 5),
    "GET /fapi/v1/commissionRate": (20, 20),
    "GET /fapi/v1/positionSide/dual": (30, 30),
    "GET /fapi/v1/multiAssetsMargin": (30, 30),
    "POST /fapi/v1/order": (0, 0),  # counted as an order instead
    **{f"GET /fapi/v{n}/{what}": (5, 5) for n in (2, 3)
       for what in ("account", "balance", "positionRisk")},
}  # fmt: skip
_KLINES: Final = ("/fapi/v1/klines", "/fapi/v1/markPriceKlines")
ORDERS: Final = ("POST /fapi/v1/order", "POST /fapi/v1/algoOrder")


def weight(line: str, params: Mapping[str, str]) -> int:
    """Return the request weight of ``METHOD /path`` with these parameters.

    Examples
    --------
    >>> weight("GET /fapi/v1/klines", {"limit": "499"}), weight("GET /fapi/v1/openOrders", {})
    (2, 40)
    """
    path = line.split()[1]
    given = params.get("limit", "500")
    limit = int(given) if given.isdigit() else 500
    if path in _KLINES:
        return next(w for most, w in ((99, 1), (499, 2), (1000, 5), (limit, 10)) if limit <= most)
    if path == "/fapi/v1/depth":
        return next(w for most, w in ((50, 2), (100, 5), (500, 10), (limit, 20)) if limit <= most)
    with_symbol, without = _WEIGHTS.get(line, (1, 1))
    return with_symbol if "symbol" in params else without


@dataclass(kw_only=True)
class RateLimits:
    """Counts what was used; the weight window is the clock's minute, as at the exchange."""

    weight_per_minute: int = 2400
    orders_per_minute: int = 1200
    orders_per_10s: int = 300
    strikes: int = 10  # refusals in one minute before the address is banned
    ban_ms: int = 2 * MINUTE_MS
    used: int = 0
    _minute: int = -1
    _refused: int = 0
    _banned_until_ms: int = 0
    _orders: dict[str, deque[int]] = field(default_factory=dict)
    peak: Counter[str] = field(default_factory=Counter)  # highest use seen, by kind

    def count(self, line: str, params: Mapping[str, str], key: str, now_ms: int) -> dict[str, str]:
        """Count a request and return the headers of its answer.

        Raises
        ------
        ApiError
            429 beyond a limit, 418 while banned, both with ``Retry-After``.
        """
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self.used, self._refused = now_ms // MINUTE_MS, 0, 0
        if now_ms < self._banned_until_ms:
            raise self._banned(now_ms)
        self.used += weight(line, params)
        self.peak["weight"] = max(self.peak["weight"], self.used)
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.used)}
        if self.used > self.weight_per_minute:
            self._refused += 1
            if self._refused > self.strikes:
                self._banned_until_ms = now_ms + self.ban_ms
                raise self._banned(now_ms)
            left_s = MINUTE_MS // 1000 - now_ms % MINUTE_MS // 1000
            raise ApiError(-1003, f"Too many requests; current limit of IP is "
                           f"{self.weight_per_minute} requests per minute.",
                           status=429, retry_after_s=left_s)  # fmt: skip
        if line in ORDERS:
            headers |= self._count_order(key, now_ms)
        return headers

    def _count_order(self, key: str, now_ms: int) -> dict[str, str]:
        times = self._orders.setdefault(key, deque())
        times.append(now_ms)
        while times[0] <= now_ms - MINUTE_MS:
            times.popleft()
        recent = sum(1 for t in times if t > now_ms - TEN_S_MS)
        self.peak["orders"] = max(self.peak["orders"], len(times))
        for count, limit, words, wait_s in (
            (recent, self.orders_per_10s, "10 SECOND", 10),
            (len(times), self.orders_per_minute, "1 MINUTE", 60),
        ):
            if count > limit:
                raise ApiError(-1015, f"Too many new orders; current limit is {limit} orders per "
                               f"{words}.", status=429, retry_after_s=wait_s)  # fmt: skip
        return {"X-MBX-ORDER-COUNT-10S": str(recent), "X-MBX-ORDER-COUNT-1M": str(len(times))}

    def _banned(self, now_ms: int) -> ApiError:
        until = self._banned_until_ms
        return ApiError(-1003, f"Way too many requests; IP banned until {until}.", status=418,
                        retry_after_s=-(-(until - now_ms) // 1000))  # fmt: skip
