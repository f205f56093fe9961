"""Everything the guards ask somebody for goes through here; what nobody answers is escalated.

Unknown refuses new risk at once and stands in `/risk` at once; after a minute a person is told,
after three the bot only reduces; once the answer is back, all is as it was before, and that is told
too. Of one pair it concerns that pair, and the account while the pair is held.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from models.base.errors import PackError
from models.operate.control.unknown import Unknown, in_short
from models.operate.journal.records import Incident
from models.trade.risk.limits import GuardConfig
from strategies.guard.causes import LASTS, OVER, REDUCES, CausesTold, UnknownNews
from strategies.human.control import Control

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_FORGET_S: Final = 120.0  # a pair that is not held, and not asked about for so long
_SHOWN_MS: Final = 3_600_000  # that something was unknown, once it is known again


@dataclass
class _Open:
    """Something unknown, on the monotonic clock: the machine's may jump."""

    pair: str
    seen: Unknown
    begun_s: float
    asked_s: float
    at_once: bool = False  # it was unknown for long when it was noticed
    recalled: bool = False  # of an earlier run, and not asked for in this one


class Unknowns:
    """What is unknown now, and what follows.

    Parameters
    ----------
    control
        None in a backtest, in which nothing follows.
    config
        When a person is told, and when only reducing is left.
    """

    def __init__(
        self,
        control: Control | None,
        config: GuardConfig,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._control, self._config, self._monotonic_s = control, config, monotonic_s
        self._open: dict[str, _Open] = {}
        self._over: list[Unknown] = []
        self._held: frozenset[str] = frozenset()
        self._written: tuple[Unknown, ...] = ()
        self._news: list[UnknownNews] = []  # since the last loop
        self._causes = CausesTold()
        self._said: list[str] = []  # what people are to be told, until it is written down
        if control is not None:
            self._recall(control)

    def _recall(self, control: Control) -> None:
        """Go on with what was unknown when the bot ended: a restart answers nothing."""
        now_s, now_ms = self._monotonic_s(), control.clock()
        self._written = control.store.read().unknown
        self._over = [u for u in self._written if not u.lasts]
        for seen in self._written:
            if seen.lasts:
                lasted_s = max(now_ms - seen.since_ms, 0) / 1000
                # Of the account, as far as is known now: whoever asks again says of which pair.
                self._open[seen.what] = _Open("", seen, now_s - lasted_s, now_s, recalled=True)

    # -- asking -------------------------------------------------------------------------------

    def ask(self, what: str, answer: Callable[[], _T], *, pair: str = "") -> _T | None:
        """Return the answer, or None if there is none; never raises."""
        try:
            got = answer()
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is not known
            self.note(what, error, pair=pair)
            return None
        self.known(what)
        return got

    def note(self, what: str, why: object, *, pair: str = "", at_once: bool = False) -> None:
        """Note that something is unknown, of one pair or, without, of the account.

        `at_once` is for what has been unknown for long already: it is not waited with.
        """
        clean = str if self._control is None else self._control.store.masked
        now_s, told = self._monotonic_s(), in_short(why, clean)
        logger.warning("%s cannot be had: %s", what, told)
        before = self._open.get(what)
        if before is None:
            since_ms = 0 if self._control is None else self._control.clock()
            seen = Unknown(what=what, since_ms=since_ms, why=told)
            self._open[what] = _Open(pair, seen, now_s, now_s, at_once)
            return
        before.pair, before.asked_s, before.at_once, before.recalled = pair, now_s, at_once, False
        before.seen = replace(before.seen, why=told)

    def known(self, what: str) -> None:
        """Note that something is known, or known again."""
        self._close(what, "known again")

    def is_unknown(self, *what: str) -> bool:
        """Whether any of these is unknown now."""
        return any(w in self._open for w in what)

    def of(self, pair: str) -> frozenset[str]:
        """Return what is unknown of just this pair, or of the account without one."""
        return frozenset(w for w, unknown in list(self._open.items()) if unknown.pair == pair)

    def concerning(self, pair: str) -> tuple[str, ...]:
        """Return what is unknown of the account, of `pair`, and of any pair that is held."""
        return tuple(
            what
            for what, unknown in list(self._open.items())
            if unknown.pair in ("", pair) or unknown.pair in self._held
        )

    # -- what follows -------------------------------------------------------------------------

    def settle(self, held: Collection[str]) -> None:
        """Escalate, tell and write down, once a loop, after everything due was asked for.

        Parameters
        ----------
        held
            Pairs with a position or an order of the bot: what is unknown of them concerns all.
        """
        if self._control is None:
            return
        self._held = frozenset(held)
        now_s, now_ms = self._monotonic_s(), self._control.clock()
        for what, unknown in list(self._open.items()):
            aside = bool(unknown.pair) and unknown.pair not in self._held
            if now_s - unknown.asked_s > _FORGET_S and (aside or unknown.recalled):
                self._close(what, "not asked for any more")
            else:
                self._escalate(unknown, now_s, now_ms, reduces=not aside)
        self._over = [u for u in self._over if u.over_ms and now_ms - u.over_ms < _SHOWN_MS]
        self._said += self._messages()
        self._write(self._control)

    def _escalate(self, unknown: _Open, now_s: float, now_ms: int, *, reduces: bool) -> None:
        seen, lasted_s = unknown.seen, now_s - unknown.begun_s
        due = unknown.at_once or lasted_s >= self._config.unknown_reduce_s
        after = replace(
            seen,
            told=seen.told or due or lasted_s >= self._config.unknown_told_s,
            reduces_ms=(seen.reduces_ms or now_ms) if reduces and due else None,
        )
        lasted_ms = round(1000 * lasted_s)
        if after.reduces_ms and not seen.reduces_ms:
            self._note_news(REDUCES, seen, lasted_ms)
        elif after.told and not seen.told:
            self._note_news(LASTS, seen, lasted_ms)
        unknown.seen = after

    def _close(self, what: str, how: str) -> None:
        unknown = self._open.pop(what, None)
        named = what in self._causes.group
        if unknown is None or self._control is None or not (unknown.seen.told or named):
            return
        over = replace(unknown.seen, told=True, over_ms=self._control.clock(), reduces_ms=None)
        self._over.append(over)
        lasted_ms = round(1000 * (self._monotonic_s() - unknown.begun_s))
        self._note_news(OVER, unknown.seen, lasted_ms, how)

    def _note_news(self, kind: str, seen: Unknown, lasted_ms: int, how: str = "") -> None:
        """Write news down at once; people are told of it by cause, once a loop."""
        news = UnknownNews(kind=kind, what=seen.what, why=seen.why, lasted_ms=lasted_ms, how=how)
        logger.warning("%s; %s", news.text, news.done)
        if self._control is not None:
            self._news.append(news)
            self._control.record(kind, Incident(what=news.text, done=news.done))

    def _messages(self) -> list[str]:
        """Return what people are to be told of this loop, by cause."""
        why = {what: unknown.seen.why for what, unknown in self._open.items()}
        reducing = {what: why[what] for what in self.concerning("")}
        news, self._news = self._news, []
        return self._causes.messages(news, why, reducing)

    def _write(self, control: Control) -> None:
        """Write down what changed; `/risk`, Telegram and the mode in force go by it."""
        now = (*(u.seen for u in self._open.values()), *self._over)
        if now == self._written and not self._said:
            return
        try:
            control.store.note_unknown(now, self._said)
            self._written, self._said = now, []
        except (PackError, OSError) as error:
            logger.error("what is unknown cannot be written down: %s", error)  # tried again
