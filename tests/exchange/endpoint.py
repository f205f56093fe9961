"""From a plain function of exchange and parameters to an HTTP handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.exchange.account import Account
from tests.exchange.keys import STATE
from tests.exchange.signed import authenticate
from tests.exchange.state import ExchangeState
from tests.exchange.venue import Venue

Params = dict[str, str]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def request_line(request: web.Request) -> str:
    """Return ``METHOD /path``."""
    return f"{request.method} {request.path}"


def public(answer: Callable[[ExchangeState, Venue, Params], Any]) -> Handler:
    """Return the handler of an endpoint anyone may ask."""

    async def handle(request: web.Request) -> web.Response:
        state = request.app[STATE]
        venue = _venue(state)
        with venue.lock:
            venue.advance()
            return web.json_response(answer(state, venue, dict(request.query)))

    return handle


def private(answer: Callable[[Venue, Account, Params], Any]) -> Handler:
    """Return the handler of an endpoint that needs a valid signature."""

    async def handle(request: web.Request) -> web.Response:
        state = request.app[STATE]
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
                now + state.faults.skew_ms(request_line(request), now),
            )
            return web.json_response(answer(venue, account, params))

    return handle


def _venue(state: ExchangeState) -> Venue:
    if state.venue is None:
        raise RuntimeError("expected a venue behind this endpoint; it is served without a market")
    return state.venue
