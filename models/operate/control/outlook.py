"""What may become of the account the bot holds: computed beside it, kept in a file, never believed
when old.

The bot says in every sign of life whether the file's figures are of what it holds now
(`Heartbeat.outlook`); whoever shows them shows none that are of another account, of older candles
or of a bot that does not run, and says so instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError
from models.base.files import Sync, write_atomic
from models.base.json_files import read_json_object
from models.base.typed import check_fields

OUTLOOK_FILE: Final = "outlook.json"  # in the bot's control folder
LATE_MS: Final = 15 * 60_000  # after a candle's close, until its outlook is there
_CURE: Final = "remove the file; a running bot computes it anew"


@dataclass(frozen=True, kw_only=True)
class Odds:
    """A share of paths, and the ends of its 95 % Monte-Carlo interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class OutlookHorizon:
    """The account so many days on; equity in quote units, None where too few paths tell it."""

    days: float
    equity: tuple[float | None, ...]  # by `Outlook.levels`
    mean: float
    worst_1: float | None  # mean of the worst 1 % of paths (expected shortfall)
    worst_01: float | None  # of the worst 0.1 %
    liquidated: Odds  # at the extremes: every position at its own worst price at once
    liquidated_at_closes: Odds  # the least it can be


@dataclass(frozen=True, kw_only=True)
class OutlookSize:
    """The chance of liquidation were all positions together so many times the equity."""

    leverage: float
    liquidated: tuple[Odds, ...]  # by horizon


@dataclass(frozen=True, kw_only=True)
class OutlookPosition:
    """What was held of one pair; `amount_base` is negative for a short."""

    pair: str
    amount_base: float
    mark: float


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """One outlook, and what it was computed for."""

    time_ms: int  # of the account and its marks
    until_ms: int  # close of the newest candle in it
    candle_ms: int
    first_ms: int  # open of the oldest candle
    engine: str
    engine_passed: bool  # the tests of engines as forecasts
    seed: int
    paths: int
    simulated: bool  # whether the candles are of no market
    equity_quote: float
    leverage: float  # notional of all positions over the equity
    positions: tuple[OutlookPosition, ...]
    levels: tuple[float, ...]
    horizons: tuple[OutlookHorizon, ...]
    by_leverage: tuple[OutlookSize, ...]
    distance: tuple[float | None, ...]  # by level: least adverse move of all legs left on a path
    notes: tuple[str, ...]  # what a reader has to know of the candles
    engine_notes: tuple[str, ...]  # and of the fit

    @property
    def old_ms(self) -> int:
        """When its figures are old: a candle has closed since, and had time to be looked at."""
        return self.until_ms + self.candle_ms + LATE_MS


def write_outlook(folder: Path, outlook: Outlook) -> None:
    """Put an outlook into the bot's control folder; raises OSError where it cannot be written."""
    data = json.dumps(asdict(outlook), allow_nan=False).encode() + b"\n"
    write_atomic(folder / OUTLOOK_FILE, data, sync=Sync.NOTHING)


def read_outlook(folder: Path) -> Outlook | None:
    """Return the newest outlook of the bot whose control folder it is, or None if there is none.

    Raises
    ------
    InputError
        If the file is there and is no outlook.
    """
    path = folder / OUTLOOK_FILE
    try:
        return outlook_from(read_json_object(path, cure=_CURE))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected an outlook, got {error!r:.200}", where=str(path), cure=_CURE
        ) from error


def outlook_from(values: Mapping[str, Any]) -> Outlook:
    """Return the outlook that `asdict` made these values of, as JSON has kept them.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a field is missing, unknown or of another kind.
    """
    plain: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
    }
    nested: dict[str, Any] = {
        "positions": tuple(OutlookPosition(**one) for one in values["positions"]),
        "horizons": tuple(map(_horizon, values["horizons"])),
        "by_leverage": tuple(map(_size, values["by_leverage"])),
    }
    made = Outlook(**{**plain, **nested})
    check_fields(made)
    levels, horizons = len(made.levels), len(made.horizons)
    if not (
        horizons
        and len(made.distance) == levels
        and all(len(one.equity) == levels for one in made.horizons)
        and all(len(one.liquidated) == horizons for one in made.by_leverage)
    ):
        raise ValueError("expected a number for each level and horizon")
    return made


def _size(values: Mapping[str, Any]) -> OutlookSize:
    return OutlookSize(**{**values, "liquidated": tuple(Odds(**o) for o in values["liquidated"])})


def _horizon(values: Mapping[str, Any]) -> OutlookHorizon:
    return OutlookHorizon(**{
        **values,
        "equity": tuple(values["equity"]),
        "liquidated": Odds(**values["liquidated"]),
        "liquidated_at_closes": Odds(**values["liquidated_at_closes"]),
    })  # fmt: skip
