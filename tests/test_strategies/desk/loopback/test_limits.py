"""Request weight and order counts."""

from __future__ import annotations

import pytest

from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.limits import RateLimits, weight

MINUTE = 60_000
DEPTH = "GET /fapi/v1/depth"


@pytest.mark.parametrize(
    ("line", "params", "expected"),
    [
        ("GET /fapi/v1/klines", {"limit": "99"}, 1),
        ("GET /fapi/v1/klines", {}, 5),
        ("GET /fapi/v1/klines", {"limit": "1500"}, 10),
        (DEPTH, {"limit": "50"}, 2),
        (DEPTH, {"limit": "1000"}, 20),
        ("GET /fapi/v1/ticker/24hr", {}, 40),
        ("GET /fapi/v1/ticker/24hr", {"symbol": "BTCUSDT"}, 1),
        ("GET /fapi/v3/account", {}, 5),
        ("POST /fapi/v1/order", {"symbol": "BTCUSDT"}, 0),
    ],
)
def test_weight_when_asked_then_it_is_that_of_the_endpoints_page(line, params, expected) -> None:
    assert weight(line, params) == expected


def test_weight_when_used_up_then_429_until_the_minute_is_over() -> None:
    limits = RateLimits(weight_per_minute=4)
    now = 10 * MINUTE + 45_000
    used = [limits.count(DEPTH, {"limit": "5"}, "", now) for _ in range(2)]
    assert [u["X-MBX-USED-WEIGHT-1M"] for u in used] == ["2", "4"]
    with pytest.raises(ApiError) as caught:
        limits.count(DEPTH, {"limit": "5"}, "", now)
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (429, -1003, 15)
    assert limits.count(DEPTH, {"limit": "5"}, "", 11 * MINUTE)["X-MBX-USED-WEIGHT-1M"] == "2"


def test_address_when_it_ignores_429_then_it_is_banned_for_two_minutes() -> None:
    limits = RateLimits(weight_per_minute=1, strikes=3)
    statuses = []
    for _ in range(6):
        try:
            limits.count(DEPTH, {"limit": "5"}, "", 0)
        except ApiError as error:
            statuses.append(error.status)
    assert statuses == [429, 429, 429, 418, 418, 418]
    with pytest.raises(ApiError) as caught:
        limits.count("GET /fapi/v1/ping", {}, "", 119_000)
    assert (caught.value.status, caught.value.retry_after_s) == (418, 1)
    limits.count("GET /fapi/v1/ping", {}, "", 120_000)


def test_orders_when_too_many_in_ten_seconds_then_refused_per_account() -> None:
    limits = RateLimits(orders_per_10s=2, orders_per_minute=3)
    line = "POST /fapi/v1/order"
    headers = [limits.count(line, {}, "one", t) for t in (0, 1)]
    assert headers[1]["X-MBX-ORDER-COUNT-10S"] == "2"
    with pytest.raises(ApiError, match="-1015"):
        limits.count(line, {}, "one", 2)
    limits.count(line, {}, "two", 2)
    with pytest.raises(ApiError, match="1 MINUTE"):
        limits.count(line, {}, "one", 30_000)
    limits.count(line, {}, "one", 90_001)
