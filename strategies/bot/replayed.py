"""An exchange on this machine: it has to be served, and its candles are not the market's."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from models.base.errors import ConfigError
from models.base.files import write_atomic
from strategies.account.safety_client import addresses_of, is_on_this_machine
from strategies.bot.data_files import MARKER

logger = logging.getLogger(__name__)

_KNOCKS_S: Final = 5.0  # a machine that is busy answers late


def require_served(config: Mapping[str, Any]) -> None:
    """Refuse to start a bot whose exchange is on this machine and that nobody serves.

    Freqtrade would say that it could not load markets.

    Raises
    ------
    ConfigError
        Naming the address, and what serves it.
    """
    block = config.get("exchange") or {}
    if not is_on_this_machine(block):
        return
    place = urlsplit(addresses_of(block)[0])
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((str(place.hostname), port), timeout=_KNOCKS_S).close()
    except OSError as error:
        raise ConfigError(
            f"expected the exchange to be served at {place.hostname}:{port}, got: {error}",
            where="exchange.ccxt_config.urls",
            cure=f"in a terminal of its own: breakwater exchange {config.get('user_data_dir')}; "
            "for another folder than one of `breakwater init`: "
            f"breakwater exchange --port {port} --data CANDLES",
        ) from error


def mark_replayed(config: Mapping[str, Any]) -> None:
    """Mark the data directory of a bot whose exchange is on this machine, before it downloads.

    Candles that are there already and bear no mark may be the market's: that is said, and they are
    left as they are.
    """
    folder = config.get("datadir")
    if folder is None or not is_on_this_machine(config.get("exchange") or {}):
        return
    datadir = Path(folder)
    if (datadir / MARKER).exists():
        return
    if any(datadir.glob("futures/*")):
        logger.warning(
            "%s has candles that are not marked as replayed, and this bot adds those of an "
            "exchange on this machine: give it a --userdir of its own", datadir,
        )  # fmt: skip
        return
    try:
        datadir.mkdir(parents=True, exist_ok=True)
        write_atomic(datadir / MARKER, json.dumps({"replayed": True, "files": []}).encode() + b"\n")
    except OSError as error:
        logger.warning("%s cannot be marked as replayed: %s", datadir, error)
