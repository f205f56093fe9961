"""What a person can tell the bot, the same whichever way the word comes.

Each command changes the state first and is journalled second: a journal that cannot be written
never keeps a halt from happening. Answers are plain texts for a terminal or a chat, made from the
state as it is read after the change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from models.base.errors import ControlError, PackError
from models.base.files import Clock, iso_ms, wall_clock_ms
from models.operate.control.entry_answer import (
    answer_lines,
    entry_answers,
    why_values,
)
from models.operate.control.heartbeat import Heartbeat, last_beat
from models.operate.control.hedge_words import asked_ratio, hedge_meaning, hedge_text
from models.operate.control.model_book import RollbackWish, write_wish
from models.operate.control.model_text import model_lines, rollback_question
from models.operate.control.outlook_text import outlook_lines
from models.operate.control.reach import reach_lines
from models.operate.control.review import Answer
from models.operate.control.state import ControlMode, ControlState, Person
from models.operate.control.state_file import HaltMemory
from models.operate.control.store import ControlStore
from models.operate.control.text import (
    entry_text,
    mode_lines,
    mode_tells,
    one_line,
    state_lines,
    unheard_lines,
    unknown_lines,
)
from models.operate.control.unknown import still_unknown
from models.operate.journal.journal import Journal
from models.operate.journal.records import ControlChange

CONTROL_FOLDER: Final = "control"  # in Freqtrade's user directory
JOURNAL_FOLDER: Final = "journal"
# Asked twice. Halting and reducing never are: stopping must be as short as it can be.
BEGUN: Final = "control.begun"  # the journal's line that says which control state it goes with
STOPPING: Final = frozenset({"halt", "reduce", "flatten"})
DANGEROUS: Final = frozenset({"resume", "flatten", "hedge", "rollback"})
_LONGEST_REASON: Final = 500  # characters: Telegram and a screen show it whole

_NO_HEDGE: Final = (
    "this bot hedges nothing: the word is for a strategy that hedges a position, as LitecoinHedge, "
    "whose ratio it holds"
)
_HEDGE_CURE: Final = "say it to the bot that hedges; reduce, halt and flatten are for every bot"

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command answers."""

    text: str
    tells: frozenset[int] = field(default=frozenset())  # numbers of the notices the text tells of
    unwritten: str = ""  # why it holds in this process only

    def __str__(self) -> str:
        return self.text


