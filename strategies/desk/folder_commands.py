"""What the pack's other commands take from a bot's folder: `exchange DIR`, `acknowledge DIR`."""

from __future__ import annotations

import argparse
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from models.base.errors import ConfigError, ControlError
from models.base.files import wall_clock_ms
from models.operate.control.state import Person
from strategies.desk.folder.configs import STAGE_FILES
from strategies.desk.folder.record import FolderRecord, known_folder
from strategies.desk.folder.written import (
    CANDLES,
    candles_of,
    installed_here,
    pack_line,
    trade_line,
    watchdog_line,
)
from strategies.desk.terminal.listening import who_listens


def serve_folder(options: argparse.Namespace) -> int:
    """Replay a folder's candles on the port its configs ask, going on where it began.

    The same candle is at the same time after every start: what a bot has downloaded fits.

    Raises
    ------
    ConfigError
        If its bot is on another exchange, or --data or --start are given as well.
    ControlError
        If the port is taken.
    """
    from strategies.desk.loopback.serving import run_exchange

    folder, record = known_folder(options.folder)
    _require_replay(folder, record)
    if options.data or options.coins or options.start or options.port:
        raise ConfigError(
            "expected the folder alone: it says which candles, from when and on which port",
            cure="leave --data, --coins, --start and --port out, or leave the folder out",
        )
    asked = record.asked
    passed_ms = wall_clock_ms() - asked.made_ms
    options.data, options.port = folder / CANDLES, asked.loopback_port
    options.start = datetime.fromtimestamp((asked.replay_from_ms + passed_ms) / 1000, UTC)
    print(f"next, in another terminal: {pack_line(installed_here(), 'doctor', str(folder))}",
          flush=True)  # fmt: skip
    with _named_listener(
        asked.loopback_port, str(folder),
        "end it, perhaps this very exchange; else make another folder: each has a port of its own",
    ):  # fmt: skip
        return run_exchange(options)


def serve_alone(options: argparse.Namespace) -> int:
    """Serve the exchange that the options describe, for no folder.

    Raises
    ------
    ControlError
        If the port is taken: says by whom, and how a config follows another one.
    """
    from strategies.desk.loopback.serving import run_exchange

    with _named_listener(
        options.port, "",
        "end it; or give another --port, and the bot a config that follows:\n"
        f"         sed s/:{options.port}/:PORT/ user_data/config_loopback_live.json > mine.json\n"
        "         breakwater init DIR --exchange loopback makes a folder with a port of its own",
    ):  # fmt: skip
        return run_exchange(options)


@contextmanager
def _named_listener(port: int, where: str, cure: str) -> Iterator[None]:
    """Say of a port that is taken who has it, and what to do about it."""
    try:
        yield
    except ControlError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
            raise
        who = who_listens(port) or "a program of another user"
        raise ControlError(f"{error.problem}: {who}", where=where, cure=cure) from error


def _require_replay(folder: Path, record: FolderRecord) -> None:
    if not record.asked.replays:
        raise ConfigError(
            f"expected a bot on the loopback exchange, this one is on {record.asked.exchange}",
            where=str(folder), cure="breakwater init DIR --exchange loopback makes one",
        )  # fmt: skip


def acknowledge_folder(folder: Path, data: Path | None, by: Person) -> int:
    """Show what the leverage of a folder's live bot did, and note that it is accepted; 0 if so."""
    from strategies.desk.acknowledge import run_acknowledge

    folder, record = known_folder(folder)
    config = folder / STAGE_FILES["live"]
    run_acknowledge([config], folder, data or candles_of(record.asked, folder), by)
    installed = installed_here()
    print(
        f"next, the watchdog in a terminal of its own: {watchdog_line(folder, installed)}\n"
        f"then: {trade_line(folder, installed, 'live')}"
    )
    return 0
