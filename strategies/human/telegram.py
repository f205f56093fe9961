"""The pack's commands in Freqtrade's own Telegram bot, without a fork.

`strategies.seams.telegram_client` joins them to Freqtrade's client. Handlers only parse, ask, call
and answer; what a command means is in `models.operate.control.commands`. No setting switches them
off. A command is carried out before it is answered: an answer that gets lost undoes
nothing. What changes without a word from here, a guard's halt or an entry that waits, is told
unasked; told is what Telegram has accepted (`strategies.human.telling`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from freqtrade.persistence import Trade
from freqtrade.rpc import RPC
from telegram import Update, User
from telegram.ext import CallbackQueryHandler, CommandHandler, filters

from models.base.errors import ControlError, PackError
from models.base.files import Clock, monotonic_ms
from models.operate.control.commands import Said, reason_number
from models.operate.control.hedge_words import hedge_text
from models.operate.control.model_text import rollback_question
from models.operate.control.state import Person, StateChanged
from strategies.human.messages import MARK, Reply
from strategies.human.questions import Questions
from strategies.human.telling import TellingClient
from strategies.seams.telegram_client import Context, Handler, authorised, install_client

logger = logging.getLogger(__name__)

_KEYS: Final = ("/risk", "/hedge", "/reduce", "/halt")
_HELP: Final = """\
Safety
/risk: what the bot may do now, and how much room is left
/halt [reason]: stop at once; positions are only closed
/reduce [reason]: no new positions, and none is made larger
/resume [number]: lift every reason to stop, or that one (asks first)
/flatten [reason]: stop, and close every position of the bot (asks first)
/hedge [share, freeze or release]: show the hedge, or set it by hand (asks first)
/rollback [pair]: serve the model before again (asks first)
/why: why nothing is opened now, and what would change that
/why <trade id>: what the bot knew and decided about a trade
/approve [id], /deny [id]: answer entries that wait for you"""


Command = Callable[[Person, Sequence[str]], Reply]


class PackTelegram(TellingClient):
    """Freqtrade's client with the pack's commands in front of its own."""

    def __init__(self, rpc: RPC, config: dict[str, Any], clock: Clock = monotonic_ms) -> None:
        self._questions = Questions(clock)
        super().__init__(rpc, config)

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
            "rollback": self._rollback,
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
            CallbackQueryHandler(self._pressed, pattern=f"^{MARK} "),
        ]

    async def say_help(self) -> None:
        """Say what the pack's commands are for."""
        await self.send(Reply(text=_HELP))

    @authorised
    async def _said(self, update: Update, context: Context, *, command: Command) -> None:
        # Carried out before anything is awaited: a message on its way must not hold a halt up.
        reply = _carried_out(command, _person(update.effective_user), context.args or [])
        await self.answer(reply, partial(self.send, reply))

    @authorised
    async def _pressed(self, update: Update, _: Context) -> None:
        query = update.callback_query
        if query is None or query.data is None:
            return  # not one of our buttons: the handler's pattern needs data
        _mark, verb, *subject = query.data.split(" ")
        command = partial(self._press, verb)
        reply = _carried_out(command, _person(update.effective_user), subject)
        await self.answer(reply, partial(self.edit, query, reply), partial(self.send, reply))

    # -- commands -----------------------------------------------------------------------------

    def _risk(self, by: Person, words: Sequence[str]) -> Reply:
        return _reply(self.operations.risk())

    def _halt(self, by: Person, words: Sequence[str]) -> Reply:
        return _reply(self.operations.halt(by, " ".join(words)))

    def _reduce(self, by: Person, words: Sequence[str]) -> Reply:
        return _reply(self.operations.reduce(by, " ".join(words)))

    def _resume(self, by: Person, words: Sequence[str]) -> Reply:
        only, shown = (words[0] if words else ""), self.operations.store.read()
        if only and reason_number(only) not in {notice.n for notice in shown.standing}:
            raise ControlError(f"no reason {only} stands", cure="/risk shows the numbers")
        said = self.operations.risk(shown)
        question = f"Lift reason {only}, and leave the others?" if only else "Trade again?"
        return self._ask(
            by, replace(_reply(said), text=f"{said.text}\n\n{question}"),
            lambda: _reply(self.operations.resume(by, shown, only)),
            lambda: self._resume(by, ()),
        )  # fmt: skip

    def _flatten(self, by: Person, words: Sequence[str]) -> Reply:
        shown, held, reason = self.operations.store.read(), _held(), " ".join(words)
        lines = [f"{pair} {side} {_amount(held[pair, side])}" for pair, side in held]
        known = lines or ["The bot knows of none now."]

        def act() -> Reply:
            if strange := _held().keys() - held.keys():
                names = ", ".join(f"{pair} {side}" for pair, side in sorted(strange))
                raise StateChanged(f"{names} was opened since you were asked")
            return _reply(self.operations.flatten(by, reason, shown))

        asked = Reply(text="\n".join(["Stop, and close every position?", *known]))
        return self._ask(by, asked, act, lambda: self._flatten(by, words))

    def _hedge(self, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return Reply(text=self.operations.hedge(by))
        meaning, shown = self.operations.hedge_question(words[0]), self.operations.store.read()
        return self._ask(
            by, Reply(text=f"{meaning.capitalize()}?\nNow {hedge_text(shown)}"),
            lambda: Reply(text=self.operations.hedge(by, words[0], shown)),
            lambda: self._hedge(by, words),
        )  # fmt: skip

    def _rollback(self, by: Person, words: Sequence[str]) -> Reply:
        pair = words[0] if words else ""
        return self._ask(
            by, Reply(text=rollback_question(self.operations.store.folder, pair)),
            lambda: Reply(text=self.operations.rollback(by, pair)),
            lambda: self._rollback(by, words),
        )  # fmt: skip

    def _why(self, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return Reply(text=self.operations.why_now())
        if len(words) != 1 or not words[0].isdecimal():
            raise ControlError(
                "expected a trade's number, as in /why 3",
                cure="/status shows it; /why alone says why nothing is opened now",
            )
        return Reply(text=self.operations.why(int(words[0])))

    def _review(self, verb: str, by: Person, words: Sequence[str]) -> Reply:
        if not words:
            return self.waiting(self.operations.store.read())
        number, *mark = words
        answer = self.operations.approve if verb == "approve" else self.operations.deny
        said = answer(by, number, *mark[:1])
        left = self.waiting(self.operations.store.read())
        return Reply(text=f"{said}\n\n{left.text}" if left.rows else said, rows=left.rows)

    # -- questions ----------------------------------------------------------------------------

    def _ask(
        self, by: Person, asked: Reply, act: Callable[[], Reply], again: Callable[[], Reply]
    ) -> Reply:
        """Return the question with its buttons; `again` asks anew where a yes came too late."""

        def answered() -> Reply:
            try:
                return act()
            except StateChanged as changed:
                anew = again()
                return replace(anew, text=f"Not done: {changed.problem}.\n\n{anew.text}")

        token = self._questions.ask(by, answered).token
        return replace(asked, rows=[[("Yes", f"yes {token}"), ("No", f"no {token}")]])

    def _press(self, verb: str, by: Person, words: Sequence[str]) -> Reply:
        if verb in ("approve", "deny"):
            return self._review(verb, by, words)
        question = self._questions.take(words[0], by)
        return question.act() if verb == "yes" else Reply(text="Nothing was changed.")


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


def _reply(said: Said) -> Reply:
    return Reply(text=said.text, tells=said.tells)


def _held() -> dict[tuple[str, str], float]:
    """Return what the bot's own books hold, by pair and side."""
    held: dict[tuple[str, str], float] = {}
    for trade in Trade.get_open_trades():
        key = trade.pair, "short" if trade.is_short else "long"
        held[key] = held.get(key, 0.0) + trade.amount
    return held


def _amount(amount: float) -> str:
    return f"{amount:g}" if amount else "not filled yet"


def _person(user: User | None) -> Person:
    """Return who speaks: a name for people, and the id, because names can be changed."""
    name = "unknown" if user is None else f"{user.username or user.full_name} ({user.id})"
    return Person(name=name, channel="Telegram")
