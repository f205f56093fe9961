"""How the pack speaks by Telegram: answers, and what nobody has asked for.

Told is what Telegram has accepted. What it does not accept is said again, after a restart too; a
message it never accepts, for its length or its markup, is sent without markup and in parts. Whether
commands arrive is watched as well: a second program with the same token takes them away unheard.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from freqtrade.rpc import RPC
from telegram import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, ReplyKeyboardMarkup
from telegram.constants import ParseMode
from telegram.error import BadRequest, RetryAfter, TelegramError

from models.operate.control.commands import Commands
from models.operate.control.news import News, Untold
from models.operate.control.review import Answer
from models.operate.control.state import ControlState
from models.operate.control.text import proposal_line, readable
from strategies.human.hearing import Hearing
from strategies.human.messages import MARK, Reply, fitted, html, pages, without_secrets
from strategies.seams.telegram_client import TelegramClient

logger = logging.getLogger(__name__)

_LOOK_S: Final = 1.0  # between two looks for news
_LATE: Final = 50  # answers kept for later


class TellingClient(TelegramClient):
    """Freqtrade's client, which says what there is to say until it has arrived."""

    def __init__(self, rpc: RPC, config: dict[str, Any]) -> None:
        self._news: News | None = None  # of the strategy's control, once there is one
        self._hearing: Hearing | None = None
        self._answering: frozenset[int] = frozenset()  # notices an answer on its way tells of
        self._late: deque[tuple[int, Reply]] = deque(maxlen=_LATE)  # answers not accepted, and when
        self._shown: frozenset[str] = frozenset()  # entries whose waiting was told
        self._not_before_s = 0.0  # monotonic; Telegram's flood limit
        super().__init__(rpc, config)

    @property
    def operations(self) -> Commands:
        """The commands of the strategy: a halt that finds no disk is kept in its store."""
        commands: Commands = self.strategy.control.commands
        return commands

    @property
    def news(self) -> News:
        """What was told so far."""
        if self._news is None:
            self._news = News(self.operations.store.folder)
        return self._news

    @property
    def hearing(self) -> Hearing:
        """Whether Telegram carries words both ways."""
        if self._hearing is None:
            self._hearing = Hearing(self.operations)
        return self._hearing

    def polled(self, error: TelegramError | None) -> None:
        """Note that Telegram was asked for commands, and whether it answered."""
        self.hearing.polled(error)
        if error is not None:  # a client that cannot be started looks for no news
            self.hearing.troubles()

    def clean(self, text: str) -> str:
        """Return a text without secrets: whoever says it, errors repeat the oddest things."""
        return without_secrets(text, self.operations.secrets)

    # -- sending ------------------------------------------------------------------------------

    async def answer(self, reply: Reply, *ways: Callable[[], Awaitable[bool]]) -> None:
        """Give an answer in the first of the ways that works; later, if none does."""
        self._answering |= reply.tells
        try:
            for way in ways:
                if await way():
                    self._note_told(reply)
                    return
            self._late.append((self.operations.clock(), reply))
        finally:
            self._answering -= reply.tells

    def _note_told(self, reply: Reply) -> None:
        """Note what an accepted answer has told; one that was fitted may have left it out."""
        if fitted(reply.text) == reply.text:
            self.news.told(Untold(numbers=reply.tells))

    async def edit(self, query: CallbackQuery, reply: Reply) -> bool:
        """Put the answer in the question's place; return whether Telegram has taken it."""
        rows = _keyboard(reply)
        buttons = InlineKeyboardMarkup(rows) if rows else None  # Telegram refuses an empty one
        text = html(fitted(reply.text))
        try:
            await query.answer()
            await query.edit_message_text(text, ParseMode.HTML, reply_markup=buttons)
        except TelegramError as error:
            logger.warning("Telegram did not take an answer: %s", error.message)
            return False
        return True

    async def send(self, reply: Reply) -> bool:
        """Send, twice if need be; return whether Telegram has taken it."""
        rows, text = _keyboard(reply), html(fitted(reply.text))
        mode: ParseMode | None = ParseMode.HTML
        keys = ReplyKeyboardMarkup(self.keys, resize_keyboard=True)
        for _ in range(2):
            try:
                await self.app.bot.send_message(
                    self.settings["chat_id"], text, mode,
                    reply_markup=InlineKeyboardMarkup(rows) if rows else keys,
                    message_thread_id=self.settings.get("topic_id"),
                )  # fmt: skip
            except TelegramError as error:
                logger.warning("Telegram did not take a message: %s", error.message)
                self.hearing.sent(error)
                if isinstance(error, RetryAfter):
                    self._not_before_s = time.monotonic() + _seconds(error)
                    return False
                if isinstance(error, BadRequest):  # perhaps for its markup
                    text, mode = fitted(reply.text), None
            else:
                self.hearing.sent(None)
                return True
        return False

    # -- news ---------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Tell what has changed, until it has arrived."""
        while True:
            try:
                arrived = await self._tell()
            except Exception:
                logger.exception("the news raised exception")
                arrived = False
            wait_s = max(self.again_s, self._not_before_s - time.monotonic())
            await asyncio.sleep(_LOOK_S if arrived else wait_s)

    async def _tell(self) -> bool:
        """Say everything that is due; return whether all of it was accepted."""
        state = self.operations.store.read()
        late = frozenset(n for _, reply in self._late for n in reply.tells)
        untold = self.news.look(
            state, self.hearing.troubles(), obstacles=self.operations.obstacles(),
            without=self._answering | late, starting=not self.strategy.control.has_looped,
        )  # fmt: skip
        if self.app.updater is None or not self.app.updater.running:
            return True  # not connected yet; what was seen is remembered
        return await self._tell_late() and await self._tell_news(state, untold)

    async def _tell_late(self) -> bool:
        while self._late:
            asked_ms, reply = self._late[0]
            head = f"As of {readable(asked_ms)}, when it was asked for:"
            told = replace(reply, text=f"{head}\n{reply.text}")
            if not await self.send(told):
                return False
            self._late.popleft()
            self._note_told(told)
        return True

    async def _tell_news(self, state: ControlState, untold: Untold) -> bool:
        for page in pages(untold.lines):
            if not await self.send(Reply(text=page)):
                return False
        self.news.told(untold)
        waiting = frozenset(p.id for p in state.proposals if p.answer is Answer.WAITING)
        if waiting - self._shown and not await self.send(self.waiting(state)):
            return False
        self._shown = waiting
        return True

    @staticmethod
    def waiting(state: ControlState) -> Reply:
        """Return the entries that wait for a person, with their buttons."""
        waiting = [p for p in state.proposals if p.answer is Answer.WAITING]
        return Reply(
            text="\n\n".join(map(proposal_line, waiting)) or "No entry waits for you.",
            rows=[
                [(f"Approve {p.id}", f"approve {p.id} {p.mark}"),
                 (f"Deny {p.id}", f"deny {p.id} {p.mark}")]
                for p in waiting
            ],
        )  # fmt: skip


def _keyboard(reply: Reply) -> list[list[InlineKeyboardButton]]:
    return [
        [InlineKeyboardButton(label, callback_data=f"{MARK} {data}") for label, data in row]
        for row in reply.rows
    ]


def _seconds(error: RetryAfter) -> float:
    wait = error.retry_after
    return float(wait if isinstance(wait, int) else wait.total_seconds())
