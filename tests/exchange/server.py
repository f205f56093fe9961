"""The loopback exchange: Binance's USD-M REST protocol on 127.0.0.1.

It lets the real ccxt client and the real Freqtrade run without a network. An endpoint it does not
speak is answered with the exchange's own kind of error, logged, and kept in the state, so that a
test never passes on a silent default. More of the protocol is added as further tables of routes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from tests.exchange import market
from tests.exchange.keys import STATE
from tests.exchange.state import ExchangeState
from tests.exchange.symbols import LISTED, Symbol

logger = logging.getLogger(__name__)

ROUTES = (*market.ROUTES,)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(
    symbols: Sequence[Symbol] = LISTED, *, state: ExchangeState | None = None
) -> web.Application:
    """Return the exchange as an aiohttp application.

    Parameters
    ----------
    symbols
        What is listed; ignored where `state` is given.
    state
        The exchange's state, for callers that want to look into it.
    """
    app = web.Application(middlewares=[_protocol])
    app[STATE] = state or ExchangeState(symbols=tuple(symbols))
    app.add_routes(ROUTES)
    return app


def error_response(status: int, code: int, message: str) -> web.Response:
    """Return an error as Binance sends it."""
    return web.json_response({"code": code, "msg": message}, status=status)


@web.middleware
async def _protocol(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note each request; turn what no route answers into the exchange's error."""
    state = request.app[STATE]
    line = f"{request.method} {request.path}"
    state.requests.append(line)
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        state.unknown.append(line)
        logger.error("loopback exchange does not speak %s", line)
        message = f"Path {request.path}, Method {request.method} is invalid"
        return error_response(error.status, -5000, message)


async def serve(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Start serving; return the runner to clean up, and the base URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    bound_host, bound_port = runner.addresses[0][:2]
    return runner, f"http://{bound_host}:{bound_port}"


@contextmanager
def running_exchange(
    state: ExchangeState | None = None, *, timeout_s: float = 10.0
) -> Iterator[str]:
    """Serve the exchange from a background thread on a free port of 127.0.0.1.

    Yields
    ------
    str
        The base URL, without a path. The server is down when the block ends.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-exchange", daemon=True)
    thread.start()
    try:
        starting = serve(build_app(state=state), "127.0.0.1", 0)
        runner, url = asyncio.run_coroutine_threadsafe(starting, loop).result(timeout_s)
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout_s)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout_s)
        loop.close()
