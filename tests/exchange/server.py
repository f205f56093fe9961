"""The loopback exchange as tests serve it: with faults, a second venue, and in this process."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from strategies.desk.loopback.endpoint import RequestHandler, request_line
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.limits import weight
from strategies.desk.loopback.server import build_app, error_response, start_serving
from strategies.desk.loopback.state import STATE_KEY
from tests.exchange.faults import Altered, Answer, Drop, HalfBody, Latency, Page, Trickle
from tests.exchange.okx import OKX_ROUTES
from tests.exchange.state import Arrival, ExchangeState


def faulty_app(state: ExchangeState | None = None) -> web.Application:
    """Return the exchange with its faults around it and OKX's candles beside it."""
    return build_app(state or ExchangeState(), around=[_faulty], more_routes=OKX_ROUTES)


@web.middleware
async def _faulty(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Let the faults that are switched on strike, around everything else."""
    state, line = request.app[STATE_KEY], request_line(request)
    assert isinstance(state, ExchangeState), "faults need an exchange that has them"
    state.requests.append(line)
    state.arrivals.append(Arrival(time.time_ns() / 1e6, line, weight(line, request.query)))
    faults, now = state.faults, state.clock()
    line = f"{line} {request.query.get('symbol', '')}".rstrip()
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
    for look in state.watchers:
        look()
    if latency is not None:
        await asyncio.sleep(latency.after_s(faults.random))
    if drop is not None:
        return _reset(request)
    if answer is not None:
        return _answer(answer)
    altered = faults.strike(Altered, line, now)
    if altered is not None:
        return _altered(altered, response)
    if faults.strike(HalfBody, line, now):
        return await _half(request, response)
    trickle = faults.strike(Trickle, line, now)
    if trickle is not None:
        return await _trickled(request, response, trickle.every_s)
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


def _altered(fault: Altered, response: web.StreamResponse) -> web.Response:
    assert isinstance(response, web.Response), "an answer that is sent whole"
    return web.json_response(fault.change(json.loads(response.text or "")), status=response.status)


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


async def _trickled(
    request: web.Request, response: web.StreamResponse, every_s: float
) -> web.StreamResponse:
    """Announce the whole body and send it byte by byte, to its end or until nobody listens."""
    assert isinstance(response, web.Response), "an answer that is sent whole"
    whole = (response.text or "").encode()
    slow = web.StreamResponse(status=response.status)
    slow.content_type, slow.content_length = "application/json", len(whole)
    await slow.prepare(request)
    for at in range(len(whole)):
        await asyncio.sleep(every_s)
        if request.transport is None or request.transport.is_closing():
            break
        await slow.write(whole[at : at + 1])
    return slow


@contextmanager
def running_exchange(
    state: ExchangeState | None = None, *, tls: bool = False, timeout_s: float = 10.0
) -> Iterator[str]:
    """Serve the exchange from a background thread on a free port of 127.0.0.1.

    Parameters
    ----------
    tls
        Serve https, which ccxt needs to tell the exchange's errors apart; see `loopback.tls`.

    Yields
    ------
    str
        The base URL, without a path. The server is down when the block ends.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-exchange", daemon=True)
    thread.start()
    try:
        starting = start_serving(faulty_app(state), "127.0.0.1", 0, tls=tls)
        runner, url = asyncio.run_coroutine_threadsafe(starting, loop).result(timeout_s)
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout_s)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout_s)
        loop.close()
