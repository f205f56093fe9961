"""What a person must say yes to before it happens: asked once, answered once, and soon."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.base.errors import ControlError
from models.base.files import Clock
from models.operate.control.state import Person

VALID_MS: Final = 60_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """One dangerous thing somebody asked for; `act` does it and returns what to tell."""

    token: str
    by: Person
    act: Callable[[], str]
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

    def ask(self, by: Person, act: Callable[[], str]) -> Question:
        """Return a new question; a person's earlier one is void, so one yes means one thing."""
        now = self._clock()
        kept = (q for q in self._open.values() if q.by != by and now < q.until_ms)
        self._open = {q.token: q for q in kept}
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
        if question is not None and question.by != by:
            raise ControlError(f"only {question.by.name}, who asked for it, can answer this")
        self._open.pop(token, None)
        if question is None or self._clock() >= question.until_ms:
            raise ControlError(
                f"this question was open for {VALID_MS // 1000} seconds and is closed",
                cure="send the command again",
            )
        return question
