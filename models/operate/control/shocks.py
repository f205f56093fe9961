"""How far each coin may go within an hour, as scenarios hold possible, in a file.

A running bot has it computed once a candle and sizes entries by it, where it is worse than the
record of the coin's worst hours; a bot that starts goes on by the last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError
from models.base.files import iso_ms, write_atomic
from models.base.json_files import read_json_object
from models.base.typed import check_fields
from models.base.units import DAY_MS, HOUR_MS

SHOCKS_FILE: Final = "shocks.json"  # in the bot's control folder
SILENT_MS: Final = DAY_MS + HOUR_MS  # after the last hour that is known, until a pair is not opened
_CURE: Final = "remove the file and restart the bot, which computes it anew"
_LATEST_MS: Final = 253_402_300_799_999  # the last of year 9999


@dataclass(frozen=True, kw_only=True)
class PairShock:
    """What one pair may do in the hour after the newest that it was computed from.

    Raises
    ------
    ValueError
        If a field is of another kind, or no time or move there can be.
    """

    pair: str
    until_ms: int  # close of that newest hour
    fall_frac: float  # of the low, below the close before: 0.05 is 5 %
    rise_frac: float  # of the high, above it

    def __post_init__(self) -> None:
        check_fields(self)
        self.pair.encode()  # JSON can hold what is no text: a ValueError, too
        moves = 0 <= self.fall_frac <= 1 and 0 <= self.rise_frac < math.inf
        if not (moves and self.pair and 0 <= self.until_ms <= _LATEST_MS):
            raise ValueError(f"expected a pair, a time, 0 <= fall <= 1 and 0 <= rise, got {self}")


@dataclass(frozen=True, kw_only=True)
class Unforeseen:
    """A pair of which the scenarios say nothing, and why; ValueError if a field is no text."""

    pair: str
    why: str

    def __post_init__(self) -> None:
        check_fields(self)
        f"{self.pair}{self.why}".encode()


@dataclass(frozen=True, kw_only=True)
class CoinShocks:
    """What is known of each pair, each once; one whose last answer was none may be in both."""

    known: tuple[PairShock, ...]
    missing: tuple[Unforeseen, ...]


def write_shocks(folder: Path, shocks: CoinShocks) -> None:
    """Put shocks into the bot's control folder; raises OSError where they cannot be written."""
    data = json.dumps(asdict(shocks), allow_nan=False).encode() + b"\n"
    write_atomic(folder / SHOCKS_FILE, data)


def read_shocks(folder: Path, *, now_ms: int) -> CoinShocks | None:
    """Return the newest shocks of the bot whose control folder it is, or None if there are none.

    Raises
    ------
    InputError
        If the file is there and holds no shocks, or such of hours to come.
    """
    path = folder / SHOCKS_FILE
    try:
        return _shocks_from(read_json_object(path, cure=_CURE), now_ms)
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected shocks, got {error!r:.200}", where=str(path), cure=_CURE
        ) from error


def _shocks_from(values: Mapping[str, Any], now_ms: int) -> CoinShocks:
    made = CoinShocks(**{
        **values,
        "known": tuple(PairShock(**one) for one in values["known"]),
        "missing": tuple(Unforeseen(**one) for one in values["missing"]),
    })  # fmt: skip
    pairs = [one.pair for one in made.known]
    if len(set(pairs)) != len(pairs):
        raise ValueError(f"expected each pair once, got {pairs}")
    for one in made.known:
        if one.until_ms > now_ms + DAY_MS:
            raise ValueError(f"expected hours that are over, got {iso_ms(one.until_ms)}")
    return made
