"""Whether Telegram carries words both ways: what its client meets, as sentences for people.

A failed request is no news. News is what may keep a command from arriving, or a message, for long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, TelegramError

from models.base.errors import PackError
from models.operate.control.commands import Commands
from models.operate.control.reach import Reach, note_reach
from models.operate.journal.records import Incident, masked

logger = logging.getLogger(__name__)

_LASTS_S: Final = 60.0  # what fails for so long is told
_CONFLICTS: Final = 2  # a bot that is started again may meet its own last request once


class Hearing:
    """What stands between people and one bot.

    Parameters
    ----------
    operations
        Whose journal and folder take down what was found.
    monotonic
        Seconds; what a wait is measured with.
    """

    def __init__(
        self,
        operations: Commands,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operations, self._clock, self._monotonic = operations, operations.clock, monotonic
        self._reach = Reach()
        self._conflicts, self._conflict_s = 0, 0.0  # and when the last one came
        self._poll_fails_s: float | None = None  # since when no request for commands succeeds
        self._poll_error = ""
        self._send_fails_s: float | None = None
        self._send_error = ""
        self._hopeless = False  # an error that the same message meets again
        note_reach(operations.store.folder, self._reach)

    def polled(self, error: TelegramError | None) -> None:
        """Note a request for commands: answered, or why not."""
        now = self._monotonic()
        if isinstance(error, Conflict):  # in between, each of two pollers is answered
            self._conflicts = self._conflicts + 1 if now - self._conflict_s < _LASTS_S else 1
            self._conflict_s = now
        elif error is None:
            self._poll_fails_s, self._poll_error = None, ""
        else:
            since = now if self._poll_fails_s is None else self._poll_fails_s
            self._poll_fails_s = since - (_LASTS_S if isinstance(error, InvalidToken) else 0)
            self._poll_error = error.message

    def sent(self, error: TelegramError | None) -> None:
        """Note a message: accepted, or why not."""
        if error is None:
            self._send_fails_s, self._send_error, self._hopeless = None, "", False
            return
        if self._send_fails_s is None:
            self._send_fails_s = self._monotonic()
        self._send_error = error.message
        self._hopeless = isinstance(error, InvalidToken | Forbidden | BadRequest)

    def troubles(self) -> list[str]:
        """Return what people should know, and write down what has changed."""
        now = self._monotonic()
        clean = partial(masked, secrets=self._operations.secrets)
        reach = Reach(
            deaf=clean(self._deaf(now)), deaf_since_ms=self._clock(),
            mute=clean(self._mute(now)), mute_since_ms=self._clock(),
        )  # fmt: skip
        self._note(reach)
        return [trouble for trouble in (self._reach.deaf, self._told_mute()) if trouble]

    def _deaf(self, now: float) -> str:
        if self._conflicts >= _CONFLICTS and now - self._conflict_s < _LASTS_S:
            return (
                "another program reads this bot's Telegram commands too (409): one sent here "
                "may not arrive; end the other, or use breakwater halt"
            )
        if self._poll_fails_s is not None and now - self._poll_fails_s >= _LASTS_S:
            return f"Telegram gives the bot no commands: {self._poll_error}"
        return ""

    def _mute(self, now: float) -> str:
        if self._send_fails_s is None:
            return ""
        lasts = now - self._send_fails_s >= _LASTS_S
        return self._send_error if lasts or self._hopeless else ""

    def _told_mute(self) -> str:
        return f"Telegram takes no message: {self._reach.mute}" if self._reach.mute else ""

    def _note(self, reach: Reach) -> None:
        """Keep what has changed, with the time it began; journal each beginning and end."""
        was = self._reach
        now = Reach(
            deaf=reach.deaf,
            deaf_since_ms=was.deaf_since_ms if was.deaf else reach.deaf_since_ms,
            mute=reach.mute,
            mute_since_ms=was.mute_since_ms if was.mute else reach.mute_since_ms,
        )
        self._reach = now
        if (was.deaf, was.mute) == (now.deaf, now.mute):
            return
        note_reach(self._operations.store.folder, now)
        for kind, before, after in (
            ("telegram.deaf", was.deaf, now.deaf), ("telegram.mute", was.mute, now.mute),
        ):  # fmt: skip
            if before != after:
                self._journal(kind, after or f"over: {before}")

    def _journal(self, kind: str, what: str) -> None:
        logger.warning("%s: %s", kind, what)
        try:
            self._operations.journal.append(kind, Incident(what=what))
        except (PackError, OSError) as error:
            logger.warning("not journalled: %s", error)
