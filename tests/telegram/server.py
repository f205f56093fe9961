"""The loopback Bot API: api.telegram.org, behind a proxy on 127.0.0.1.

It lets a real Telegram client, and so the real Freqtrade, run without a network. A method or a
parameter it does not speak is kept in the state, so that a test never passes on a silent default.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from anyio.from_thread import start_blocking_portal
from cryptography.x509 import DNSName

from models.base.files import wall_clock_ms
from strategies.desk.loopback.tls import server_context
from tests.telegram.errors import BotApiError
from tests.telegram.faults import Drop, Latency, Refusal
from tests.telegram.methods import METHODS
from tests.telegram.params import Params, read_params
from tests.telegram.proxy import proxying
from tests.telegram.state import BotApiState, Call

logger = logging.getLogger(__name__)

HOST = "api.telegram.org"
STATE: Final = web.AppKey("state", BotApiState)
_NAMES = {name.lower(): name for name in METHODS}  # methods are case-insensitive


@dataclass(frozen=True)
class Endpoint:
    """Where a client finds the API: through which proxy, trusting which certificate."""

    proxy_url: str
    certificate: Path

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a client there; both spellings, as clients differ."""
        direct = "127.0.0.1,localhost"
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.proxy_url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), direct),
            "SSL_CERT_FILE": str(self.certificate),
        }


def build_app(state: BotApiState) -> web.Application:
    """Return the API as an aiohttp application; every path is answered, if only with 404."""
    app = web.Application(client_max_size=50 * 2**20)
    app[STATE] = state
    app.router.add_route("*", "/bot{token}/{method}", _faulty)
    app.router.add_route("*", "/{path:.*}", _elsewhere)
    return app


async def _elsewhere(request: web.Request) -> web.Response:
    request.app[STATE].unknown.append(f"{request.method} {request.path}")
    return _refused(BotApiError(404, "Not Found"))


async def _faulty(request: web.Request) -> web.Response:
    """Let the faults that are switched on strike, around the method."""
    state, now = request.app[STATE], wall_clock_ms()
    method = request.match_info["method"]
    method = _NAMES.get(method.lower(), method)
    faults = state.faults
    params = await read_params(request)
    state.note(Call(method, params.given))
    latency = faults.strike(Latency, method, now)
    if latency is not None:
        await asyncio.sleep(latency.before_s(faults.random))
    drop = faults.strike(Drop, method, now)
    if drop is not None and not drop.executed:
        return _reset(request)
    refusal = faults.strike(Refusal, method, now)
    if refusal is not None:
        return _refused(refusal.error)
    response = await _answer(state, request.match_info["token"], method, params)
    if latency is not None:
        await asyncio.sleep(latency.after_s(faults.random))
    return response if drop is None else _reset(request)


async def _answer(state: BotApiState, token: str, method: str, params: Params) -> web.Response:
    """Call the method; refuse a wrong token, note what is not spoken here."""
    try:
        if token != state.token:
            raise BotApiError(401, "Unauthorized")
        if method not in METHODS:
            state.unknown.append(method)
            logger.error("loopback Bot API does not speak %s", method)
            raise BotApiError(404, "Not Found")
        result = await METHODS[method](state, params)
    except BotApiError as error:
        return _refused(error)
    state.unknown.extend(f"{method}({name})" for name in params.unasked())
    return web.json_response({"ok": True, "result": result})


def _refused(error: BotApiError) -> web.Response:
    return web.json_response(error.to_json(), status=error.code)


def _reset(request: web.Request) -> web.Response:
    """Cut the connection; the response returned can no longer be sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serving(state: BotApiState) -> AsyncIterator[Endpoint]:
    """Serve the API and its proxy on free ports of 127.0.0.1."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "certificate.pem"
        context = server_context(DNSName(HOST), trust=certificate)
        # Long polls wait longer than anyone wants to wait for the end of a test.
        runner = web.AppRunner(build_app(state), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            async with proxying(state, HOST, runner.addresses[0][1]) as proxy_url:
                yield Endpoint(proxy_url, certificate)
        finally:
            await runner.cleanup()


@contextmanager
def running_bot_api(state: BotApiState) -> Iterator[Endpoint]:
    """Serve the API from a background thread until the block ends."""
    with (
        start_blocking_portal(name="loopback-bot-api") as portal,
        portal.wrap_async_context_manager(serving(state)) as endpoint,
    ):
        yield endpoint
