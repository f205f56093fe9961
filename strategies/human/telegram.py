"""The pack's commands in Freqtrade's own Telegram bot, without a fork.

`install` puts a subclass in the place from which Freqtrade takes its client. Handlers only parse,
ask, call and answer; what a command means is in `models.operate.control.commands`. No setting
switches them off. A command is carried out before it is answered: an answer that gets lost undoes
nothing. What changes without a word from here, a guard's halt or an entry that waits, is told
unasked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, Final

from freqtrade.enums import RPCMessageType
from freqtrade.persistence import Trade
from freqtrade.rpc import RPC
from freqtrade.rpc import telegram as freqtrade_telegram
from telegram import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReplyKeyboardMarkup,
    Update,
    User,
)
from telegram.constants import ParseMode
from telegram.error import TelegramError
from telegram.ext import CallbackContext, CallbackQueryHandler, CommandHandler, filters
from telegram.helpers import escape_markdown

from models.base.errors import ControlError, PackError
from models.base.files import Clock, wall_clock_ms
from models.operate.control.commands import Commands, hedge_meaning
from models.operate.control.review import Answer
from models.operate.control.state import ControlMode, ControlState, Person
from models.operate.control.text import mode_lines, proposal_line
from strategies.human.questions import Questions

logger = logging.getLogger(__name__)

_MARK: Final = "pack"  # what the data of our buttons begins with
_KEYS: Final = ("/risk", "/hedge", "/reduce", "/halt")
_LOOK_S: Final = 1.0  # between two looks for news
_AGAIN_S: Final = 10.0  # after Telegram was out of reach
_LONGEST: Final = 4000  # characters; Telegram refuses more than 4096
_HELP: Final = """\
Safety
/risk: what the bot may do now, and how much room is left
/halt [reason]: stop at once; positions are only closed
/reduce [reason]: no new positions, and none is made larger
/resume: trade again after a stop (asks first)
/flatten [reason]: stop, and close every position (asks first)
/hedge [share, freeze or release]: show the hedge, or set it by hand (asks first)
/why <trade id>: what the bot knew and decided about a trade
/approve [id], /deny [id]: answer entries that wait for you"""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a command answers: text, and rows of buttons by label and data."""

    text: str
    rows: Sequence[Sequence[tuple[str, str]]] = ()

    def keyboard(self) -> list[list[InlineKeyboardButton]]:
        """Return the buttons."""
        return [
            [InlineKeyboardButton(label, callback_data=f"{_MARK} {data}") for label, data in row]
            for row in self.rows
        ]


Command = Callable[[Person, Sequence[str]], Reply]
Told = tuple[ControlMode, str, str, bool]  # mode, by whom, why, flattening


