"""What guards and persons do to the control state: guards move it down, a person both ways.

A person's answer may carry the state he was `shown`: where that no longer holds, it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from models.base.errors import ControlError
from models.base.files import iso_ms
from models.operate.control.review import Answer, Proposal
from models.operate.control.state import (
    Actor,
    ControlMode,
    ControlState,
    FlattenRequest,
    GuardActor,
    HedgeOverride,
    Person,
    StateChanged,
    checked_ratio,
)
from models.operate.control.state_file import HALT_FILE, StateFile, with_halt
from models.operate.control.unknown import Unknown

_KEPT_PROPOSALS: Final = 50


class ControlStore(StateFile):
    """What guards and persons may do to the state; see `StateFile` for what holds of the file."""

    # -- modes --------------------------------------------------------------------------------

    def halt(self, by: Actor, reason: str) -> ControlState:
        """Forbid everything but closing. Never fails to take effect in this process."""
        return self._down("halt", ControlMode.HALTED, by, reason)

    def reduce(self, by: Actor, reason: str) -> ControlState:
        """Forbid whatever raises exposure; a halt stays a halt."""
        return self._down("reduce", ControlMode.REDUCING, by, reason)

    def request_flatten(
        self, by: Actor, reason: str, *, shown: ControlState | None = None
    ) -> ControlState:
        """Halt, and ask for every position to be closed in stages.

        Raises
        ------
        StateChanged
            If a person has resumed, or asked for it, since he was shown `shown`.
        """
        reason = self._words(by, reason)

        def change(state: ControlState, now: int) -> ControlState:
            down = state.down(
                "flatten", ControlMode.HALTED, by=str(by), reason=reason, now_ms=now
            )  # fmt: skip
            notice = next(
                n.n for n in down.standing
                if n.says("flatten", ControlMode.HALTED, str(by), reason)
            )  # fmt: skip
            request = FlattenRequest(by=str(by), reason=reason, since_ms=now, notice=notice)
            return replace(down, flatten=state.flatten or request)

        def same(now: ControlState, then: ControlState) -> bool:
            return (now.armed_ms, now.flatten) == (then.armed_ms, then.flatten)

        try:
            return self._change(change, shown=shown, same=same)
        except StateChanged:
            raise
        except (OSError, ControlError):
            self._halt_beside(by, reason)
            raise

    def flattened(self, by: Actor, what: str = "every position is closed") -> ControlState:
        """Note that no position is left; the mode stays as it is."""
        what = self.clean(what)

        def change(state: ControlState, now: int) -> ControlState:
            if state.flatten is None:
                return state
            return replace(
                state.noted(
                    "flattened", ControlMode.ACTIVE, by=str(by), reason=what, now_ms=now
                ), flatten=None,
            )  # fmt: skip

        return self._change(change)

    def note(self, by: Actor, what: str) -> ControlState:
        """Have people told something once; it forbids nothing."""
        what = self.clean(what)
        return self._change(
            lambda state, now: state.noted(
                "note", ControlMode.ACTIVE, by=str(by), reason=what, now_ms=now
            )
        )

    def resume(
        self, by: Person, *, shown: ControlState | None = None, only: int | None = None
    ) -> ControlState:
        """Lift every reason that stands, or one of them, and drop a flatten request with it.

        Parameters
        ----------
        shown
            The state the person was shown; None for whatever stands now.
        only
            Number of the one reason to lift; the others stay.

        Raises
        ------
        ControlError
            If anyone but a person asks, or the file HALT is still there.
        StateChanged
            If what stands is no longer what he was shown.
        """
        _require_person(by, "resume")
        there, path = self._halt_file()
        if there:
            raise ControlError(
                f"expected no file {HALT_FILE}, which wins over every command",
                where=str(path),
                cure="remove it, then resume",
            )

        beside = self._beside() if only is None else ()

        def change(state: ControlState, now: int) -> ControlState:
            for halt in beside:  # taken before it is lifted: people are told of it all the same
                state = with_halt(halt, state, now)
            return state.lifted(by=str(by), now_ms=now, only=only)

        self._change(
            change, over_unreadable=only is None, shown=shown,
            same=lambda now, then: now.heard == then.heard,
        )  # fmt: skip
        self._forget(beside)  # what came while it was written stays
        return self.read()

    def _down(self, what: str, mode: ControlMode, by: Actor, reason: str) -> ControlState:
        reason = self._words(by, reason)

        def change(state: ControlState, now: int) -> ControlState:
            return state.down(what, mode, by=str(by), reason=reason, now_ms=now)

        try:
            return self._change(change)
        except (OSError, ControlError):
            self._halt_beside(by, f"{reason} ({mode} asked for)")
            return self.read()

    def _words(self, by: Actor, reason: str) -> str:
        """Return a reason without secrets; a guard's may be an error's words."""
        return self.masked(reason) if isinstance(by, Person) else self.clean(reason)

    def note_unknown(self, unknown: Sequence[Unknown], said: Sequence[str] = ()) -> ControlState:
        """Write down what the bot is not told, and what people are to be told of that.

        The mode beneath stays as it was set.
        """

        told = [self.masked(words) for words in said]
        unknown = [replace(one, why=self.masked(one.why)) for one in unknown]

        def change(state: ControlState, now: int) -> ControlState:
            for words in told:
                state = state.noted(
                    "unknown", ControlMode.ACTIVE, by=str(GuardActor("unknown")), reason=words,
                    now_ms=now,
                )  # fmt: skip
            return replace(state, unknown=tuple(unknown))

        return self._change(change)

    # -- hedge --------------------------------------------------------------------------------

    def set_hedge(
        self, by: Person, ratio: float, *, shown: ControlState | None = None
    ) -> ControlState:
        """Hold the hedge at `ratio` of the position, 0 to 1, until released.

        As the two below, raises StateChanged if mode or override are not as `shown`.
        """
        return self._override_hedge(by, checked_ratio(ratio), shown)

    def freeze_hedge(self, by: Person, *, shown: ControlState | None = None) -> ControlState:
        """Leave the hedge's legs as they are until released."""
        return self._override_hedge(by, None, shown)

    def release_hedge(self, by: Person, *, shown: ControlState | None = None) -> ControlState:
        """Let the model choose the hedge again."""
        _require_person(by, "release the hedge")
        return self._change(
            lambda state, now: replace(state, hedge=None), shown=shown, same=_same_hedge
        )

    def _override_hedge(
        self, by: Person, ratio: float | None, shown: ControlState | None
    ) -> ControlState:
        _require_person(by, "override the hedge")

        def change(state: ControlState, now: int) -> ControlState:
            return replace(state, hedge=HedgeOverride(ratio=ratio, by=str(by), since_ms=now))

        return self._change(change, shown=shown, same=_same_hedge)

    # -- review -------------------------------------------------------------------------------

    def propose(
        self,
        *,
        key: str,
        pair: str,
        side: str,
        notional_quote: float,
        rate: float,
        note: str,
        expires_ms: int,
    ) -> Proposal:
        """Return the proposal for this signal: the one made before, or a new one, waiting.

        A new signal ends the open question about the pair's last one: no order would follow it.
        """
        for known in self.read().proposals:
            if known.key == key:
                return known

        def change(state: ControlState, now: int) -> tuple[ControlState, Proposal]:
            made = Proposal(
                id=f"r{state.next_proposal}", key=key, pair=pair, side=side, rate=rate, note=note,
                notional_quote=notional_quote, since_ms=now, expires_ms=expires_ms,
            ).at(now)  # fmt: skip
            passed = (p.superseded_by(made) for p in state.proposals)
            kept = (*passed, made)[-_KEPT_PROPOSALS:]
            return replace(state, proposals=kept, next_proposal=state.next_proposal + 1), made

        return self._changed(change)

    def approve(self, by: Person, proposal_id: str, *, shown: str = "") -> Proposal:
        """Let the entry happen, once, until the proposal expires.

        Raises
        ------
        StateChanged
            If the proposal of this number is not the one whose `mark` was `shown`.
        """
        return self._answer(by, proposal_id, Answer.APPROVED, shown)

    def deny(self, by: Person, proposal_id: str, *, shown: str = "") -> Proposal:
        """Refuse the entry for good; raises as `approve`."""
        return self._answer(by, proposal_id, Answer.DENIED, shown)

    def use(self, key: str, notional_quote: float) -> bool:
        """Spend the approval of this signal on an order of this size; False without one."""

        def change(state: ControlState, now: int) -> tuple[ControlState, bool]:
            for proposal in state.proposals:
                at = proposal.at(now)
                if (
                    at.key == key
                    and at.answer is Answer.APPROVED
                    and at.covers(notional_quote)
                ):  # fmt: skip
                    return _with(state, replace(at, answer=Answer.USED)), True
            return state, False

        return self._changed(change)

    def _answer(self, by: Person, proposal_id: str, answer: Answer, shown: str) -> Proposal:
        _require_person(by, "answer a proposal")

        def change(state: ControlState, now: int) -> tuple[ControlState, Proposal]:
            for proposal in state.proposals:
                if proposal.id == proposal_id:
                    if shown and proposal.mark != shown:
                        raise StateChanged(f"{proposal_id} is another entry than the one shown")
                    answered = proposal.answered(answer, str(by), now)
                    return _with(state, answered), answered
            raise ControlError(
                f"no proposal {proposal_id!r}",
                cure="open ones: " + (", ".join(_waiting(state, now)) or "none"),
            )

        return self._changed(change)

    # -- risk acknowledgement -----------------------------------------------------------------

    def acknowledge(self, by: Person, digest: str) -> ControlState:
        """Note that a person has accepted the risk of the settings with this digest."""
        _require_person(by, "acknowledge the risk")

        def change(state: ControlState, now: int) -> ControlState:
            return replace(
                state, acknowledged={**state.acknowledged, digest: f"{by}, {iso_ms(now)}"}
            )

        return self._change(change)

    # -- writing ------------------------------------------------------------------------------


def _same_hedge(now: ControlState, then: ControlState) -> bool:
    return (now.hedge, now.mode) == (then.hedge, then.mode)


def _with(state: ControlState, proposal: Proposal) -> ControlState:
    kept = tuple(proposal if p.id == proposal.id else p for p in state.proposals)
    return replace(state, proposals=kept)


def _waiting(state: ControlState, now_ms: int) -> list[str]:
    return [p.id for p in state.proposals if p.at(now_ms).answer is Answer.WAITING]


def _require_person(by: Actor, what: str) -> None:
    if not isinstance(by, Person):
        raise ControlError(f"only a person may {what}, not {by}")


__all__ = ["HALT_FILE", "ControlStore", "GuardActor", "ControlMode", "Person"]
