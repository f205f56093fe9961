"""Which models a bot has had, which one serves each pair, and what is watched of it.

One file in the bot's control folder, replaced whole: a reader, or a bot after a kill, sees it as it
was before or after a change. The models themselves lie beside FreqAI's; `identifier` says in which
folder. A person's wish to go back is a file of its own, so that it waits for a bot that is down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError
from models.base.files import write_atomic
from models.base.json_files import read_json_object
from models.base.typed import check_fields

MODEL_BOOK: Final = "models.json"  # in the bot's control folder
ROLLBACK_FILE: Final = "rollback.json"
_KEPT_REFUSALS: Final = 20  # of a pair
_CURE: Final = "move the file away; a running bot begins a new one with the model that serves"
_CURE_ROLLBACK: Final = "remove the file, and say rollback again"


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One trained model of a pair."""

    number: int  # counts the models of the book
    title: str
    digest: str  # of what it is
    trained_ms: int  # open of the newest candle it was trained in the knowledge of
    why: str  # what it was trained for


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """A model that must not serve, and why."""

    generation: Generation
    time_ms: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A monitor's sum and its threshold, beyond which it alarms."""

    cusum: float
    threshold: float
    total: float  # of the day that is not full yet
    rows: int
    days: int


@dataclass(frozen=True, kw_only=True)
class PairBook:
    """The models of one pair."""

    pair: str
    trained_ms: int = 0  # the last training, whoever serves since
    serving: Generation | None = None
    first: Generation | None = None  # what boldness is measured by, for good
    earlier: tuple[Generation, ...] = ()  # that have served, newest last
    shadow: Generation | None = None  # answers beside the serving one
    shadow_ms: int = 0  # since
    quarantined: tuple[Quarantined, ...] = ()  # newest last
    watched: Mapping[str, Watched] = field(default_factory=dict)  # by score
    watched_ms: int = 0  # open of the newest candle that is counted
    unwatched: str = ""  # why nothing, or not everything, is
    alarms: tuple[str, ...] = ()  # scores beyond their threshold
    ratio: float | None = None  # volatility of a week over that of a quarter
    held: str = ""  # why no training or promotion, though it is time

    def without(self, generation: Generation, why: str, now_ms: int) -> PairBook:
        """Return the book with a model in quarantine: whatever it was, it serves no more."""
        values = {n: getattr(self, n) for n in self.__dataclass_fields__}
        refused = Quarantined(generation=generation, time_ms=now_ms, why=why)
        values["quarantined"] = (*self.quarantined, refused)[-_KEPT_REFUSALS:]
        values["earlier"] = tuple(g for g in self.earlier if g.number != generation.number)
        if self.shadow == generation:
            values["shadow"] = None
        return PairBook(**values)


@dataclass(frozen=True, kw_only=True)
class ModelBook:
    """All pairs' models."""

    identifier: str  # of FreqAI's folder that the models are of
    next_number: int = 1
    obeyed_ms: int = 0  # time of the last wish to go back that was carried out
    shadow_ms: int = 0  # how long a new model answers beside the serving one
    calm_ms: int = 0  # between trainings, as configured
    volatile_ms: int = 0
    volatile_ratio: float = 1.0
    pairs: tuple[PairBook, ...] = ()

    def of(self, pair: str) -> PairBook:
        """Return what is known of a pair, nothing yet where it is new."""
        return next((book for book in self.pairs if book.pair == pair), PairBook(pair=pair))


@dataclass(frozen=True, kw_only=True)
class RollbackWish:
    """A person's word to go back to the model before."""

    pair: str  # empty: every pair
    by: str
    time_ms: int


def read_book(folder: Path) -> ModelBook | None:
    """Return the book of the bot whose control folder it is, or None if there is none.

    Raises
    ------
    InputError
        If the file is there and is no such book.
    """
    path = folder / MODEL_BOOK
    try:
        values: dict[str, Any] = read_json_object(path, cure=_CURE)
        pairs = tuple(map(_pair, values.pop("pairs")))
        book = ModelBook(**values, pairs=pairs)
        check_fields(book)
        return book
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"expected a book of models, got {error!r:.200}", where=str(path), cure=_CURE
        ) from error


def write_book(folder: Path, book: ModelBook) -> None:
    """Replace the book; raises OSError where it cannot be written."""
    data = json.dumps(asdict(book), allow_nan=False).encode() + b"\n"
    write_atomic(folder / MODEL_BOOK, data)


def read_wish(folder: Path) -> RollbackWish | None:
    """Return the wish to go back that waits, None without one.

    Raises
    ------
    InputError
        If the file is there and is no such wish.
    """
    path = folder / ROLLBACK_FILE
    try:
        values: dict[str, Any] = read_json_object(path, cure=_CURE_ROLLBACK)
        wish = RollbackWish(**values)
        check_fields(wish)
        return wish
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected a wish to go back, got {error!r:.200}", where=str(path), cure=_CURE_ROLLBACK
        ) from error


def write_wish(folder: Path, wish: RollbackWish) -> None:
    """Leave the wish for the bot; a later one takes the place of an earlier."""
    write_atomic(folder / ROLLBACK_FILE, json.dumps(asdict(wish)).encode() + b"\n")


def forget_wish(folder: Path) -> None:
    """Remove the wish that was carried out, or cannot be."""
    (folder / ROLLBACK_FILE).unlink(missing_ok=True)


def _pair(values: Mapping[str, Any]) -> PairBook:
    made: dict[str, Any] = dict(values)
    for name in ("serving", "first", "shadow"):
        made[name] = None if made[name] is None else Generation(**made[name])
    made["earlier"] = tuple(Generation(**one) for one in made["earlier"])
    made["quarantined"] = tuple(
        Quarantined(**{**one, "generation": Generation(**one["generation"])})
        for one in made["quarantined"]
    )
    made["watched"] = {name: Watched(**one) for name, one in made["watched"].items()}
    made["alarms"] = tuple(made["alarms"])
    return PairBook(**made)
