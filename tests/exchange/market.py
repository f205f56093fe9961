"""Public endpoints that describe the market."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.exchange.keys import STATE


async def ping(request: web.Request) -> web.Response:
    """Answer that the exchange is there."""
    return web.json_response({})


async def server_time(request: web.Request) -> web.Response:
    """Answer the exchange's clock."""
    return web.json_response({"serverTime": request.app[STATE].clock()})


async def exchange_info(request: web.Request) -> web.Response:
    """Answer the listed symbols with their filters, and the rate limits."""
    state = request.app[STATE]
    return web.json_response(
        {
            "timezone": "UTC",
            "serverTime": state.clock(),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                _limit("REQUEST_WEIGHT", "MINUTE", 1, 2400),
                _limit("ORDERS", "MINUTE", 1, 1200),
                _limit("ORDERS", "SECOND", 10, 300),
            ],
            "exchangeFilters": [],
            "assets": [
                {"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"},
                {"asset": "BTC", "marginAvailable": True, "autoAssetExchange": "-0.10000000"},
            ],
            "symbols": [symbol.entry() for symbol in state.symbols],
        }
    )


def _limit(kind: str, interval: str, count: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit}


ROUTES = (
    web.get("/fapi/v1/ping", ping),
    web.get("/fapi/v1/time", server_time),
    web.get("/fapi/v1/exchangeInfo", exchange_info),
)
