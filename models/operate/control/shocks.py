"""How far each coin may go within the candle to come, as scenarios hold possible, in a file.

A running bot has it computed once a candle and sizes by it, where it is worse than the record of
the coin's worst hours; a bot that starts goes on by the last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError
from models.base.files import write_atomic
from models.base.json_files import read_json_object
from models.base.typed import check_fields

SHOCKS_FILE: Final = "shocks.json"  # in the bot's control folder
_CURE: Final = "remove the file; a running bot computes it anew"


@dataclass(frozen=True, kw_only=True)
class PairShock:
    """What one pair may do in the candle after the newest it was computed from."""

    pair: str
    until_ms: int  # close of that newest candle
    fall_frac: float  # of the low, below the close before: 0.05 is 5 %
    rise_frac: float  # of the high, above it

    def __post_init__(self) -> None:
        check_fields(self)
        if not (0 <= self.fall_frac <= 1 and 0 <= self.rise_frac < math.inf):
            raise ValueError(f"expected 0 <= fall <= 1 and 0 <= rise < inf, got {self}")


@dataclass(frozen=True, kw_only=True)
class Unforeseen:
    """A pair of which the scenarios say nothing, and why."""

    pair: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Shocks:
    """What is known of each pair, each once."""

    engine: str
    candle_ms: int
    known: tuple[PairShock, ...]
    missing: tuple[Unforeseen, ...] = ()

    def followed_by(self, newer: Shocks) -> Shocks:
        """Return the newer ones, with the last that is known of each pair they are silent on."""
        there = {one.pair for one in newer.known}
        kept = tuple(one for one in self.known if one.pair not in there)
        return Shocks(
            engine=newer.engine, candle_ms=newer.candle_ms,
            known=newer.known + kept, missing=newer.missing,
        )  # fmt: skip


def write_shocks(folder: Path, shocks: Shocks) -> None:
    """Put shocks into the bot's control folder; raises OSError where they cannot be written."""
    data = json.dumps(asdict(shocks), allow_nan=False).encode() + b"\n"
    write_atomic(folder / SHOCKS_FILE, data)


def read_shocks(folder: Path) -> Shocks | None:
    """Return the newest shocks of the bot whose control folder it is, or None if there are none.

    Raises
    ------
    InputError
        If the file is there and holds no shocks.
    """
    path = folder / SHOCKS_FILE
    try:
        return shocks_from(read_json_object(path, cure=_CURE))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected shocks, got {error!r:.200}", where=str(path), cure=_CURE
        ) from error


def shocks_from(values: Mapping[str, Any]) -> Shocks:
    """Return the shocks that `asdict` made these values of, as JSON has kept them.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a field is missing, unknown or of another kind, or a pair is there twice.
    """
    made = Shocks(**{
        **values,
        "known": tuple(PairShock(**one) for one in values["known"]),
        "missing": tuple(Unforeseen(**one) for one in values["missing"]),
    })  # fmt: skip
    check_fields(made)
    pairs = [one.pair for one in made.known]
    if len(set(pairs)) != len(pairs):
        raise ValueError(f"expected each pair once, got {pairs}")
    return made
