"""The options of the loopback exchange's command; the exchange itself is loaded when it runs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

_PORTS: Final = 2**16


def add_exchange_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serving.run_exchange` to its command, and what runs it."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=0, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="a Freqtrade data directory to replay")
    parser.add_argument(
        "--coins", type=Path, help="list the coins of this data directory, and replay nothing"
    )
    parser.add_argument("--start", type=_utc, help="day of the data that is today, YYYY-MM-DD")
    parser.add_argument("--speed", type=_speed, default=1.0, help="of the clock, 1 is real time")
    parser.add_argument("--wallet", type=_quote, default=Decimal(10_000), help="USDT")
    parser.add_argument("--key", default="loopback-key", help="of the account; a fake one")
    parser.add_argument("--secret", default="loopback-secret")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from strategies.desk.loopback.serving import run_exchange

    return run_exchange(options)


def _utc(day: str) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as 2021-05-19, got {day!r}") from None


def _port(word: str) -> int:
    if not (word.isdecimal() and int(word) < _PORTS):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to {_PORTS - 1}, got {word!r}")
    return int(word)


def _speed(word: str) -> float:
    return float(_quote(word))


def _quote(word: str) -> Decimal:
    try:
        number = Decimal(word)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and number > 0):
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {word!r}")
    return number
