"""The watchdog's own sign of life, by a clock that never jumps and that all processes share."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

from models.base.files import Sync, read_regular, write_atomic
from models.base.units import Seconds

WATCH_FILE: Final = "watchdog.json"


def sign_watch(folder: Path, pid: int, monotonic: Seconds = time.monotonic) -> None:
    """Leave a sign that the watchdog has looked; raises OSError where nothing can be written."""
    data = json.dumps({"pid": pid, "since_boot_s": monotonic()}).encode() + b"\n"
    write_atomic(folder / WATCH_FILE, data, sync=Sync.NOTHING)


def watched_ago_s(folder: Path, monotonic: Seconds = time.monotonic) -> float | None:
    """Return how long ago a watchdog looked; None if none has since the machine was started."""
    try:
        kept = json.loads(read_regular(folder / WATCH_FILE))
        ago_s = monotonic() - float(kept["since_boot_s"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return ago_s if ago_s >= 0 else None
