"""The book of a bot's models, kept in step with FreqAI's files, and a person's word to go back.

FreqAI's file of the serving model is replaced first, the book second: where they disagree after a
kill, `settle` finishes what was begun.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from freqtrade.strategy import IStrategy

from freqaimodels.base.shelf import Shelf
from freqaimodels.base.unseen import UnseenRows
from models.base.errors import InputError, PackError
from models.base.protocols import ModelsHost
from models.base.units import DAY_MS
from models.operate.control.model_book import (
    MODEL_BOOK,
    Generation,
    ModelBook,
    PairBook,
    forget_wish,
    read_book,
    read_wish,
    write_book,
)
from models.serve.predictor import Predictor
from models.serve.retraining import RetrainingConfig, Schedule
from strategies.seams.freqai_drawer import PlainDrawer

logger = logging.getLogger(__name__)


class BookKeeping:
    """The book, and who serves.

    Parameters
    ----------
    drawer
        FreqAI's, with the models in service.
    shelf
        Where models that do not serve are kept.
    identifier
        Name of FreqAI's folder: models of another one are not of this book.
    changed
        Is called with a pair whose model is another one now.
    """

    _strategy: IStrategy

    def __init__(
        self, config: RetrainingConfig, drawer: PlainDrawer, shelf: Shelf, rows: UnseenRows, *,
        identifier: str, changed: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._config, self._drawer, self._shelf, self._rows = config, drawer, shelf, rows
        self._identifier, self._changed = identifier, changed
        self._lock = threading.RLock()  # of the book; never held while rows are computed
        self._known: ModelBook | None = None
        self._plans: dict[str, Schedule] = {}  # as of the newest candle, by pair
        self._host: ModelsHost | None = None

    def attend(self, strategy: IStrategy) -> bool:
        """Take note of who asks; return whether its models can be kept a book of."""
        self._strategy = strategy
        known = isinstance(strategy, ModelsHost) and strategy.models_folder is not None
        self._host = strategy if known else None
        return known

    # -- going back ---------------------------------------------------------------------------

    def obey(self) -> None:
        """Go back to the model before, where a person has asked for it."""
        folder = None if self._host is None else self._host.models_folder
        if folder is None:
            return
        try:
            wish = read_wish(folder)
        except InputError as error:
            logger.error("nobody goes back to an earlier model: %s", error)
            return
        if wish is None:
            return
        with self._lock:
            if wish.time_ms > self.book.obeyed_ms:
                pairs = [wish.pair] if wish.pair else [b.pair for b in self.book.pairs if b.earlier]
                for pair in pairs:
                    self._go_back(pair, wish.by)
                self._known = replace(self.book, obeyed_ms=wish.time_ms)
                write_book(folder, self._known)
        forget_wish(folder)

    def _go_back(self, pair: str, by: str) -> None:
        book = self.book.of(pair)
        if not book.earlier or book.serving is None:
            self.tell("stays", f"{pair}: there is no earlier model to go back to", f"asked by {by}")
            return
        target = book.earlier[-1]
        try:
            model = self._shelf.get(target.number)
            self._drawer.put_in_service(pair, model, trained_s=int(time.time()))
        except (PackError, OSError) as error:
            self.tell("stays", f"{pair}: {named(target)} cannot serve again", str(error))
            return
        newest = self.newest(pair)
        self.keep(_went_back(book, by, newest))
        self._plans.pop(pair, None)
        self._changed(pair)
        self.tell(
            "rolled_back", f"{pair}: {named(target)} serves again",
            f"instead of {named(book.serving)}, asked by {by}",
        )  # fmt: skip

    # -- the book -----------------------------------------------------------------------------

    @property
    def book(self) -> ModelBook:
        with self._lock:
            if self._known is None:
                self._known = self._begun()
            return self._known

    def _begun(self) -> ModelBook:
        """Return the book as it was left, or a new one where it is of other models."""
        assert self._host is not None
        assert self._host.models_folder is not None
        found = read_book(self._host.models_folder)
        if found is None or found.identifier != self._identifier:
            found = ModelBook(identifier=self._identifier)
        config = self._config
        return replace(
            found, shadow_ms=int(config.shadow_days * DAY_MS),
            calm_ms=int(config.calm_days * DAY_MS), volatile_ms=int(config.volatile_days * DAY_MS),
            volatile_ratio=float(config.volatile_ratio),
        )  # fmt: skip

    def keep(self, book: PairBook) -> None:
        """Write what is known of a pair, and remove the models nobody asks for any more."""
        assert self._host is not None
        assert self._host.models_folder is not None
        kept = self._config.kept_models
        book = replace(book, earlier=book.earlier[-kept:])
        others = tuple(one for one in self.book.pairs if one.pair != book.pair)
        changed = replace(self.book, pairs=(*others, book))
        if changed == self.book and (self._host.models_folder / MODEL_BOOK).exists():
            return
        write_book(self._host.models_folder, changed)
        self._known = changed
        self._shelf.keep_only(_numbers(changed.pairs, kept))

    def settle(self, pair: str, champion: Predictor) -> Predictor:
        """Make book and FreqAI agree on who serves, after a kill between the two or a restart."""
        digest = self._shelf.digest(champion)
        with self._lock:
            book = self.book.of(pair)
            if book.serving is not None and digest == book.serving.digest:
                return champion
            folder = None if self._host is None else self._host.models_folder
            if folder is not None and read_wish(folder) is not None:
                return champion  # going back was begun, and is done again
            if book.shadow is not None and digest == book.shadow.digest:
                self.keep(promoted(book, book.shadow))
                self.tell("promoted", f"{pair}: {named(book.shadow)} serves", "cut off by a kill")
                return champion
            refused = any(digest == one.generation.digest for one in book.quarantined)
            if refused and book.serving is not None:
                model = self._shelf.get(book.serving.number)
                self._drawer.put_in_service(pair, model)
                self._changed(pair)
                return model
            times = champion.history_time_ms
            newest = self.newest(pair) if times is None else int(times[-1])
            found = self.shelve(champion, newest, "found in service")
            new = promoted(book, found) if book.serving else replace(book, serving=found)
            first = new.first or found
            self.keep(replace(new, first=first, trained_ms=newest, watched_ms=newest))
            self.note("found", f"{pair}: {named(found)} serves", "it is not in the book")
            return champion

    def newest(self, pair: str) -> int:
        own = self._rows.candles(pair)
        return 0 if own is None else int(own.time_ms[-1])

    def note(self, event: str, what: str, done: str) -> None:
        logger.info("%s: %s", what, done)
        if self._host is not None:
            self._host.note_models(event, what, done)

    def tell(self, event: str, what: str, done: str) -> None:
        """Write down what has become of a model, and say it to a person."""
        self.note(event, what, done)
        self._strategy.dp.send_msg(f"{what}: {done}")

    def shelve(self, new: Predictor, newest: int, why: str) -> Generation:
        number = self.book.next_number
        self._known = replace(self.book, next_number=number + 1)
        self._shelf.put(number, new)
        return Generation(
            number=number, title=str(new.manifest.get("title", "")), digest=self._shelf.digest(new),
            trained_ms=newest, why=why,
        )  # fmt: skip


def promoted(book: PairBook, generation: Generation) -> PairBook:
    """Return the book with another model serving; the candles of its shadow count as its own."""
    earlier = book.earlier if book.serving is None else (*book.earlier, book.serving)
    return replace(
        book, serving=generation, earlier=earlier, shadow=None, watched={}, alarms=(),
        watched_ms=generation.trained_ms,
    )  # fmt: skip


def _went_back(book: PairBook, by: str, newest: int) -> PairBook:
    """Return the book with the model before serving again; all clocks begin anew."""
    assert book.serving is not None
    target = book.earlier[-1]
    left = book.without(book.serving, f"rolled back by {by}", newest)
    return replace(
        left, serving=target, earlier=book.earlier[:-1], watched={}, alarms=(),
        watched_ms=newest, trained_ms=newest,
    )  # fmt: skip


def _numbers(books: Iterable[PairBook], kept: int) -> set[int]:
    """Return the models whose bytes are kept."""
    found: set[int] = set()
    for book in books:
        some = (book.serving, book.first, book.shadow, *book.earlier)
        found |= {generation.number for generation in some if generation is not None}
        found |= {one.generation.number for one in book.quarantined[-kept:]}
    return found


def named(generation: Generation) -> str:
    return f"model {generation.number} ({generation.title})"