class PackTelegram(freqtrade_telegram.Telegram):
    """Freqtrade's client with the pack's commands in front of its own."""

    def __init__(self, rpc: RPC, config: dict[str, Any], clock: Clock = wall_clock_ms) -> None:
        self._questions = Questions(clock)
        self._closing = threading.Event()
        self._speaking = asyncio.Lock()  # what a command has changed is not told twice
        self._ready = threading.Event()
        self._told: Told | None = None
        self._shown: frozenset[str] = frozenset()  # entries whose waiting was told
        super().__init__(rpc, config)  # starts to listen

    @property
    def name(self) -> str:
        return "telegram"

    @property
    def _commands(self) -> Commands:
        # The strategy's own: a halt that finds no disk is kept in its store's memory.
        commands: Commands = self._rpc._freqtrade.strategy.control.commands
        return commands

    # -- Freqtrade's side ---------------------------------------------------------------------

    def _init_keyboard(self) -> None:
        super()._init_keyboard()
        self._keyboard = [*self._keyboard, list(_KEYS)]

    def compose_message(self, msg: Any) -> str | None:
        """As ever; what a strategy says is text: a name with one underscore would be refused."""
        message = super().compose_message(msg)
        if message and msg["type"] == RPCMessageType.STRATEGY_MSG:
            return escape_markdown(message)
        return message

    def _start_thread(self) -> None:
        super()._start_thread()
        # Freqtrade speaks at once; a message without an event loop to send it on would be lost.
        self._ready.wait(timeout=10)

    def _init(self) -> None:
        """As ever, and anew after an error: in silence nobody would be left to command the bot."""
        while True:
            try:
                super()._init()
            except Exception:
                logger.exception("Telegram's client raised exception; it is started again")
            else:
                return
            if self._closing.wait(_AGAIN_S):
                return

    def _init_telegram_app(self) -> Any:
        self._ready.set()
        app = super()._init_telegram_app()
        handlers: dict[str, Command] = {
            "risk": self._risk,
            "halt": self._halt,
            "reduce": self._reduce,
            "resume": self._resume,
            "flatten": self._flatten,
            "hedge": self._hedge,
            "why": self._why,
            "approve": partial(self._review, "approve"),
            "deny": partial(self._review, "deny"),
        }
        new = filters.UpdateType.MESSAGE  # an old message that is edited is no command
        for name, command in handlers.items():
            app.add_handler(CommandHandler(name, partial(self._said, command=command), new))
        app.add_handler(CallbackQueryHandler(self._pressed, pattern=f"^{_MARK} "))
        return app

    async def _startup_telegram(self) -> None:
        """Listen until `cleanup`; Freqtrade's own gives up when three attempts to start fail."""
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                try:
                    await super()._startup_telegram()
                except TelegramError as error:
                    logger.warning("Telegram is out of reach: %s", error.message)
                if self._closing.is_set():
                    return
                if self._app.running:
                    await self._app.stop()
                await asyncio.sleep(_AGAIN_S)
        finally:
            watching.cancel()

    def cleanup(self) -> None:
        self._closing.set()
        super().cleanup()

    @freqtrade_telegram.authorized_only
    async def _help(self, update: Update, context: CallbackContext) -> None:
        await super()._help(update, context)
        await self._send(Reply(text=_HELP))

    # Freqtrade's own buttons open and close trades for whoever in the chat presses them.

    @freqtrade_telegram.authorized_only
    async def _force_exit_inline(self, update: Update, context: CallbackContext) -> None:
        await super()._force_exit_inline(update, context)

    @freqtrade_telegram.authorized_only
    async def _force_enter_inline(self, update: Update, context: CallbackContext) -> None:
        await super()._force_enter_inline(update, context)

    @freqtrade_telegram.authorized_only
    async def _said(self, update: Update, context: CallbackContext, *, command: Command) -> None:
        async with self._speaking:
            reply = _carried_out(command, _person(update.effective_user), context.args or [])
            now = self._commands.store.read()
            if await self._send(reply):
                self._told = _told(now)

    @freqtrade_telegram.authorized_only
    async def _pressed(self, update: Update, _: CallbackContext) -> None:
        query = update.callback_query
        _, verb, subject = query.data.split(" ", 2)
        command = partial(self._press, verb)
        async with self._speaking:
            reply = _carried_out(command, _person(update.effective_user), [subject])
            now = self._commands.store.read()
            if await self._edit(query, reply) or await self._send(reply):
                self._told = _told(now)

    async def _edit(self, query: CallbackQuery, reply: Reply) -> bool:
        """Put the answer in the question's place; return whether Telegram has taken it."""
        rows = reply.keyboard()
        buttons = InlineKeyboardMarkup(rows) if rows else None  # Telegram refuses an empty one
        try:
            await query.answer()
            await query.edit_message_text(_html(reply.text), ParseMode.HTML, reply_markup=buttons)
        except TelegramError as error:
            logger.warning("Telegram did not take an answer: %s", error.message)
            return False
        return True

    async def _send(self, reply: Reply) -> bool:
        """Send, twice if need be; return whether Telegram has taken it."""
        settings, rows = self._config["telegram"], reply.keyboard()
        keys = ReplyKeyboardMarkup(self._keyboard, resize_keyboard=True)
        for _ in range(2):
            try:
                await self._app.bot.send_message(
                    settings["chat_id"],
                    _html(reply.text),
                    ParseMode.HTML,
                    reply_markup=InlineKeyboardMarkup(rows) if rows else keys,
                    message_thread_id=settings.get("topic_id"),
                )
            except TelegramError as error:
                logger.warning("Telegram did not take a message: %s", error.message)
            else:
                return True
        return False

    # -- news ---------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Tell what has changed, until it has arrived."""
        while True:
            pause = _LOOK_S
            if self._app.updater.running:
                try:
                    async with self._speaking:
                        arrived = await self._tell_news(self._commands.store.read())
                except Exception:
                    logger.exception("the news raised exception")
                    arrived = False
                pause = _LOOK_S if arrived else _AGAIN_S
            await asyncio.sleep(pause)

    async def _tell_news(self, state: ControlState) -> bool:
        if self._told is None and state.may_add_risk:
            self._told = _told(state)  # a bot that starts to trade is no news
        if _told(state) != self._told:
            if not await self._send(Reply(text="\n".join(mode_lines(state)))):
                return False
            self._told = _told(state)
        waiting = frozenset(p.id for p in state.proposals if p.answer is Answer.WAITING)
        if waiting - self._shown and not await self._send(self._waiting(state)):
            return False
        self._shown = waiting
        return True

    # -- commands -----------------------------------------------------------------------------

    def _risk(self, by: Person, words: Sequence[str]) -> Reply:
        return Reply(text=self._commands.risk())

    def _halt(self, by: Person, words: Sequence[str]) -> Reply:
        return Reply(text=self._commands.halt(by, " ".join(words)))

    def _reduce(self, by: Person, words: Sequence[str]) -> Reply:
        return Reply(text=self._commands.reduce(by, " ".join(words)))

    def _resume(self, by: Person, words: Sequence[str]) -> Reply:
        return self._ask(
            by, f"{self._commands.risk()}\n\nTrade again?", partial(self._commands.resume, by)
        )

    def _flatten(self, by: Person, words: Sequence[str]) -> Reply:
        held = [
            f"{trade.pair} {'short' if trade.is_short else 'long'} {trade.amount:g}"
            for trade in Trade.get_open_trades()
        ]
        question = "\n".join(["Stop, and close every position?", *(held or ["None is open now."])])
        return self._ask(by, question, partial(self._commands.flatten, by, " ".join(words)))

    def _hedge(self, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return Reply(text=self._commands.hedge(by))
        meaning = hedge_meaning(words[0])
        return self._ask(
            by, f"{meaning.capitalize()}?", partial(self._commands.hedge, by, words[0])
        )

    def _why(self, by: Person, words: Sequence[str]) -> Reply:
        if len(words) != 1 or not words[0].isdecimal():
            raise ControlError("expected a trade's number, as in /why 3", cure="/status shows it")
        return Reply(text=self._commands.why(int(words[0])))

    def _review(self, verb: str, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return self._waiting(self._commands.store.read())
        answer = self._commands.approve if verb == "approve" else self._commands.deny
        said = answer(by, words[0])
        left = self._waiting(self._commands.store.read())
        return Reply(text=f"{said}\n\n{left.text}" if left.rows else said, rows=left.rows)

    @staticmethod
    def _waiting(state: ControlState) -> Reply:
        waiting = [p for p in state.proposals if p.answer is Answer.WAITING]
        return Reply(
            text="\n\n".join(map(proposal_line, waiting)) or "No entry waits for you.",
            rows=[
                [(f"Approve {p.id}", f"approve {p.id}"), (f"Deny {p.id}", f"deny {p.id}")]
                for p in waiting
            ],
        )

    # -- questions ----------------------------------------------------------------------------

    def _ask(self, by: Person, text: str, act: Callable[[], str]) -> Reply:
        token = self._questions.ask(by, act).token
        return Reply(text=text, rows=[[("Yes", f"yes {token}"), ("No", f"no {token}")]])

    def _press(self, verb: str, by: Person, words: Sequence[str]) -> Reply:
        if verb in ("approve", "deny"):
            return self._review(verb, by, words)
        question = self._questions.take(words[0], by)
        return Reply(text=question.act() if verb == "yes" else "Nothing was changed.")


def install() -> None:
    """Let Freqtrade make its Telegram client with the pack's commands; safe to repeat."""
    if freqtrade_telegram.Telegram.__name__ != PackTelegram.__name__:
        freqtrade_telegram.Telegram = PackTelegram  # type: ignore[misc]


def _carried_out(command: Command, by: Person, words: Sequence[str]) -> Reply:
    """Run a command; whatever goes wrong, the person is told."""
    try:
        return command(by, words)
    except PackError as error:
        cure = f"\n{error.cure}" if error.cure else ""
        return Reply(text=f"Not done: {error.problem}{cure}")
    except Exception as error:
        logger.exception("a Telegram command raised exception")
        return Reply(text=f"Not done, because of a fault in the bot: {error!r:.200}")


def _told(state: ControlState) -> Told:
    """Return what is news when it changes; the file HALT has no time of its own."""
    return state.mode, state.by, state.reason, state.flatten is not None


def _person(user: User | None) -> Person:
    """Return who speaks: a name for people, and the id, because names can be changed."""
    name = "unknown" if user is None else f"{user.username or user.full_name} ({user.id})"
    return Person(name=name, channel="Telegram")


def _html(text: str) -> str:
    """Return text ready to send: the first line bold; of too many lines the middle is left out."""
    first, *lines = text.splitlines()
    left_out = 0
    while len("\n".join(lines)) > _LONGEST - len(first) and len(lines) > 1:
        del lines[len(lines) // 2]
        left_out += 1
    if left_out:
        lines.insert((len(lines) + 1) // 2, f"({left_out} lines left out)")
    rest = escape("\n".join(["", *lines])[:_LONGEST], quote=False)
    return f"<b>{escape(first, quote=False)}</b>{rest}"
