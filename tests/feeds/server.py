"""The providers of the feeds on 127.0.0.1, each below a path of its own, with faults."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSMsgType, web

from models.base.files import wall_clock_ms
from strategies.desk.loopback.server import start_serving
from tests.feeds import answers

PROVIDERS: Final = (
    "alternative.me", "coingecko", "blockchair", "litecoinspace", "mempool.space",
)  # fmt: skip


@dataclass
class FeedsState:
    """What a test may change and look at while the providers are served."""

    clock: Callable[[], int] = wall_clock_ms
    # Providers, or what of their paths, that cut every connection; or refuse: status, headers.
    dead: set[str] = field(default_factory=set)
    refusing: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    frozen: dict[str, int] = field(default_factory=dict)  # the same -> when it stood still
    instead: dict[str, Any] = field(default_factory=dict)  # path -> what is answered; bytes as such
    requests: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    streams: dict[str, list[web.WebSocketResponse]] = field(default_factory=dict)  # by provider
    loop: asyncio.AbstractEventLoop | None = None

    def kill(self, provider: str) -> None:
        """Let a provider die: its streams end, and nobody gets an answer any more."""
        self.dead.add(provider)
        self.hang_up(provider)

    def hang_up(self, provider: str) -> None:
        """End a provider's streams."""
        for stream in self.streams.pop(provider, []):
            self._run(stream.close())

    def tell(self, provider: str, message: Any) -> None:
        """Send a message to all who listen to a provider's stream."""
        for stream in self.streams.get(provider, []):
            self._run(stream.send_json(message))

    def _run(self, work: Any) -> None:
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(work, self.loop).result(5)


STATE: Final = web.AppKey("state", FeedsState)


async def _answer(request: web.Request) -> web.StreamResponse:
    state, path = request.app[STATE], request.path
    provider = path.split("/")[1]
    state.requests.append(path)
    if _covering(state.dead, path):
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if refusing := _covering(state.refusing, path):
        status, headers = state.refusing[refusing]
        return web.Response(status=status, headers=headers, text="slow down")
    if path in state.instead:
        told = state.instead[path]
        if isinstance(told, bytes):
            return web.Response(body=told, content_type="application/json")
        return web.json_response(told)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _stream(request, state, provider)
    told = _told(state, path, dict(request.query))
    if told is None:
        state.unknown.append(request.path_qs)
        return web.Response(status=404, text="not spoken here")
    return web.json_response(told)


def _covering(names: Iterable[str], path: str) -> str:
    """Return which of the names a path begins with, or nothing."""
    return next((name for name in names if f"{path}/".startswith(f"/{name}/")), "")


def _told(state: FeedsState, path: str, query: dict[str, str]) -> Any:
    now = state.frozen.get(_covering(state.frozen, path)) or state.clock()
    if path in answers.PLAIN:
        return answers.PLAIN[path](now, query)
    parts = path.split("/")
    if path.startswith("/coingecko/api/v3/coins/"):
        return answers.coin(now, query, parts[-1])
    if "/api/v1/block/" in path and parts[-1] == "summary":
        return answers.block_summary(now, query, int(parts[-2], 16))
    if "/api/v1/blocks/" in path:
        return answers.blocks(now, query, int(parts[-1]))
    return None


async def _stream(request: web.Request, state: FeedsState, provider: str) -> web.StreamResponse:
    stream = web.WebSocketResponse()
    await stream.prepare(request)
    async for message in stream:
        if message.type is not WSMsgType.TEXT:
            continue
        asked = json.loads(message.data)
        if asked.get("method") == "SUBSCRIBE":
            await stream.send_json({"result": None, "id": asked["id"]})
        elif asked.get("op") == "subscribe":
            await stream.send_json({"success": True, "ret_msg": "", "op": "subscribe"})
        elif asked.get("op") == "ping":
            await stream.send_json({"success": True, "ret_msg": "pong", "op": "ping"})
            continue
        state.streams.setdefault(provider, []).append(stream)
    return stream


@contextmanager
def running_feeds(state: FeedsState) -> Iterator[str]:
    """Serve the providers from a background thread; yield the base URL."""
    app = web.Application()
    app[STATE] = state
    app.router.add_route("*", "/{path:.*}", _answer)
    with running_app(app) as (url, state.loop):
        yield url


@contextmanager
def running_app(app: web.Application) -> Iterator[tuple[str, asyncio.AbstractEventLoop]]:
    """Serve an application from a background thread; yield the base URL, and the thread's loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-feeds", daemon=True)
    thread.start()
    try:
        started = asyncio.run_coroutine_threadsafe(start_serving(app, "127.0.0.1", 0), loop)
        runner, url = started.result(10)
        try:
            yield url, loop
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def collect_block(url: str, **more: Any) -> dict[str, Any]:
    """Return a `breakwater.collect` block that reads the providers served at `url`."""
    stream = url.replace("http://", "ws://")
    return {
        "first_pause_s": 0.05,
        "longest_pause_s": 0.2,
        "timeout_s": 5.0,
        "addresses": {name: f"{url}/{name}" for name in PROVIDERS},
        "exchanges": {
            "binance": {"enableRateLimit": False, "urls": {"api": {
                "fapiPublic": f"{url}/binance/fapi/v1",
                "fapiData": f"{url}/binance/futures/data",
                "ws": {"linear": f"{stream}/binance/ws"},
            }}},
            "okx": {"enableRateLimit": False, "urls": {"api": {"rest": f"{url}/okx"}}},
            "bybit": {"enableRateLimit": False, "urls": {"api": {
                "public": f"{url}/bybit",
                "ws": {"public": {"linear": f"{stream}/bybit/v5/public/linear"}},
            }}},
        },
        **more,
    }  # fmt: skip
