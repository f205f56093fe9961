"""Control and journal as the strategy's hooks use them, in dry-run and live; a backtest has none.

Nothing here can hold an exit back: whatever breaks while recording refuses the next entry and no
more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from freqtrade.enums import TRADE_MODES, RunMode

from models.base.entry import EntryRule
from models.base.errors import ControlError, PackError
from models.base.files import Clock
from models.base.steady import SteadyClock
from models.operate.control.commands import BEGUN, Commands, begun_words
from models.operate.control.entry_answer import EntryAnswer, plain_answer
from models.operate.control.heartbeat import RELOADING, Heartbeat, beat
from models.operate.control.home import home_of, state_place
from models.operate.control.news import without_figures
from models.operate.control.owner import BotIdentity, Occupancy, occupy
from models.operate.control.review import Answer, ReviewConfig
from models.operate.control.state import ControlMode, ControlState, GuardActor
from models.operate.control.state_file import HaltMemory
from models.operate.control.text import left_words, notice_line
from models.operate.journal.fills import WrittenFills
from models.operate.journal.records import ControlChange, DecisionRecord, Incident, JournalRecord
from strategies.account.acknowledgement import leverage_digest
from strategies.account.identity import bot_identity, hold_account
from strategies.account.safety_rules import Purpose
from strategies.account.trades_database import trades_place
from strategies.human.decisions import EntryRefusal
from strategies.human.secrets import keep_out_of_log, secrets_of
from strategies.seams.worker import is_paused

logger = logging.getLogger(__name__)

# By user directory: /reload_config makes a new strategy, and lifts nothing.
_MEMORY: Final[dict[Path, HaltMemory]] = {}
_UNACKNOWLEDGED = "nobody has acknowledged the risk of these settings: breakwater acknowledge"


def control_of(
    config: Mapping[str, Any],
    review: ReviewConfig,
    strategy: str = "",
    kind: Purpose | None = None,
) -> Control | None:
    """Return the control of a bot that trades, None for any other run.

    Parameters
    ----------
    strategy, kind
        Name of its class, and what it is for; None where that is not told.

    Raises
    ------
    ControlError
        If its state or its trades database belong to another stage, account or strategy, or
        another bot runs on them; nothing of theirs has been read or changed then.
    """
    if config["runmode"] not in TRADE_MODES:
        return None
    if not config.get("user_data_dir"):
        raise ControlError(
            "expected a user directory to keep control state and journal in",
            cure="start freqtrade with --userdir",
        )
    secrets = secrets_of(config)
    keep_out_of_log(secrets)
    bot = bot_identity(config, strategy)
    home, occupied = _move_in(config, bot)
    control = Control(
        home,
        review=review,
        secrets=secrets,
        acknowledge=leverage_digest(config) if config["runmode"] is RunMode.LIVE else "",
        occupied=occupied,
        hedges=None if kind is None else kind is Purpose.HEDGE,
    )
    if occupied[0].news:  # the database has learned the same
        logger.warning("%s: %s", home, occupied[0].news)
        control.record("owner.learned", Incident(what=occupied[0].news))
    if why := control.refusal():
        logger.warning("nothing will be opened: %s", why)
    return control


def _move_in(config: Mapping[str, Any], bot: BotIdentity) -> tuple[Path, list[Occupancy]]:
    """Hold the bot's home, its trades database and its account; return the home and its holds."""
    userdir = Path(config["user_data_dir"])
    occupied = [occupy(state_place(userdir, bot), bot)]
    if (database := trades_place(config, bot)) is not None:
        occupied.append(occupy(database, bot))
    hold_account(bot)
    return home_of(userdir, bot.stage), occupied


