"""Serve the loopback exchange until told to stop: ``python -m tests.exchange``.

With ``--data`` it replays a Freqtrade data directory as if it were now, over https and with one
account to trade; without, it only describes its symbols, which is what a backtest asks for.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from tests.exchange.clock import FastClock, wall_clock_ms
from tests.exchange.replay import read_market, starting_now
from tests.exchange.server import build_app, serve
from tests.exchange.state import ExchangeState
from tests.exchange.symbols import LISTED
from tests.exchange.venue import Venue

_BEHIND = 0.8  # of the data is history when the replay starts, unless told otherwise


def replayed(options: argparse.Namespace) -> ExchangeState:
    """Return an exchange that replays ``--data`` from ``--start`` on, with one account."""
    market = read_market(options.data, LISTED)
    first, last = market.span_ms()
    start = first + int((last - first) * _BEHIND)
    if options.start is not None:
        start = int(options.start.timestamp() * 1000)
    now = wall_clock_ms()
    clock = wall_clock_ms if options.speed == 1 else FastClock(now, options.speed)
    venue = Venue(market=starting_now(market, start, now), clock=clock)
    venue.open_account(options.key, options.secret, options.wallet)
    return ExchangeState(venue=venue)


async def run(state: ExchangeState, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner, url = await serve(build_app(state=state), host, port, tls=state.venue is not None)
    print(f"loopback exchange on {url}", flush=True)
    if state.venue is not None:
        for account in state.venue.accounts.values():
            print(
                f"account key {account.key} secret {account.secret} wallet {account.wallet} USDT",
                flush=True,
            )
    try:
        await stopped.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.exchange", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="a Freqtrade data directory to replay")
    parser.add_argument("--start", type=_utc, help="day of the data that is today, YYYY-MM-DD")
    parser.add_argument("--speed", type=float, default=1.0, help="of the clock, 1 is real time")
    parser.add_argument("--wallet", type=Decimal, default=Decimal(10_000), help="USDT")
    parser.add_argument("--key", default="loopback-key", help="of the account; a fake one")
    parser.add_argument("--secret", default="loopback-secret")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    state = ExchangeState() if options.data is None else replayed(options)
    asyncio.run(run(state, options.host, options.port))


def _utc(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
