"""What a person can tell the bot, the same whichever way the word comes.

Each command changes the state first and is journalled second: a journal that cannot be written
never keeps a halt from happening. Answers are plain texts for a terminal or a chat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeVar

from models.base.errors import ControlError, PackError
from models.base.files import Clock, wall_clock_ms
from models.operate.control.heartbeat import last_beat
from models.operate.control.review import Answer
from models.operate.control.state import ControlState, HedgeOverride, Person, checked_ratio
from models.operate.control.store import ControlStore
from models.operate.control.text import entry_text, mode_lines, state_lines
from models.operate.journal.journal import Journal
from models.operate.journal.records import ControlChange

CONTROL_FOLDER: Final = "control"  # in Freqtrade's user directory
JOURNAL_FOLDER: Final = "journal"
# Asked twice. Halting and reducing never are: stopping must be as short as it can be.
DANGEROUS: Final = frozenset({"resume", "flatten", "hedge"})

_T = TypeVar("_T")


class Commands:
    """The commands of one installation.

    Parameters
    ----------
    userdir
        Freqtrade's user directory; control and journal are folders in it.
    secrets
        Values the journal must never show.
    """

    def __init__(
        self, userdir: Path, clock: Clock = wall_clock_ms, *, secrets: Collection[str] = ()
    ) -> None:
        self.clock = clock
        self.store = ControlStore(userdir / CONTROL_FOLDER, clock)
        self.journal = Journal(userdir / JOURNAL_FOLDER, clock, secrets=secrets)

    def risk(self) -> str:
        """Return the state, the bot's last sign of life and the proposals that wait."""
        try:
            beat = last_beat(self.store.folder)
        except ControlError as error:
            return "\n".join([*state_lines(self.store.read(), None, self.clock()), str(error)])
        return "\n".join(state_lines(self.store.read(), beat, self.clock()))

    def halt(self, by: Person, reason: str = "") -> str:
        """Forbid everything but closing."""
        reason = reason or "a person said so"
        return self._mode("halt", by, reason, lambda: self.store.halt(by, reason))

    def reduce(self, by: Person, reason: str = "") -> str:
        """Forbid whatever raises exposure."""
        reason = reason or "a person said so"
        return self._mode("reduce", by, reason, lambda: self.store.reduce(by, reason))

    def resume(self, by: Person) -> str:
        """Arm the bot again."""
        return self._mode("resume", by, "", lambda: self.store.resume(by))

    def flatten(self, by: Person, reason: str = "") -> str:
        """Halt, and close every position in stages."""
        reason = reason or "a person said so"
        return self._mode("flatten", by, reason, lambda: self.store.request_flatten(by, reason))

    def hedge(self, by: Person, word: str = "") -> str:
        """Show the hedge override, or set it: a ratio from 0 to 1, "freeze" or "release"."""
        if not word:
            return _hedge_text(self.store.read().hedge)
        if word == "freeze":
            act = self.store.freeze_hedge
        elif word == "release":
            act = self.store.release_hedge
        else:
            ratio = _ratio(word)

            def act(by: Person) -> ControlState:
                return self.store.set_hedge(by, ratio)

        state, trouble = self._did(f"hedge {word}", by, "", lambda: act(by))
        return _hedge_text(state.hedge) + trouble

    def acknowledge(self, by: Person, digest: str) -> str:
        """Note that a person accepts the risk of the settings with this digest."""
        _, trouble = self._did(
            "acknowledge", by, digest, lambda: self.store.acknowledge(by, digest)
        )
        return f"risk of settings {digest} acknowledged" + trouble

    def approve(self, by: Person, proposal_id: str) -> str:
        """Let a proposed entry happen."""
        return self._answer("approve", by, proposal_id, self.store.approve)

    def deny(self, by: Person, proposal_id: str) -> str:
        """Refuse a proposed entry."""
        return self._answer("deny", by, proposal_id, self.store.deny)

    def why(self, trade_id: int) -> str:
        """Return everything the journal knows about a trade, oldest first."""
        found = self.journal.why(trade_id)
        if not found:
            return f"the journal has nothing about trade {trade_id}"
        return "\n\n".join(entry_text(entry) for entry in found)

    def waiting(self) -> list[str]:
        """Return the numbers of the proposals that wait for an answer."""
        return [p.id for p in self.store.read().proposals if p.answer is Answer.WAITING]

    # -- carrying out -------------------------------------------------------------------------

    def _mode(self, command: str, by: Person, reason: str, act: Callable[[], ControlState]) -> str:
        state, trouble = self._did(command, by, reason, act)
        return "\n".join(mode_lines(state)) + trouble

    def _answer(
        self, command: str, by: Person, proposal_id: str, act: Callable[[Person, str], object]
    ) -> str:
        _, trouble = self._did(command, by, proposal_id, lambda: act(by, proposal_id))
        return f"{proposal_id}: {command} noted" + trouble

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


def hedge_meaning(word: str) -> str:
    """Return what `Commands.hedge` would do for this word, to ask before doing it.

    Raises
    ------
    ControlError
        If it would refuse the word.

    Examples
    --------
    >>> hedge_meaning("0.4")
    'hold the hedge at 40%'
    """
    if word == "freeze":
        return "leave the hedge as it is"
    if word == "release":
        return "let the model choose the hedge"
    return f"hold the hedge at {_ratio(word):.0%}"


def _ratio(word: str) -> float:
    try:
        return checked_ratio(float(word))
    except ValueError:
        raise ControlError(
            f"expected a hedge ratio from 0 to 1, freeze or release, got {word!r}"
        ) from None


def _hedge_text(hedge: HedgeOverride | None) -> str:
    if hedge is None:
        return "hedge: the model's"
    held = "frozen as it is" if hedge.ratio is None else f"held at {hedge.ratio:.0%}"
    return f"hedge: {held}, by {hedge.by}"
