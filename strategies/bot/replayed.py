"""Candles that come from an exchange on this machine are marked: they are not the market's."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.base.files import write_atomic
from strategies.account.safety_client import is_on_this_machine
from strategies.bot.data_files import MARKER

logger = logging.getLogger(__name__)


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
