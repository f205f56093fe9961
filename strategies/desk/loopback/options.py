"""The options of the loopback exchange's command; the exchange itself is loaded when it runs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path


def add_exchange_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serving.run_exchange` to its command, and what runs it."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="a Freqtrade data directory to replay")
    parser.add_argument("--start", type=_utc, help="day of the data that is today, YYYY-MM-DD")
    parser.add_argument("--speed", type=float, default=1.0, help="of the clock, 1 is real time")
    parser.add_argument("--wallet", type=Decimal, default=Decimal(10_000), help="USDT")
    parser.add_argument("--key", default="loopback-key", help="of the account; a fake one")
    parser.add_argument("--secret", default="loopback-secret")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from strategies.desk.loopback.serving import run_exchange

    return run_exchange(options)


def _utc(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
