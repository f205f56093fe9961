"""What people are told of the unknown, by cause: a revoked key is one message, not one a question.

The journal has a line for each; messages name all that is unknown for the same reason at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from models.operate.control.unknown import span

LASTS, REDUCES, OVER = "unknown.lasts", "unknown.reduces", "unknown.over"
_DONE: Final = {
    LASTS: "no new risk that it concerns",
    REDUCES: "nothing but reducing until it is known again",
    OVER: "as it stood before",
}
# Freqtrade puts its own sentence before the client's error, another for each question.
_WITHIN: Final = re.compile(r"due to (\w+)\. Message: (.*)")
_COMPARED: Final = 60  # characters: what follows is cut off at different places


@dataclass(frozen=True, kw_only=True)
class UnknownNews:
    """One thing that became due to be told, or is over; `how` it is over, else `why` not known."""

    kind: str
    what: str
    why: str
    lasted_ms: int
    how: str = ""

    @property
    def text(self) -> str:
        """What is the matter, of this thing alone."""
        return _text([self])

    @property
    def done(self) -> str:
        return _DONE[self.kind]


@dataclass
class CausesTold:
    """Turns news into messages.

    Attributes
    ----------
    group
        What has been named in a message and is not said to be over -> the message.
    """

    group: dict[str, int] = field(default_factory=dict)
    _reducing: set[str] = field(default_factory=set)  # named as what lets the bot only reduce
    _over: list[UnknownNews] = field(default_factory=list)  # waits for the rest of its message
    _count: int = 0

    def messages(
        self, news: Sequence[UnknownNews], unknown: Mapping[str, str], reducing: Mapping[str, str]
    ) -> list[str]:
        """Return what to say now.

        Parameters
        ----------
        news
            Since the last time.
        unknown
            Everything that is unknown now, and why: what shares a cause is named with it.
        reducing
            What of it concerns the whole account.
        """
        said = self._beginning(LASTS, news, unknown), self._beginning(REDUCES, news, reducing)
        self._over += [item for item in news if item.kind == OVER]
        return [*said[0], *said[1], *self._ending(unknown)]

    def _beginning(
        self, kind: str, news: Sequence[UnknownNews], unknown: Mapping[str, str]
    ) -> list[str]:
        named = self._reducing if kind == REDUCES else self.group.keys()
        due = [item for item in news if item.kind == kind and item.what not in named]
        messages = []
        for cause in dict.fromkeys(cause_of(item.why) for item in due):
            mine = [item for item in due if cause_of(item.why) == cause]
            more = [
                UnknownNews(kind=kind, what=what, why=why, lasted_ms=0)
                for what, why in unknown.items()
                if cause_of(why) == cause and what not in named and what not in _names(mine)
            ]
            self._name([*mine, *more], kind)
            messages.append(f"{_text([*mine, *more])}; {_DONE[kind]}")
        return messages

    def _name(self, items: Sequence[UnknownNews], kind: str) -> None:
        self._count += 1
        for item in items:
            self.group.setdefault(item.what, self._count)
            if kind == REDUCES:
                self._reducing.add(item.what)

    def _ending(self, unknown: Mapping[str, str]) -> list[str]:
        """Say what is over, once all that one message named is."""
        self._over = list({item.what: item for item in self._over}.values())
        open_groups = {self.group[what] for what in unknown if what in self.group}
        ended: dict[tuple[int, str], list[UnknownNews]] = {}
        for item in self._over:
            group = self.group.get(item.what, -1)
            if group not in open_groups:
                ended.setdefault((group, item.how), []).append(item)
        for items in ended.values():
            for item in items:
                self._over.remove(item)
                self.group.pop(item.what, None)
                self._reducing.discard(item.what)
        return [f"{_text(items)}; {_DONE[OVER]}" for items in ended.values()]


def cause_of(why: str) -> str:
    """Return what is the same of a reason whichever question it answers.

    Examples
    --------
    >>> cause_of("TemporaryError: Could not get balance due to NetworkError. Message: binance GET")
    'NetworkError: binance GET'
    """
    within = _WITHIN.search(why)
    return (f"{within[1]}: {within[2]}" if within else why)[:_COMPARED]


def _names(items: Sequence[UnknownNews]) -> list[str]:
    return [item.what for item in items]


def _text(items: Sequence[UnknownNews]) -> str:
    first, lasted = items[0], span(max(item.lasted_ms for item in items))
    names = ", ".join(_names(items))
    if first.kind == OVER:
        return f"{names}: {first.how} after {lasted}"
    return f"{names}: unknown for {lasted} ({first.why})"