class Commands:
    """The commands of one installation.

    Parameters
    ----------
    userdir
        Freqtrade's user directory; control and journal are folders in it.
    secrets
        Values that journal and control state must never show.
    memory
        Halts of this process that found no disk; None for a process that has had none.
    obstacles
        Says why the bot opens nothing whatever the mode; None asks its last sign of life.
    hedges
        Whether the bot's strategy hedges a position; None asks its last sign of life.
    """

    def __init__(
        self,
        userdir: Path,
        clock: Clock = wall_clock_ms,
        *,
        secrets: Collection[str] = (),
        memory: HaltMemory | None = None,
        obstacles: Callable[[], Sequence[str]] | None = None,
        hedges: bool | None = None,
    ) -> None:
        self.clock, self._made_ms = clock, clock()
        self._hedges, self._obstacles = hedges, obstacles
        self.secrets = tuple(secrets)
        self.store = ControlStore(userdir / CONTROL_FOLDER, clock, memory, self.secrets)
        self.journal = Journal(userdir / JOURNAL_FOLDER, clock, secrets=secrets)

    def mode_lines(self, state: ControlState) -> list[str]:
        """Return what the bot may do in `state`, with what keeps it from opening anything."""
        return mode_lines(state, self.obstacles())

    def obstacles(self) -> Sequence[str]:
        """Return why the bot opens nothing although the mode may let it; empty if it does."""
        if self._obstacles is not None:
            return self._obstacles()
        beat, _ = self._beat()  # `risk` shows what is wrong with it
        return () if beat is None else beat.obstacles

    def risk(self, state: ControlState | None = None) -> Said:
        """Return the state, the bot's last sign of life and the proposals that wait.

        Parameters
        ----------
        state
            As it is to be shown; None for the one that holds now.
        """
        state = self.store.read() if state is None else state
        beat, broken = self._beat()
        lines = state_lines(state, beat, self.clock(), self.obstacles())
        lines += map(one_line, outlook_lines(self.store.folder, beat, self.clock()))
        lines += map(one_line, model_lines(self.store.folder))
        lines += [*broken, *reach_lines(self.store.folder)]
        return Said(text="\n".join(lines), tells=mode_tells(state))

    def halt(self, by: Person, reason: str = "") -> Said:
        """Forbid everything but closing."""
        reason = _why(reason)
        return self._mode("halt", by, reason, lambda: self.store.halt(by, reason))

    def reduce(self, by: Person, reason: str = "") -> Said:
        """Forbid whatever raises exposure."""
        reason = _why(reason)
        return self._mode("reduce", by, reason, lambda: self.store.reduce(by, reason))

    def resume(self, by: Person, shown: ControlState | None = None, only: str = "") -> Said:
        """Lift every reason that stands, or the one of this number.

        Parameters
        ----------
        shown
            What the person saw when he said so; if that has changed, StateChanged is raised.
        """
        number = reason_number(only)
        act = partial(self.store.resume, by, shown=shown, only=number)
        return self._mode(f"resume {only}".strip(), by, "", act)

    def flatten(self, by: Person, reason: str = "", shown: ControlState | None = None) -> Said:
        """Halt, and close every position in stages."""
        reason = _why(reason)
        act = partial(self.store.request_flatten, by, reason, shown=shown)
        return self._mode("flatten", by, reason, act)

    def hedge(self, by: Person, word: str = "", shown: ControlState | None = None) -> str:
        """Show the hedge override, or set it: a ratio from 0 to 1, "freeze" or "release".

        Raises
        ------
        ControlError
            If the word is none of these, or the bot hedges nothing.
        """
        if not word:
            state = self.store.read()
            return hedge_text(state) if state.hedge or self._may_hedge() else _NO_HEDGE
        self.hedge_question(word)
        act: Callable[[], ControlState]
        if word == "freeze":
            act = partial(self.store.freeze_hedge, by, shown=shown)
        elif word == "release":
            act = partial(self.store.release_hedge, by, shown=shown)
        else:
            act = partial(self.store.set_hedge, by, asked_ratio(word), shown=shown)
        state, trouble = self._did(f"hedge {word}", by, "", act)
        return hedge_text(state) + trouble

    def hedge_question(self, word: str) -> str:
        """Return what `hedge` would do for this word, to ask before doing it.

        Raises
        ------
        ControlError
            If it would refuse the word. A word left from a bot that hedged can be taken back.
        """
        meaning = hedge_meaning(word)
        if not (self._may_hedge() or (word == "release" and self.store.read().hedge)):
            raise ControlError(_NO_HEDGE, where=str(self.store.folder), cure=_HEDGE_CURE)
        return meaning

    def _may_hedge(self) -> bool:
        """Whether the bot hedges a position; True as long as none has said that it does not."""
        beat, _ = self._beat() if self._hedges is None else (None, [])
        said = self._hedges if beat is None else beat.hedges
        return said is not False

    def rollback(self, by: Person, pair: str = "") -> str:
        """Have the bot serve the model before again, of a pair or of all; the one now never more.

        Raises
        ------
        ControlError
            If there is none to go back to.
        """
        rollback_question(self.store.folder, pair)
        wish = RollbackWish(pair=pair, by=str(by), time_ms=self.clock())
        act = partial(write_wish, self.store.folder, wish)
        _, trouble = self._did("rollback", by, pair, act)
        lines = ["asked for: the bot does it in its next loop, risk shows it", *self._unheard()]
        return "\n".join(lines) + trouble

    def acknowledge(self, by: Person, digest: str) -> str:
        """Note that a person accepts the risk of the settings with this digest."""
        act = partial(self.store.acknowledge, by, digest)
        state, trouble = self._did("acknowledge", by, digest, act)
        if digest not in state.acknowledged:
            raise ControlError(f"the acknowledgement of {digest} is not in the control state")
        return f"risk of settings {digest} acknowledged" + trouble

    def approve(self, by: Person, proposal_id: str, shown: str = "") -> str:
        """Let a proposed entry happen; `shown` is the mark of the one a button was made for."""
        return self._answer("approve", by, proposal_id, partial(self.store.approve, shown=shown))

    def deny(self, by: Person, proposal_id: str, shown: str = "") -> str:
        """Refuse a proposed entry."""
        return self._answer("deny", by, proposal_id, partial(self.store.deny, shown=shown))

    def why(self, trade_id: int) -> str:
        """Return everything the journal knows about a trade, oldest first."""
        if not self.journal.folder.is_dir():
            return f"there is no journal in {self.journal.folder}"
        found = self.journal.why(trade_id)
        if not found:
            return f"the journal has nothing about trade {trade_id}"
        return "\n\n".join(entry_text(entry) for entry in found)

    def knows(self, trade_id: int) -> bool:
        """Return whether the journal has anything about a trade."""
        return self.journal.folder.is_dir() and bool(self.journal.why(trade_id))

    def why_now(self) -> str:
        """Return of each pair which one rule keeps it from being entered, and what it stands on."""
        state, (beat, broken) = self.store.read(), self._beat()
        now_ms, obstacles = self.clock(), self.obstacles()
        answers = entry_answers(state, beat, now_ms, obstacles)
        lines = "\n\n".join("\n".join(map(one_line, answer_lines(a, now_ms))) for a in answers)
        rest = [*broken, *unknown_lines(still_unknown(state.unknown))]
        return "\n\n".join([lines or "the bot follows no pair", *rest])

    def last_beat(self) -> Heartbeat | None:
        """Return the bot's last sign of life; None without one that can be read."""
        return self._beat()[0]

    def has_answer(self) -> bool:
        """Return whether a bot has been here, and there is a pair or a reason to name."""
        return self.last_beat() is not None and bool(self.why_values()["pairs"])

    def why_values(self) -> dict[str, Any]:
        """Return what `why_now` says, for a program."""
        return why_values(self.store.read(), self._beat()[0], self.clock(), self.obstacles())

    def waiting(self) -> list[str]:
        """Return the numbers of the proposals that wait for an answer."""
        return [p.id for p in self.store.read().proposals if p.answer is Answer.WAITING]

    def strange(self) -> str:
        """Return why the journal may be of another bot than the control state, or nothing."""
        made_ms = self.store.on_disk().made_ms
        begun = [entry.record["what"] for entry in self.journal.entries(kind=BEGUN)]
        if not begun or made_ms < 0 or begun_words(made_ms) in begun:
            return ""
        return (
            f"it goes with {begun[-1]}, and the control folder beside it has "
            f"{begun_words(made_ms)}: it is another bot's, or that folder is, or the state was "
            "started anew and no bot has run since"
        )

    # -- carrying out -------------------------------------------------------------------------

    def _mode(self, command: str, by: Person, reason: str, act: Callable[[], ControlState]) -> Said:
        state, trouble = self._did(command, by, reason, act)
        lines = [*self.mode_lines(state), *self._unheard()]
        unwritten = "; ".join(self.store.unwritten)
        if unwritten and self.store.on_disk().mode.severity >= state.mode.severity:
            # A full disk still takes a file without a word in it, and every process obeys it.
            lines.append(f"it holds; its reason could not be written: {unwritten}")
            unwritten = ""
        if unwritten:
            lines.append(f"NOT WRITTEN, it ends with this process: {unwritten}")
        text = "\n".join(lines) + trouble
        return Said(text=text, tells=mode_tells(state), unwritten=unwritten)

    def _answer(
        self, command: str, by: Person, proposal_id: str, act: Callable[[Person, str], object]
    ) -> str:
        _, trouble = self._did(command, by, proposal_id, lambda: act(by, proposal_id))
        mode = self.store.read().mode
        barred = command == "approve" and mode is not ControlMode.ACTIVE
        but = f", and nothing is opened while control is {mode}" if barred else ""
        return f"{proposal_id}: {command} noted{but}" + trouble

    def _did(self, command: str, by: Person, reason: str, act: Callable[[], _T]) -> tuple[_T, str]:
        """Act, journal it, and return what came of it and what went wrong with the journal."""
        before = self.store.read().mode
        done = act()
        change = ControlChange(
            command=command, by=str(by), reason=reason, before=before,
            after=self.store.read().mode,
        )  # fmt: skip
        try:
            self.journal.append(f"control.{command.split()[0]}", change)
        except (PackError, OSError) as error:
            return done, f"\nnot journalled: {error}"
        return done, ""

    def _unheard(self) -> list[str]:
        return unheard_lines(self._beat()[0], self.clock(), self.store.folder)

    def _beat(self) -> tuple[Heartbeat | None, list[str]]:
        """Return the last sign of life, and what is wrong with its file.

        Of a bot that has not looped yet it is another's, or from before a reload: who answers here
        was there when it was made, whatever the one before it came to.
        """
        try:
            found = last_beat(self.store.folder)
        except ControlError as error:
            return None, [str(error)]
        if found is not None and self._obstacles is not None and found.time_ms < self._made_ms:
            found = replace(found, time_ms=self._made_ms, pid=os.getpid(), loop=0, stopped="",
                            stopped_ms=None, numbers={}, barred=(), outlook=None)  # fmt: skip
        return found, []


def begun_words(made_ms: int) -> str:
    """Return the name of a control state, by when it was made."""
    return f"the control state of {iso_ms(made_ms)}"


def _why(reason: str) -> str:
    """Return what a person gave as the reason, as long as a line of it can be shown anywhere.

    Examples
    --------
    >>> _why(""), len(_why("x" * 1_000_000))
    ('a person said so', 500)
    """
    readable = reason[:_LONGEST_REASON].encode(errors="replace").decode()  # bytes that are no text
    return readable or "a person said so"


def reason_number(word: str) -> int | None:
    """Return the number of the one reason a person wants lifted; None for all of them.

    Raises
    ------
    ControlError
        If the word is no number.
    """
    if word and not word.isdecimal():
        raise ControlError(
            f"expected the number of a reason, got {word!r}",
            cure="leave it out to lift them all; risk shows the numbers",
        )
    return int(word) if word else None
