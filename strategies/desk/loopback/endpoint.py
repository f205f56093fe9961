"""From a plain function of exchange and parameters to an HTTP handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.signed import authenticate
from strategies.desk.loopback.state import STATE_KEY, LoopbackState
from strategies.desk.loopback.venue import LoopbackVenue

Params = dict[str, str]
RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def request_line(request: web.Request) -> str:
    """Return ``METHOD /path``."""
    return f"{request.method} {request.path}"


def public(answer: Callable[[LoopbackState, LoopbackVenue, Params], Any]) -> RequestHandler:
    """Return the handler of an endpoint anyone may ask."""

    async def handle(request: web.Request) -> web.Response:
        state = request.app[STATE_KEY]
        venue = _venue(state)
        with venue.lock:
            venue.advance()
            return web.json_response(answer(state, venue, dict(request.query)))

    return handle


def private(answer: Callable[[LoopbackVenue, Customer, Params], Any]) -> RequestHandler:
    """Return the handler of an endpoint that needs a valid signature."""

    async def handle(request: web.Request) -> web.Response:
        state = request.app[STATE_KEY]
        venue = _venue(state)
        body = await request.text()
        with venue.lock:
            venue.advance()
            now = state.clock()
            account, params = authenticate(
                venue.accounts,
                request.headers.get("X-MBX-APIKEY"),
                request.rel_url.raw_query_string,
                body,
                now + state.conditions.skew_ms(request_line(request), now),
            )
            return web.json_response(answer(venue, account, params))

    return handle


def _venue(state: LoopbackState) -> LoopbackVenue:
    if state.venue is None:
        raise RuntimeError("expected a venue behind this endpoint; it is served without a market")
    return state.venue
