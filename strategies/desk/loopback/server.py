"""The loopback exchange: Binance's USD-M REST protocol on 127.0.0.1.

It lets the real ccxt client and the real Freqtrade run without a network. An endpoint it does not
speak is answered with the exchange's own kind of error, logged, and kept in the state, so that
nobody relies on a silent default. More of the protocol is added as further tables of routes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

from strategies.desk.loopback.endpoint import RequestHandler, request_line
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.market import INFO_ROUTES, MARKET_ROUTES
from strategies.desk.loopback.state import STATE_KEY, LoopbackState
from strategies.desk.loopback.tls import server_context
from strategies.desk.loopback.trading import TRADING_ROUTES
from strategies.desk.loopback.wallet import WALLET_ROUTES

logger = logging.getLogger(__name__)

VENUE_ROUTES = (*MARKET_ROUTES, *TRADING_ROUTES, *WALLET_ROUTES)


def build_app(
    state: LoopbackState | None = None,
    *,
    around: Iterable[Middleware] = (),
    more_routes: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Return the exchange as an aiohttp application.

    Parameters
    ----------
    state
        The exchange's state, for callers that want to look into it. Without a venue in it only
        the symbols are described.
    around
        Middlewares around the protocol, the outermost first: what may happen to a request before
        the exchange sees it, and to an answer after.
    more_routes
        Further endpoints, served where there is a venue.
    """
    app = web.Application(middlewares=[*around, _protocol])
    app[STATE_KEY] = state or LoopbackState()
    app.add_routes(INFO_ROUTES)
    if app[STATE_KEY].venue is not None:
        app.add_routes([*VENUE_ROUTES, *more_routes])
    return app


def error_response(error: ApiError) -> web.Response:
    """Return an error as Binance sends it."""
    retry = error.retry_after_s
    headers = {} if retry is None else {"Retry-After": str(retry)}
    body = {"code": error.code, "msg": error.message}
    return web.json_response(body, status=error.status, headers=headers)


@web.middleware
async def _protocol(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Note and count each request; turn what is refused or unknown into the exchange's error."""
    state = request.app[STATE_KEY]
    line = request_line(request)
    headers: dict[str, str] = {}
    try:
        key = request.headers.get("X-MBX-APIKEY", "")
        headers = state.limits.count(line, request.query, key, state.clock())
        response = await handler(request)
    except ApiError as error:
        response = error_response(error)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        state.unknown.append(line)
        logger.error("loopback exchange does not speak %s", line)
        message = f"Path {request.path}, Method {request.method} is invalid"
        response = error_response(ApiError(-5000, message, status=error.status))
    response.headers.update(headers)
    return response


async def start_serving(
    app: web.Application, host: str, port: int, *, tls: bool = False
) -> tuple[web.AppRunner, str]:
    """Start serving; return the runner to clean up, and the base URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=server_context() if tls else None).start()
    bound_host, bound_port = runner.addresses[0][:2]
    return runner, f"{'https' if tls else 'http'}://{bound_host}:{bound_port}"
