"""Serve the loopback exchange until told to stop.

With ``--data`` it replays a Freqtrade data directory as if it were now, over https and with one
account to trade; without, it only describes its symbols, which is what a backtest asks for.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Final

from models.base.errors import ControlError
from models.base.files import iso_ms, wall_clock_ms
from strategies.desk.loopback.clock import FastClock
from strategies.desk.loopback.coins import coins_in
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.server import build_app, start_serving
from strategies.desk.loopback.state import LoopbackState
from strategies.desk.loopback.venue import LoopbackVenue

logger = logging.getLogger(__name__)

_BEHIND: Final = 0.8  # of the data is history when the replay starts, unless told otherwise


def run_exchange(options: argparse.Namespace) -> int:
    """Serve as the options say until SIGTERM or SIGINT; return the process exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    state = replayed(options) if options.data is not None else without_replay(options.coins)
    try:
        asyncio.run(serve_until_stopped(state, options.host, options.port))
    except OSError as error:
        raise ControlError(
            f"cannot listen on {options.host}:{options.port}: {os.strerror(error.errno or 0)}",
            cure="give another --port; 0 takes a free one",
        ) from error
    return 0


def without_replay(coins: Path | None) -> LoopbackState:
    """Return an exchange that only lists its symbols: the usual ones, and a data directory's."""
    return LoopbackState() if coins is None else LoopbackState(symbols=coins_in(coins))


def replayed(options: argparse.Namespace) -> LoopbackState:
    """Return an exchange that replays ``--data`` from ``--start`` on, with one account.

    A coin without candles on the day it starts has no price: it is left out, and said.
    """
    symbols = coins_in(options.data)
    market = read_market(options.data, symbols)
    first, last = market.longest_ms()
    start = first + int((last - first) * _BEHIND)
    if options.start is not None:
        start = int(options.start.timestamp() * 1000)
    missing = market.without_script_at(start)
    if len(missing) < len(market.feeds):  # else `starting_now` says which days there are
        for name in missing:
            logger.warning("%s is left out: no candles on %s", name, iso_ms(start)[:10])
            del market.feeds[name]
    now = wall_clock_ms()
    clock = wall_clock_ms if options.speed == 1 else FastClock(now, options.speed)
    venue = LoopbackVenue(market=starting_now(market, start, now), clock=clock, symbols=symbols)
    venue.open_account(options.key, options.secret, options.wallet)
    return LoopbackState(venue=venue)


async def serve_until_stopped(state: LoopbackState, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; print the address first, then each account."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner, url = await start_serving(build_app(state), host, port, tls=state.venue is not None)
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
