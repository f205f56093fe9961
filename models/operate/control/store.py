"""The control state on disk: one small file, written whole, read in every loop by every process.

Fails closed: what cannot be read is HALTED, a halt that cannot be written becomes the file `HALT`,
and that file, dropped by anyone, wins over everything. Nothing here asks the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from models.base.errors import ControlError
from models.base.files import Clock, iso_ms, locked, wall_clock_ms, write_atomic
from models.operate.control.review import Answer, Proposal
from models.operate.control.state import (
    Actor,
    ControlMode,
    ControlState,
    FlattenRequest,
    GuardActor,
    HedgeOverride,
    Person,
    checked_ratio,
    from_bytes,
    halted,
    to_bytes,
)

HALT_FILE: Final = "HALT"
_KEPT_PROPOSALS: Final = 50

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Read:
    data: bytes
    state: ControlState


class ControlStore:
    """The state of `folder`, safe with several processes and threads.

    Parameters
    ----------
    folder
        Made, in the mode ACTIVE, when it was never used; a state that has gone missing since is
        HALTED.
    clock
        UTC milliseconds.
    """

    def __init__(self, folder: Path, clock: Clock = wall_clock_ms) -> None:
        self.folder, self.clock = folder, clock
        self._path = folder / "state.json"
        self._lock = folder / "lock"
        self._halt = folder / HALT_FILE
        self._last: _Read | None = None
        # A halt that found no disk to stand on, and the mode it found there.
        self._unwritten: tuple[str, ControlState] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(self._lock):
                # The lock's content says that there was a state once.
                if not self._lock.stat().st_size:
                    if not self._path.exists():
                        write_atomic(self._path, to_bytes(ControlState(since_ms=clock())))
                    self._lock.write_text("the control state was created\n")
        except (OSError, ControlError):
            return  # nothing to read: HALTED, and `read` says why

    # -- reading ------------------------------------------------------------------------------

    def read(self) -> ControlState:
        """Return the state in force now; never raises, and never waits for a lock."""
        state = self._written()
        now = self.clock()
        why = self._halt_unwritten(state) or self._halt_file()
        if why:
            state = state.at_least(ControlMode.HALTED, by="file", reason=why, now_ms=now)
        return replace(state, proposals=tuple(p.at(now) for p in state.proposals))

    def _written(self) -> ControlState:
        # Read whole every time, 20 us: time stamps are too coarse to tell two quick writes apart.
        try:
            data = self._path.read_bytes()
            if self._last is None or self._last.data != data:
                self._last = _Read(data, from_bytes(data))
            return self._last.state
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is HALTED
            return halted(f"the control state cannot be read: {error!r:.200}")

    def _halt_unwritten(self, state: ControlState) -> str:
        if self._unwritten is None:
            return ""
        why, then = self._unwritten
        if state.may_add_risk and state.since_ms != then.since_ms:
            self._unwritten = None  # a person has resumed since, perhaps in another process
            return ""
        return why

    def _halt_file(self) -> str:
        try:
            os.lstat(self._halt)  # a dangling link counts
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"the file {HALT_FILE} cannot be looked for: {error}"
        try:
            content = self._halt.read_text(encoding="utf-8", errors="replace")[:200].strip()
        except OSError as error:
            content = str(error)
        return f"the file {HALT_FILE} is there" + (f": {content}" if content else "")

    # -- modes --------------------------------------------------------------------------------

    def halt(self, by: Actor, reason: str) -> ControlState:
        """Forbid everything but closing. Never fails to take effect in this process."""
        return self._down(ControlMode.HALTED, by, reason)

    def reduce(self, by: Actor, reason: str) -> ControlState:
        """Forbid whatever raises exposure; a halt stays a halt."""
        return self._down(ControlMode.REDUCING, by, reason)

    def request_flatten(self, by: Actor, reason: str) -> ControlState:
        """Halt, and ask for every position to be closed in stages."""

        def change(state: ControlState, now: int) -> ControlState:
            down = state.at_least(ControlMode.HALTED, by=str(by), reason=reason, now_ms=now)
            request = FlattenRequest(by=str(by), reason=reason, since_ms=now)
            return replace(down, flatten=state.flatten or request)

        try:
            return self._change(change)
        except (OSError, ControlError):
            self._halt_without_state(reason)
            raise

    def flattened(self, by: Actor) -> ControlState:
        """Note that no position is left; the mode stays as it is."""
        return self._change(lambda state, now: replace(state, flatten=None))

    def resume(self, by: Person) -> ControlState:
        """Arm the bot again, and drop a flatten request.

        Raises
        ------
        ControlError
            If anyone but a person asks, or the file HALT is still there.
        """
        _require_person(by, "resume")
        if self._halt_file():
            raise ControlError(
                f"expected no file {HALT_FILE}, which wins over every command",
                where=str(self._halt),
                cure="remove it, then resume",
            )

        def change(state: ControlState, now: int) -> ControlState:
            return replace(
                state,
                mode=ControlMode.ACTIVE,
                reason="resumed",
                by=str(by),
                since_ms=now,
                flatten=None,
            )

        return self._change(change, over_unreadable=True)

    def _down(self, mode: ControlMode, by: Actor, reason: str) -> ControlState:
        def change(state: ControlState, now: int) -> ControlState:
            return state.at_least(mode, by=str(by), reason=reason, now_ms=now)

        try:
            return self._change(change)
        except (OSError, ControlError):
            self._halt_without_state(f"{reason} ({mode} asked for by {by})")
            return self.read()

    def _halt_without_state(self, reason: str) -> None:
        """Halt through the file HALT, which needs no lock; without a disk, in this process."""
        try:
            with self._halt.open("a", encoding="utf-8") as file:
                file.write(f"{iso_ms(self.clock())} {reason}\n")
        except OSError as error:
            why = f"{reason}; and the state cannot be written: {error}"
            self._unwritten = (why, self._written())

    # -- hedge --------------------------------------------------------------------------------

    def set_hedge(self, by: Person, ratio: float) -> ControlState:
        """Hold the hedge at `ratio` of the position, 0 to 1, until released."""
        return self._override_hedge(by, checked_ratio(ratio))

    def freeze_hedge(self, by: Person) -> ControlState:
        """Leave the hedge's legs as they are until released."""
        return self._override_hedge(by, None)

    def release_hedge(self, by: Person) -> ControlState:
        """Let the model choose the hedge again."""
        _require_person(by, "release the hedge")
        return self._change(lambda state, now: replace(state, hedge=None))

    def _override_hedge(self, by: Person, ratio: float | None) -> ControlState:
        _require_person(by, "override the hedge")

        def change(state: ControlState, now: int) -> ControlState:
            return replace(state, hedge=HedgeOverride(ratio=ratio, by=str(by), since_ms=now))

        return self._change(change)

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

    def approve(self, by: Person, proposal_id: str) -> Proposal:
        """Let the entry happen, once, until the proposal expires."""
        return self._answer(by, proposal_id, Answer.APPROVED)

    def deny(self, by: Person, proposal_id: str) -> Proposal:
        """Refuse the entry for good."""
        return self._answer(by, proposal_id, Answer.DENIED)

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

    def _answer(self, by: Person, proposal_id: str, answer: Answer) -> Proposal:
        _require_person(by, "answer a proposal")

        def change(state: ControlState, now: int) -> tuple[ControlState, Proposal]:
            for proposal in state.proposals:
                if proposal.id == proposal_id:
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

    def _change(
        self,
        change: Callable[[ControlState, int], ControlState],
        *,
        over_unreadable: bool = False,
    ) -> ControlState:
        def both(state: ControlState, now: int) -> tuple[ControlState, None]:
            return change(state, now), None

        self._changed(both, over_unreadable=over_unreadable)
        return self.read()

    def _changed(
        self,
        change: Callable[[ControlState, int], tuple[ControlState, _T]],
        *,
        over_unreadable: bool = False,
    ) -> _T:
        """Apply `change` to the state on disk under the lock, and return its second value."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self._lock):
            try:
                state = from_bytes(self._path.read_bytes())
            except Exception as error:  # noqa: BLE001 - of any kind: it is not to be written over
                if not over_unreadable:
                    _refuse_unreadable(self._path, error)
                state = ControlState()
                if self._path.exists():
                    os.replace(self._path, self._path.with_name(f"state.corrupt-{self.clock()}"))
            changed, answer = change(state, self.clock())
            if changed != state:
                changed = replace(changed, changes=state.changes + 1)
                write_atomic(self._path, to_bytes(changed))
        return answer


def _with(state: ControlState, proposal: Proposal) -> ControlState:
    kept = tuple(proposal if p.id == proposal.id else p for p in state.proposals)
    return replace(state, proposals=kept)


def _waiting(state: ControlState, now_ms: int) -> list[str]:
    return [p.id for p in state.proposals if p.at(now_ms).answer is Answer.WAITING]


def _require_person(by: Actor, what: str) -> None:
    if not isinstance(by, Person):
        raise ControlError(f"only a person may {what}, not {by}")


def _refuse_unreadable(path: Path, error: Exception) -> NoReturn:
    raise ControlError(
        f"the control state cannot be read: {error!r:.200}",
        where=str(path),
        cure="the bot is halted; look at the file, then resume, which starts a new one",
    ) from error


__all__ = ["HALT_FILE", "ControlStore", "GuardActor", "ControlMode", "Person"]
