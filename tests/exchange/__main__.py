"""Serve the loopback exchange until told to stop: ``python -m tests.exchange``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal

from tests.exchange.server import build_app, serve


async def run(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner, url = await serve(build_app(), host, port)
    print(f"loopback exchange on {url}", flush=True)
    try:
        await stopped.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the address from the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.exchange", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(run(options.host, options.port))


if __name__ == "__main__":
    main()
