"""A sign of life the bot leaves in every loop, for the watchdog and for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from models.base.errors import ControlError
from models.base.files import Sync, read_regular, write_atomic
from models.operate.journal.records import plain_values

FILE: Final = "heartbeat.json"
RELOADING: Final = "/reload_config"  # what `stopped` says while a new configuration is loaded
_EVER: Final = "has-run"  # there since the first sign of life: one that is missing is missed
_TEXTS: Final = ("stopped", "obstacles", "barred", "answers", "outlook")
_LATEST_MS: Final = 253_402_300_799_999  # the last of year 9999


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """One loop of the bot.

    Raises
    ------
    TypeError, ValueError
        If a field is of another kind, or a number that no bot writes.
    """

    time_ms: int
    pid: int
    loop: int  # since the bot's start
    feed_ms: int | None = None  # close of the oldest among the pairs' newest analysed candles
    candle_ms: int | None = None  # until the next one
    numbers: Mapping[str, float] = field(default_factory=dict)  # account figures, for people
    stopped: str = ""  # how a person has stopped the bot, as "/stop"; empty while it runs
    stopped_ms: int | None = None
    obstacles: Sequence[str] = ()  # why the bot opens nothing, whatever the mode allows
    barred: Sequence[str] = ()  # pairs nothing can be opened in now, and why, a sentence each
    hedges: bool | None = None  # whether its strategy hedges a position; None: not said
    # Of each pair why nothing is opened in it, as `models.operate.control.entry_answer` reads it.
    answers: Sequence[Mapping[str, Any]] = ()
    # Why the outlook of the account is not to be shown; empty: it is. None: nothing is said of one.
    outlook: str | None = None

    def __post_init__(self) -> None:
        wholes = (self.time_ms, self.pid, self.loop)
        maybe = [v for v in (self.feed_ms, self.candle_ms, self.stopped_ms) if v is not None]
        if not all(type(v) is int for v in (*wholes, *maybe)) or type(self.stopped) is not str:
            raise TypeError("expected whole numbers and a text")
        if not all(0 <= v <= _LATEST_MS for v in (*wholes, *maybe)) or self.candle_ms == 0:
            raise ValueError("expected times from 1970 to 9999")
        if not isinstance(self.numbers, Mapping) or not all(
            type(v) in (int, float) for v in self.numbers.values()
        ):
            raise TypeError("expected numbers by name")
        for texts in (self.obstacles, self.barred):
            if not isinstance(texts, list | tuple) or not all(type(v) is str for v in texts):
                raise TypeError("expected obstacles and barred pairs as texts")
        if not isinstance(self.answers, list | tuple) or not all(map(_is_answer, self.answers)):
            raise TypeError("expected answers with pair, rule, why and change as texts")
        if self.hedges is not None and type(self.hedges) is not bool:
            raise TypeError("expected true, false or nothing of hedges")
        if self.outlook is not None and type(self.outlook) is not str:
            raise TypeError("expected a text or nothing of the outlook")


def _is_answer(values: object) -> bool:
    """Whether a value is an answer a bot of this version writes."""
    if not isinstance(values, Mapping):
        return False
    texts = [values.get(name) for name in ("pair", "rule", "why", "change")]
    times = [values.get(name) for name in ("candle_ms", "closed_ms", "trained_ms")]
    known = [time for time in times if time is not None]
    return (
        all(type(text) is str for text in (*texts, values.get("forecast", "")))
        and all(type(time) is int and 0 <= time <= _LATEST_MS for time in known)
    )  # fmt: skip


def beat(folder: Path, heartbeat: Heartbeat, secrets: Collection[str] = ()) -> None:
    """Write the sign of life; raises OSError where nothing can be written.

    What was refused may repeat an error's words: they are scrubbed as those of the journal are.
    """
    told = asdict(heartbeat)
    told |= {name: plain_values(told[name], secrets, name) for name in _TEXTS}
    data = json.dumps(told).encode() + b"\n"
    if not (folder / _EVER).exists():
        (folder / _EVER).touch()
    write_atomic(folder / FILE, data, sync=Sync.NOTHING)


def last_beat(folder: Path) -> Heartbeat | None:
    """Return the newest sign of life, or None if no bot has ever given one.

    Raises
    ------
    ControlError
        If the file is there and cannot be read, or is gone though there was one once.
    """
    path = folder / FILE
    try:
        values: dict[str, Any] = json.loads(read_regular(path))
        return Heartbeat(**values)
    except FileNotFoundError:
        if not (folder / _EVER).exists():
            return None
        raise ControlError("the bot's sign of life is gone", where=str(path)) from None
    except Exception as error:
        raise ControlError(
            f"expected a heartbeat, got {error!r:.200}",
            where=str(path),
            cure="remove the file; a running bot writes it anew in its next loop",
        ) from error
