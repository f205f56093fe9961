"""Whether Telegram carries words both ways, as the bot last found it; for people who look."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from models.base.files import Sync, read_regular, write_atomic
from models.operate.control.text import readable

REACH_FILE: Final = "telegram.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What is wrong on the way from people to the bot and back; empty for nothing."""

    deaf: str = ""  # why a command may not arrive
    deaf_since_ms: int = 0
    mute: str = ""  # why no message gets through
    mute_since_ms: int = 0

    def lines(self) -> list[str]:
        """Return it in words.

        Examples
        --------
        >>> Reach(mute="chat not found", mute_since_ms=0).lines()
        ['Telegram takes no message since 1970-01-01 00:00:00 UTC: chat not found']
        """
        deaf = f"since {readable(self.deaf_since_ms)} {self.deaf}"
        mute = f"Telegram takes no message since {readable(self.mute_since_ms)}: {self.mute}"
        return [*([deaf] if self.deaf else []), *([mute] if self.mute else [])]


def note_reach(folder: Path, reach: Reach) -> None:
    """Write it down; a disk that is full keeps nobody from being told."""
    try:
        write_atomic(
            folder / REACH_FILE, json.dumps(asdict(reach)).encode() + b"\n", sync=Sync.NOTHING
        )
    except OSError as error:
        logger.warning("how Telegram fares cannot be written: %s", error)


def reach_lines(folder: Path) -> list[str]:
    """Return what is wrong in words; nothing if no bot has found anything wrong."""
    try:
        return Reach(**json.loads(read_regular(folder / REACH_FILE))).lines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, RecursionError) as error:
        return [f"how Telegram fares cannot be read: {error!r:.100}"]
