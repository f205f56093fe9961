"""The loopback exchange: Binance's USD-M REST protocol on 127.0.0.1.

It lets the real ccxt client and the real Freqtrade run without a network. An endpoint it does not
speak is answered with the exchange's own kind of error, logged, and kept in the state, so that a
test never passes on a silent default. More of the protocol is added as further tables of routes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from tests.exchange import market, okx, trading, wallet
from tests.exchange.endpoint import Handler, request_line
from tests.exchange.errors import ApiError
from tests.exchange.faults import Answer, Drop, HalfBody, Latency, Page
from tests.exchange.keys import STATE
from tests.exchange.limits import weight
from tests.exchange.state import Arrival, ExchangeState
from tests.exchange.symbols import LISTED, Symbol
from tests.exchange.tls import server_context

logger = logging.getLogger(__name__)

VENUE_ROUTES = (*market.VENUE_ROUTES, *trading.ROUTES, *wallet.ROUTES, *okx.ROUTES)


def build_app(
    symbols: Sequence[Symbol] = LISTED, *, state: ExchangeState | None = None
) -> web.Application:
    """Return the exchange as an aiohttp application.

    Parameters
    ----------
    symbols
        What is listed; ignored where `state` is given.
    state
        The exchange's state, for callers that want to look into it. Without a venue in it only
        the symbols are described.
    """
    app = web.Application(middlewares=[_faulty, _protocol])
    app[STATE] = state or ExchangeState(symbols=tuple(symbols))
    app.add_routes(market.ROUTES)
    if app[STATE].venue is not None:
        app.add_routes(VENUE_ROUTES)
    return app


def error_response(error: ApiError) -> web.Response:
    """Return an error as Binance sends it."""
    retry = error.retry_after_s
    headers = {} if retry is None else {"Retry-After": str(retry)}
    body = {"code": error.code, "msg": error.message}
    return web.json_response(body, status=error.status, headers=headers)


@web.middleware
async def _protocol(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note and count each request; turn what is refused or unknown into the exchange's error."""
    state = request.app[STATE]
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
    for look in state.watchers:
        look()
    return response


@web.middleware
async def _faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the faults that are switched on strike, around everything else."""
    state, line = request.app[STATE], request_line(request)
    state.requests.append(line)
    state.arrivals.append(Arrival(time.time_ns() / 1e6, line, weight(line, request.query)))
    faults, now = state.faults, state.clock()
    latency = faults.strike(Latency, line, now)
    if latency is not None:
        await request.read()  # what was sent arrives, even if its sender dies meanwhile
        await asyncio.sleep(latency.before_s(faults.random))
    drop = faults.strike(Drop, line, now)
    if drop is not None and not drop.executed:
        return _reset(request)
    answer = faults.strike(Answer, line, now)
    if answer is not None and not answer.executed:
        return _answer(answer)
    page = faults.strike(Page, line, now)
    if page is not None:
        words = f"<html><head><title>{page.status} Bad Gateway</title></head></html>"
        return web.Response(status=page.status, text=words, content_type="text/html")
    response = await handler(request)
    if latency is not None:
        await asyncio.sleep(latency.after_s(faults.random))
    if drop is not None:
        return _reset(request)
    if answer is not None:
        return _answer(answer)
    if faults.strike(HalfBody, line, now):
        return await _half(request, response)
    return response


def _answer(fault: Answer) -> web.Response:
    return error_response(
        ApiError(fault.code, fault.message, fault.status, retry_after_s=fault.retry_after_s)
    )


def _reset(request: web.Request) -> web.Response:
    """Cut the connection; the response returned can no longer be sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Announce the whole body, send half of it, and close."""
    body = response.body if isinstance(response, web.Response) else b""
    whole = bytes(body) if isinstance(body, bytes | bytearray) else b""
    cut = web.StreamResponse(status=response.status)
    cut.content_type, cut.content_length = "application/json", len(whole)
    await cut.prepare(request)
    await cut.write(whole[: len(whole) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


async def serve(
    app: web.Application, host: str, port: int, *, tls: bool = False
) -> tuple[web.AppRunner, str]:
    """Start serving; return the runner to clean up, and the base URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=server_context() if tls else None).start()
    bound_host, bound_port = runner.addresses[0][:2]
    return runner, f"{'https' if tls else 'http'}://{bound_host}:{bound_port}"


@contextmanager
def running_exchange(
    state: ExchangeState | None = None, *, tls: bool = False, timeout_s: float = 10.0
) -> Iterator[str]:
    """Serve the exchange from a background thread on a free port of 127.0.0.1.

    Parameters
    ----------
    tls
        Serve https, which ccxt needs to tell the exchange's errors apart; see `tests.exchange.tls`.

    Yields
    ------
    str
        The base URL, without a path. The server is down when the block ends.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-exchange", daemon=True)
    thread.start()
    try:
        starting = serve(build_app(state=state), "127.0.0.1", 0, tls=tls)
        runner, url = asyncio.run_coroutine_threadsafe(starting, loop).result(timeout_s)
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout_s)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout_s)
        loop.close()
