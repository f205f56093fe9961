"""The pack's commands in Freqtrade's own Telegram bot, without a fork.

`strategies.seams.telegram_client` joins them to Freqtrade's client. Handlers only parse, ask, call
and answer; what a command means is in `models.operate.control.commands`. No setting switches them
off. A command is carried out before it is answered: an answer that gets lost undoes
nothing. What changes without a word from here, a guard's halt or an entry that waits, is told
unasked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, Final

from freqtrade.persistence import Trade
from freqtrade.rpc import RPC
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
from telegram.ext import CallbackQueryHandler, CommandHandler, filters

from models.base.errors import ControlError, PackError
from models.base.files import Clock, monotonic_ms
from models.operate.control.commands import Commands, hedge_meaning
from models.operate.control.review import Answer
from models.operate.control.state import ControlMode, ControlState, Person
from models.operate.control.text import mode_lines, proposal_line
from strategies.human.questions import Questions
from strategies.seams.telegram_client import (
    Context,
    Handler,
    TelegramClient,
    authorised,
    install_client,
)

logger = logging.getLogger(__name__)

_MARK: Final = "pack"  # what the data of our buttons begins with
_KEYS: Final = ("/risk", "/hedge", "/reduce", "/halt")
_LOOK_S: Final = 1.0  # between two looks for news
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


class PackTelegram(TelegramClient):
    """Freqtrade's client with the pack's commands in front of its own."""

    def __init__(self, rpc: RPC, config: dict[str, Any], clock: Clock = monotonic_ms) -> None:
        self._questions = Questions(clock)
        self._speaking = asyncio.Lock()  # what a command has changed is not told twice
        self._told: Told | None = None
        self._shown: frozenset[str] = frozenset()  # entries whose waiting was told
        super().__init__(rpc, config)

    @property
    def _operations(self) -> Commands:
        # The strategy's own: a halt that finds no disk is kept in its store's memory.
        commands: Commands = self.strategy.control.commands
        return commands

    # -- Freqtrade's side ---------------------------------------------------------------------

    def own_keys(self) -> Sequence[str]:
        """Return the pack's row of the keyboard."""
        return _KEYS

    def own_handlers(self) -> Sequence[Handler]:
        """Return the commands, and what answers their buttons."""
        commands: dict[str, Command] = {
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
        return [
            *(
                CommandHandler(name, partial(self._said, command=command), new)
                for name, command in commands.items()
            ),
            CallbackQueryHandler(self._pressed, pattern=f"^{_MARK} "),
        ]

    async def say_help(self) -> None:
        """Say what the pack's commands are for."""
        await self._send(Reply(text=_HELP))

    @authorised
    async def _said(self, update: Update, context: Context, *, command: Command) -> None:
        async with self._speaking:
            reply = _carried_out(command, _person(update.effective_user), context.args or [])
            now = self._operations.store.read()
            if await self._send(reply):
                self._told = _told(now)

    @authorised
    async def _pressed(self, update: Update, _: Context) -> None:
        query = update.callback_query
        if query is None or query.data is None:
            return  # not one of our buttons: the handler's pattern needs data
        _mark, verb, subject = query.data.split(" ", 2)
        command = partial(self._press, verb)
        async with self._speaking:
            reply = _carried_out(command, _person(update.effective_user), [subject])
            now = self._operations.store.read()
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
        settings, rows = self.settings, reply.keyboard()
        keys = ReplyKeyboardMarkup(self.keys, resize_keyboard=True)
        for _ in range(2):
            try:
                await self.app.bot.send_message(
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

    async def watch(self) -> None:
        """Tell what has changed, until it has arrived."""
        while True:
            pause = _LOOK_S
            if self.app.updater is not None and self.app.updater.running:
                try:
                    async with self._speaking:
                        arrived = await self._tell_news(self._operations.store.read())
                except Exception:
                    logger.exception("the news raised exception")
                    arrived = False
                pause = _LOOK_S if arrived else self.again_s
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
        return Reply(text=self._operations.risk())

    def _halt(self, by: Person, words: Sequence[str]) -> Reply:
        return Reply(text=self._operations.halt(by, " ".join(words)))

    def _reduce(self, by: Person, words: Sequence[str]) -> Reply:
        return Reply(text=self._operations.reduce(by, " ".join(words)))

    def _resume(self, by: Person, words: Sequence[str]) -> Reply:
        return self._ask(
            by, f"{self._operations.risk()}\n\nTrade again?", partial(self._operations.resume, by)
        )

    def _flatten(self, by: Person, words: Sequence[str]) -> Reply:
        held = [
            f"{trade.pair} {'short' if trade.is_short else 'long'} {trade.amount:g}"
            for trade in Trade.get_open_trades()
        ]
        question = "\n".join(["Stop, and close every position?", *(held or ["None is open now."])])
        return self._ask(by, question, partial(self._operations.flatten, by, " ".join(words)))

    def _hedge(self, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return Reply(text=self._operations.hedge(by))
        meaning = hedge_meaning(words[0])
        return self._ask(
            by, f"{meaning.capitalize()}?", partial(self._operations.hedge, by, words[0])
        )

    def _why(self, by: Person, words: Sequence[str]) -> Reply:
        if len(words) != 1 or not words[0].isdecimal():
            raise ControlError("expected a trade's number, as in /why 3", cure="/status shows it")
        return Reply(text=self._operations.why(int(words[0])))

    def _review(self, verb: str, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return self._waiting(self._operations.store.read())
        answer = self._operations.approve if verb == "approve" else self._operations.deny
        said = answer(by, words[0])
        left = self._waiting(self._operations.store.read())
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
    install_client(PackTelegram)


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
