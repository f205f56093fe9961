"""The control state's file: one small one, written whole, read in every loop by every process.

Fails closed: what cannot be read is HALTED, a halt that cannot be written becomes the file `HALT`,
and that file, dropped by anyone, wins over everything. Nothing here asks the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from models.base.errors import ControlError
from models.base.files import (
    Clock,
    iso_ms,
    locked,
    open_regular,
    read_regular,
    wall_clock_ms,
    write_atomic,
)
from models.operate.control.state import (
    Actor,
    ControlMode,
    ControlState,
    Notice,
    StateChanged,
    from_bytes,
    halted,
    to_bytes,
)

STATE_FILE: Final = "state.json"
HALT_FILE: Final = "HALT"
_LONGEST_HALT: Final = 1 << 20  # bytes; it counts whatever is in it
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Read:
    data: bytes
    state: ControlState


@dataclass
class HaltMemory:
    """The halts of one process that its state could not take; they outlive a store."""

    nowhere: tuple[Notice, ...] = ()  # that found no disk at all
    filed: tuple[Notice, ...] = ()  # that the file HALT tells of

    @property
    def halts(self) -> tuple[Notice, ...]:
        return (*self.nowhere, *self.filed)

    def forget(self, lifted: Collection[Notice]) -> None:
        """Drop halts that are in the state now, or lifted."""
        self.nowhere = tuple(halt for halt in self.nowhere if halt not in lifted)
        self.filed = tuple(halt for halt in self.filed if halt not in lifted)


def _anything(now: ControlState, then: ControlState) -> bool:
    return True


class StateFile:
    """The state of `folder`, safe with several processes and threads.

    Parameters
    ----------
    folder
        Made, in the mode ACTIVE, when it was never used; a state that has gone missing since is
        HALTED.
    clock
        UTC milliseconds.
    memory
        Halts that an earlier store of this process could not write.
    """

    def __init__(
        self, folder: Path, clock: Clock = wall_clock_ms, memory: HaltMemory | None = None
    ) -> None:
        self.folder, self.clock = folder, clock
        self._path = folder / STATE_FILE
        self._lock = folder / "lock"
        self._halt = folder / HALT_FILE
        self._last: _Read | None = None
        self._memory = HaltMemory() if memory is None else memory
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(self._lock):
                # The lock's content says that there was a state once.
                if not self._lock.stat().st_size:
                    if not self._path.exists():
                        write_atomic(self._path, to_bytes(_new(clock())))
                    self._lock.write_text("the control state was created\n")
        except (OSError, ControlError):
            return  # nothing to read: HALTED, and `read` says why

    # -- reading ------------------------------------------------------------------------------

    def read(self) -> ControlState:
        """Return the state in force now; never raises, and never waits for a lock."""
        state = self.on_disk()
        return replace(state, notices=(*state.notices, *self._memory.halts))

    def on_disk(self) -> ControlState:
        """Return the state as every other process reads it, without what only this one knows."""
        state, now = self._written().in_force(), self.clock()
        if why := self._halt_file():
            state = state.at_least(ControlMode.HALTED, by="file", reason=why, now_ms=now)
        return replace(state, proposals=tuple(p.at(now) for p in state.proposals))

    @property
    def unwritten(self) -> tuple[str, ...]:
        """The halts that hold in this process only, because nothing could be written."""
        return tuple(halt.reason for halt in self._memory.nowhere)

    def _written(self) -> ControlState:
        # Read whole every time, 20 us: time stamps are too coarse to tell two quick writes apart.
        try:
            data = read_regular(self._path)
            if self._last is None or self._last.data != data:
                self._last = _Read(data, from_bytes(data))
            return self._last.state
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is HALTED
            return halted(f"the control state cannot be read: {error!r:.200}")

    def _halt_file(self) -> str:
        try:
            os.lstat(self._halt)  # a dangling link counts
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"the file {HALT_FILE} cannot be looked for: {error}"
        try:
            whole = read_regular(self._halt, limit=_LONGEST_HALT)
            content = whole.decode(errors="replace")[:1000].strip()
        except OSError as error:
            content = str(error)
        return f"the file {HALT_FILE} is there" + (f": {content}" if content else "")

    # -- what cannot be written ------------------------------------------------------------------

    def settle(self) -> None:
        """Write the halts down that found no disk, as soon as there is one; must not raise."""
        for halt in self._memory.halts:
            try:
                self._change(partial(_with_halt, halt))
            except (OSError, ControlError):
                return
            self._memory.forget([halt])

    def _halt_beside(self, by: Actor, reason: str) -> None:
        """Halt through the file HALT, which needs no lock; without a disk, in this process.

        Either way this process remembers: once its state can be written, it stands there.
        """
        memory, mode, now = self._memory, ControlMode.HALTED, self.clock()
        halt = Notice(n=0, what="halt", mode=mode, by=str(by), reason=reason, time_ms=now)
        if self._halt_file() and any(_alike(halt, kept) for kept in memory.filed):
            return  # a guard says it again in every loop
        try:
            with open(open_regular(self._halt, _APPEND, 0o666), "a", encoding="utf-8") as file:
                file.write(f"{iso_ms(now)} {by}: {reason}\n")
            memory.filed = (*memory.filed, halt)
        except OSError as error:
            halt = replace(halt, reason=f"{reason}; and the state cannot be written: {error}")
            if not any(_alike(halt, kept) for kept in memory.nowhere):
                memory.nowhere = (*memory.nowhere, halt)

    # -- writing ---------------------------------------------------------------------------------

    def _change(
        self,
        change: Callable[[ControlState, int], ControlState],
        *,
        over_unreadable: bool = False,
        shown: ControlState | None = None,
        same: Callable[[ControlState, ControlState], bool] = _anything,
    ) -> ControlState:
        def both(state: ControlState, now: int) -> tuple[ControlState, None]:
            if shown is not None and not same(self.read(), shown):
                raise StateChanged("what holds is no longer what was shown; nothing was changed")
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
                state = from_bytes(read_regular(self._path))
            except Exception as error:  # noqa: BLE001 - of any kind: it is not to be written over
                if not over_unreadable:
                    _refuse_unreadable(self._path, error)
                state = _new(self.clock())
                changed, answer = change(state, self.clock())
                if self._path.exists():
                    os.replace(self._path, self._path.with_name(f"state.corrupt-{self.clock()}"))
            else:
                changed, answer = change(state, self.clock())
            if changed != state:
                changed = replace(changed, changes=state.changes + 1)
                write_atomic(self._path, to_bytes(changed))
        return answer


def _new(now_ms: int) -> ControlState:
    return ControlState(made_ms=now_ms, armed_ms=now_ms)


def _alike(halt: Notice, other: Notice) -> bool:
    return halt.says(other.what, other.mode, other.by, other.reason)


def _with_halt(halt: Notice, state: ControlState, now_ms: int) -> ControlState:
    return state.down(halt.what, halt.mode, by=halt.by, reason=halt.reason, now_ms=now_ms)


def _refuse_unreadable(path: Path, error: Exception) -> NoReturn:
    raise ControlError(
        f"the control state cannot be read: {error!r:.200}",
        where=str(path),
        cure="the bot is halted; look at the file, then resume, which starts a new one",
    ) from error
