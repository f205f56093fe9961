"""A CONNECT proxy on 127.0.0.1 that leads to one host only.

A client that honours ``HTTPS_PROXY`` asks it for ``api.telegram.org:443`` and speaks TLS through
the tunnel, so it needs no change and no other address. Whoever asks for another host is refused,
and the state remembers it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from models.base.files import wall_clock_ms
from tests.telegram.faults import Drop
from tests.telegram.state import BotApiState

_CHUNK = 65_536


@contextlib.asynccontextmanager
async def proxying(state: BotApiState, host: str, port: int) -> AsyncIterator[str]:
    """Lead ``CONNECT host:443`` to `port` of 127.0.0.1; yield the proxy's URL."""
    tunnels: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tunnels.add(task)
        try:
            await _tunnel(state, f"{host}:443", port, reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # either side may leave at any time
        finally:
            tunnels.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tunnels:
            task.cancel()
        await asyncio.gather(*tunnels, return_exceptions=True)


async def _tunnel(
    state: BotApiState,
    served: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Answer one CONNECT request, then carry bytes both ways until one side closes."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.decode().split("\r\n", 1)[0].split(" ", 2)
    if (method, target) != ("CONNECT", served):
        state.elsewhere.append(f"{method} {target}")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        return
    if state.faults.strike(Drop, f"{method} {target}", wall_clock_ms()):
        return
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    directions = [
        asyncio.ensure_future(_carry(reader, inner_writer)),
        asyncio.ensure_future(_carry(inner_reader, writer)),
    ]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        inner_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