class Control:
    """What the hooks ask before they add risk, and what they tell afterwards.

    Parameters
    ----------
    home
        Folder that holds control and journal; see `models.operate.control.home`.
    review
        Whether entries wait for a person.
    secrets
        Values the journal must never show.
    acknowledge
        Digest of the settings whose risk a person must have acknowledged; empty for none.
    occupied
        What the bot holds alone while it runs.
    hedges
        Whether its strategy hedges a position; None for nobody knows.
    clock
        UTC milliseconds; the machine's without its jumps, unless named.
    """

    def __init__(
        self,
        home: Path,
        *,
        review: ReviewConfig,
        secrets: Sequence[str] = (),
        acknowledge: str = "",
        occupied: Sequence[Occupancy] = (),
        hedges: bool | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = SteadyClock() if clock is None else clock
        self.steady = clock if isinstance(clock, SteadyClock) else None
        memory = _MEMORY.setdefault(home.resolve(), HaltMemory())
        self.commands = Commands(
            home, clock, secrets=secrets, memory=memory, obstacles=self.obstacles, hedges=hedges
        )
        self.store, self.journal, self.clock = self.commands.store, self.commands.journal, clock
        self.written = WrittenFills(self.journal)
        self._review, self._acknowledge, self._hedges = review, acknowledge, hedges
        self._occupied = tuple(occupied)
        self.clean = self.store.clean  # takes the secrets out of words that may repeat an error's
        self.reasons: dict[str, str] = {}  # pair -> why the newest entry into it was not made
        self.refusals: dict[str, EntryRefusal] = {}  # the same, with its candle and rule
        self.is_paused = is_paused  # says nothing of a hedge's legs: Freqtrade adjusts them
        self._loops = 0
        self._stopped_ms: int | None = None  # when a person stopped the bot
        self._mode: ControlMode | None = None  # as of the last loop
        self._left = ""  # what was said last of a flatten that is not done
        self._made_ms: int | None = None  # of the control state the journal goes with
        self._heard: int | None = None  # number of the next notice control will hear
        self._trouble: dict[str, str] = {}  # what could not be written, and why
        self._said: dict[str, str] = {}  # pair and side -> the refusal last written down
        self._led: dict[str, int] = {}  # pair -> number of the decision behind its next fill

    # -- every loop ---------------------------------------------------------------------------

    def loop(
        self, *, feed_ms: int | None, candle_ms: int, numbers: Mapping[str, float],
        barred: Sequence[str] = (), answers: Sequence[EntryAnswer] = (), outlook: str | None = None,
    ) -> ControlState:  # fmt: skip
        """Read the state, note a changed mode, and leave a sign of life."""
        self._loops += 1
        self.store.settle()
        state = self.store.read()
        if "journal" in self._trouble:
            self.record("journal.back", Incident(what="the journal can be written again"))
        if state.mode is not self._mode:
            before = str(self._mode or "start")
            logger.warning("control: %s, %s", state.mode, state.reason or "as started")
            self.record(
                "control.mode",
                ControlChange(command="", by=state.by, reason=state.reason, before=before,
                              after=state.mode),
            )  # fmt: skip
            self._mode = state.mode
        self._note_reasons(state)
        self._stopped_ms = None
        self._beat(
            feed_ms=feed_ms, candle_ms=candle_ms, numbers=numbers, barred=barred,
            answers=[plain_answer(answer) for answer in answers], outlook=outlook,
        )  # fmt: skip
        return state

    @property
    def jump_ms(self) -> int:
        """How far the machine's clock is ahead of the time that counts; 0 unless it has jumped."""
        return 0 if self.steady is None else self.steady.jump_ms

    def forbid(self, subject: str, why: str) -> None:
        """Refuse new risk because of `subject` until told why no more: an empty `why` lifts it."""
        if why:
            self._trouble[subject] = self.clean(why)
        else:
            self._trouble.pop(subject, None)

    @property
    def has_looped(self) -> bool:
        """Whether the bot has looked after its positions at least once."""
        return self._loops > 0

    def stopped(self, how: str) -> None:
        """Leave word that a person has stopped the bot: it is not dead, and does not look either.

        Parameters
        ----------
        how
            As a person knows it, "/stop".
        """
        self._stopped_ms = self.clock() if self._stopped_ms is None else self._stopped_ms
        self._beat(stopped=how, stopped_ms=self._stopped_ms)

    def reloading(self) -> None:
        """Leave word that a new configuration is loaded: it takes longer than a bot may be silent.

        The last sign of this strategy: the next one gives its own.
        """
        self._beat(stopped=RELOADING, stopped_ms=self.clock())

    def _beat(self, **signs: Any) -> None:
        sign = Heartbeat(
            time_ms=self.clock(), pid=os.getpid(), loop=self._loops,
            # That it can be written is known by who reads it.
            obstacles=self.obstacles(without="heartbeat"), hedges=self._hedges, **signs,
        )  # fmt: skip
        try:
            beat(self.store.folder, sign, self.commands.secrets)
            self.forbid("heartbeat", "")
        except OSError as error:
            self.forbid("heartbeat", f"no heartbeat can be written: {error}")
            logger.error(self._trouble["heartbeat"])

    def _note_reasons(self, state: ControlState) -> None:
        """Write each reason down that came since the last loop, whether the mode moved or not."""
        if state.made_ms < 0:
            return  # it stands in for one that cannot be read
        if state.made_ms != self._made_ms:
            self._made_ms = state.made_ms
            self.record(BEGUN, Incident(what=begun_words(state.made_ms)))
        if self._heard is None:
            self._heard = state.next_notice
        elif state.next_notice < self._heard:
            self._heard = 1  # another state, which counts anew
        for notice in state.notices:
            if notice.n >= self._heard:
                self.record("control.heard", Incident(what=notice_line(notice)))
        self._heard = state.next_notice

    def flattened(self, held: Sequence[str] | None) -> None:
        """Note that the bot has nothing left to close; done is what the exchange agrees with.

        Parameters
        ----------
        held
            What the exchange still holds; None while it does not answer.
        """
        actor = GuardActor("flatten")
        try:
            if held is not None and not held:
                what = "every position is closed, and the exchange holds none"
                self.store.flattened(actor, what)
                self.record("control.flattened", Incident(what=what))
                self._left = ""
                return
            left = left_words(held)
            if left != self._left:
                self.store.note(actor, left)
                self._left = left
                self.record("control.flattening", Incident(what=left, done="asked for again"))
        except (PackError, OSError) as error:
            logger.error("control: %s", error)  # asked again in the next loop

    def unprotected(self, pair: str) -> None:
        """Note that a position was sold because it could get no stop; halts until a person looks.

        Entered again it would be sold again, and lose spread and fees each time.
        """
        what = f"{pair}: its stop was refused or its exit did not fill: closed in an emergency"
        self.store.halt(GuardActor("protection"), what)
        self.record("protection.failed", Incident(what=what, done="halted"))

    # -- new risk -----------------------------------------------------------------------------

    def refusal(self) -> str:
        """Return why no risk may be added now, or nothing if it may."""
        state = self.store.read()
        if not state.may_add_risk:
            return f"control is {state.mode}: {state.reason}"
        return "; ".join(self._obstacles(state))

    def obstacles(self, without: str = "") -> list[str]:
        """Return why nothing is opened even where the mode lets it: unacknowledged, unsafe.

        Parameters
        ----------
        without
            Subject of a trouble that is over when this is read.
        """
        paused = ["Freqtrade is paused, until /start"] if self.is_paused() else []
        return [*self._obstacles(self.store.read(), without), *paused]

    def _obstacles(self, state: ControlState, without: str = "") -> list[str]:
        unknown = self._acknowledge and self._acknowledge not in state.acknowledged
        lost = [why for place in self._occupied if (why := place.lease.lost())]
        troubles = [why for subject, why in self._trouble.items() if subject != without]
        return [*([_UNACKNOWLEDGED] if unknown else []), *lost, *troubles]

    def may_enter(self, decision: DecisionRecord, refused: str) -> bool:
        """Settle one entry and write it down: refused, waiting for a person, or accepted.

        What something else has `refused`, nothing here can turn round.
        """
        why = refused or self.refusal()
        if why:
            self.refused(decision, why)
            return False
        if self._review.enabled and not self._approved(decision):
            return False
        number = self.record("entry.accepted", decision)
        if number is None:
            return False  # what cannot be written down is not done
        self._led[decision.pair] = number
        self._said.pop(f"{decision.pair} {decision.side}", None)
        self.refusals.pop(decision.pair, None)
        return True

    def refused(
        self, decision: DecisionRecord, why: str, kind: str = "entry.refused",
        rule: EntryRule = EntryRule.GUARDS,
    ) -> bool:  # fmt: skip
        """Write a refusal down, once for as long as it stays the same; return whether it was.

        An entry that is asked for in every loop is refused at another price each time: what differs
        in its numbers alone is the same refusal.
        """
        why = self.note_reason(decision.pair, why)
        self.refusals[decision.pair] = EntryRefusal(decision.candle_ms, rule, why)
        same = without_figures(why) if kind == "entry.refused" else why
        key, said = f"{decision.pair} {decision.side}", f"{decision.candle_ms} {same}"
        if self._said.get(key) == said:
            return False
        self._said[key] = said
        logger.warning("%s %s: %s", key, kind, why)
        self.record(kind, _because(decision, why))
        return True

    def note_reason(self, pair: str, why: str) -> str:
        """Keep why the newest entry into a pair was not made, for who asked; return the words."""
        self.reasons[pair] = self.clean(why)
        return self.reasons[pair]

    def _approved(self, decision: DecisionRecord) -> bool:
        key = f"{decision.pair} {decision.side} {decision.candle_ms}"
        notional, rate = decision.notional_quote, decision.rate
        if notional is None or rate is None or decision.candle_ms is None:
            raise ControlError("expected notional, rate and candle of an entry to review")
        if self.store.use(key, notional):
            return True
        proposal = self.store.propose(
            key=key, pair=decision.pair, side=decision.side, notional_quote=notional, rate=rate,
            note=decision.reason, expires_ms=self.clock() + round(1000 * self._review.expire_s),
        )  # fmt: skip
        waits = f"proposal {proposal.id} is {proposal.answer}"
        if proposal.answer is Answer.APPROVED:
            waits += f" for {proposal.notional_quote:.2f}, and this order is {notional:.2f}"
        self.refused(decision, waits, "entry.waiting", EntryRule.REVIEW)
        return False

    # -- journal ------------------------------------------------------------------------------

    def record(self, kind: str, record: JournalRecord) -> int | None:
        """Write one line and return its number, None if it could not be written."""
        try:
            number = self.journal.append(kind, record).n
        except (PackError, OSError) as error:
            self.forbid("journal", f"the journal cannot be written: {error}")
            logger.error(self._trouble["journal"])
            return None
        self.forbid("journal", "")
        self.written.note(record)
        return number

    def led(self, pair: str) -> int | None:
        """Return the number of the decision behind the pair's newest order."""
        return self._led.get(pair)

    def decided(self, kind: str, decision: DecisionRecord) -> None:
        """Write down a decision that leads to an order and asks nobody."""
        number = self.record(kind, decision)
        if number is not None:
            self._led[decision.pair] = number


def _because(decision: DecisionRecord, why: str) -> DecisionRecord:
    return replace(decision, action="refuse", rules=(*decision.rules, why))
