"""A sign of life the bot leaves in every loop, for the watchdog and for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from models.base.errors import ControlError
from models.base.files import Sync, write_atomic

FILE = "heartbeat.json"


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """One loop of the bot."""

    time_ms: int
    pid: int
    loop: int  # since the bot's start
    feed_ms: int | None = None  # close of the oldest among the pairs' newest analysed candles
    candle_ms: int | None = None  # until the next one
    numbers: Mapping[str, float] = field(default_factory=dict)  # account figures, for people


def beat(folder: Path, heartbeat: Heartbeat) -> None:
    """Write the sign of life; raises OSError where nothing can be written."""
    data = json.dumps(asdict(heartbeat)).encode() + b"\n"
    write_atomic(folder / FILE, data, sync=Sync.NOTHING)


def last_beat(folder: Path) -> Heartbeat | None:
    """Return the newest sign of life, or None if no bot has ever given one.

    Raises
    ------
    ControlError
        If the file is there and cannot be read.
    """
    try:
        return Heartbeat(**json.loads((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ControlError(
            f"expected a heartbeat, got {error!r:.100}", where=str(folder / FILE)
        ) from error
