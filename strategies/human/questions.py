"""What a person must say yes to before it happens: asked once, answered once, and soon."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.base.errors import ControlError
from models.base.files import Clock
from models.operate.control.state import Person
from strategies.human.messages import Reply

VALID_MS: Final = 60_000
_REMEMBERED: Final = 100  # questions that are closed, for saying why


@dataclass(frozen=True, kw_only=True)
class Question:
    """One dangerous thing somebody asked for; `act` does it and returns what to tell."""

    token: str
    by: Person
    act: Callable[[], Reply]
    until_ms: int


class Questions:
    """The open questions of one bot process; a restart forgets them, which answers no.

    Parameters
    ----------
    clock
        Milliseconds; of a clock that never jumps.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Question] = {}
        self._closed: OrderedDict[str, str] = OrderedDict()  # token -> why

    def ask(self, by: Person, act: Callable[[], Reply]) -> Question:
        """Return a new question; a person's earlier one is void, so one yes means one thing."""
        now = self._clock()
        for token, earlier in list(self._open.items()):
            if earlier.by == by:
                self._close(token, "a newer question of yours has taken its place")
            elif now >= earlier.until_ms:
                self._close(token, _over())
        # By chance, not by number: a button of the last run must not answer a question of this one.
        question = Question(token=secrets.token_hex(8), by=by, act=act, until_ms=now + VALID_MS)
        self._open[question.token] = question
        return question

    def take(self, token: str, by: Person) -> Question:
        """Return the question with this token, which is then gone.

        Raises
        ------
        ControlError
            If it was answered, has expired, is unknown, or somebody else asked for it.
        """
        question = self._open.get(token)
        if question is None:
            why = self._closed.get(token, "this question is older than the bot's last start")
            raise ControlError(why, cure="send the command again")
        if question.by != by:
            raise ControlError(f"only {question.by.name}, who asked for it, can answer this")
        if self._clock() >= question.until_ms:
            self._close(token, _over())
            raise ControlError(_over(), cure="send the command again")
        self._close(token, "this question was answered already")
        return question

    def _close(self, token: str, why: str) -> None:
        self._open.pop(token, None)
        self._closed[token] = why
        while len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)


def _over() -> str:
    return f"this question was open for {VALID_MS // 1000} seconds and is closed"
