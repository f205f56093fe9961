"""The control state's file: one small one, written whole, read in every loop by every process.

Fails closed: what cannot be read is HALTED, a halt that cannot be written becomes the file `HALT`,
and that file, dropped by anyone, wins over everything. Nothing here asks the configuration. Such a
halt waits in a file of its own as well until the state can take it: who removes `HALT` in between,
and a kill, lose no word of it.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
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
from models.base.typed import check_fields
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
from models.operate.journal.records import keyless, masked

STATE_FILE: Final = "state.json"
HALT_FILE: Final = "HALT"
WAITING_FILE: Final = "halts.jsonl"  # what the file HALT told and the state has not taken yet
_LONGEST_HALT: Final = 1 << 20  # bytes; it counts whatever is in it
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Read:
    data: bytes
    state: ControlState


@dataclass
class HaltMemory:
    """The halts of one process that found no disk at all; they outlive a store."""

    halts: tuple[Notice, ...] = ()

    def forget(self, lifted: Collection[Notice]) -> None:
        """Drop halts that are in the state now, or lifted."""
        self.halts = tuple(halt for halt in self.halts if halt not in lifted)


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
    secrets
        Values no reason in it may show.
    """

    def __init__(
        self, folder: Path, clock: Clock = wall_clock_ms, memory: HaltMemory | None = None,
        secrets: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.folder, self.clock = folder, clock
        self.clean = partial(keyless, secrets=tuple(secrets))  # words that may repeat an error's
        self.masked = partial(masked, secrets=tuple(secrets))  # a person's, and the exchange's
        self._path = folder / STATE_FILE
        self._lock = folder / "lock"
        self._halt, self._waiting = folder / HALT_FILE, folder / WAITING_FILE
        self._taken = self._waiting.with_suffix(".taken")  # while some of it is let go
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
        why, path = self._halt_file()
        if why:
            since_ms = self._changed_ms(path)
            state = state.at_least(ControlMode.HALTED, by="file", reason=why, now_ms=since_ms)
        notices = (*state.notices, *self._halts_waiting())
        proposals = tuple(p.at(now) for p in state.proposals)
        return replace(state, notices=notices, proposals=proposals)

    @property
    def unwritten(self) -> tuple[str, ...]:
        """The halts that hold in this process only, because nothing could be written."""
        return tuple(halt.reason for halt in self._memory.halts)

    def _written(self) -> ControlState:
        # Read whole every time, 20 us: time stamps are too coarse to tell two quick writes apart.
        try:
            data = read_regular(self._path)
            if self._last is None or self._last.data != data:
                self._last = _Read(data, from_bytes(data))
            return self._last.state
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is HALTED
            since_ms = self._changed_ms(self._path)
            return halted(f"the control state cannot be read: {error!r:.200}", since_ms=since_ms)

    def _changed_ms(self, path: Path) -> int:
        """Return when a file was last changed, the folder if it is not there; else now."""
        for there in (path, self.folder):
            try:
                return os.lstat(there).st_mtime_ns // 1_000_000
            except OSError:
                continue
        return self.clock()

    def _halt_there(self) -> Path | None:
        """Return the file HALT as somebody in a hurry may have named it: halt, HALT.txt."""
        names = os.listdir(self.folder)
        name = min((n for n in names if n.split(".")[0].upper() == HALT_FILE), default=None)
        return None if name is None else self.folder / name

    def _halt_file(self) -> tuple[str, Path]:
        """Return what is to be said of the file HALT, nothing without one, and where it is."""
        try:
            path = self._halt_there()  # a dangling link counts
        except FileNotFoundError:
            path = None
        except OSError as error:
            return f"the file {HALT_FILE} cannot be looked for: {error}", self._halt
        if path is None:
            return "", self._halt
        try:
            whole = read_regular(path, limit=_LONGEST_HALT)
            content = whole.decode(errors="replace")[:1000].strip()
        except OSError as error:
            content = str(error)
        return f"the file {path.name} is there" + (f": {content}" if content else ""), path

    # -- what cannot be written ------------------------------------------------------------------

    def settle(self) -> None:
        """Write the halts down that the state could not take, as soon as it can; must not raise."""
        for halt in self._beside():
            try:
                self._change(partial(with_halt, halt))
                self._forget([halt])
            except (OSError, ControlError):
                return

    def _beside(self) -> tuple[Notice, ...]:
        """Return the halts that stand beside the state: of this process, and of the folder."""
        return (*self._memory.halts, *self._halts_waiting())

    def _forget(self, halts: Collection[Notice]) -> None:
        """Drop halts that are in the state now, or that a person has lifted; others stay."""
        self._memory.forget(halts)
        if not any(halt in halts for halt in self._halts_waiting()):
            return
        with locked(self._lock):
            self._put_back(halts)  # what a kill between the two lines below has left
            if os.path.lexists(self._waiting):
                os.replace(self._waiting, self._taken)
                self._put_back(halts)

    def _put_back(self, halts: Collection[Notice]) -> None:
        """Let what was taken wait again, but for `halts`; until then it counts where it is."""
        # Halts are added without a lock: one that came since it was looked at is in there as well.
        for halt in self._halts_in(self._taken):
            if halt not in halts:
                self._wait(halt)
        if self._taken.is_dir() and not self._taken.is_symlink():
            os.replace(self._taken, self._taken.with_name(f"halts.unreadable-{self.clock()}"))
        self._taken.unlink(missing_ok=True)

    def _halt_beside(self, by: Actor, reason: str) -> None:
        """Halt through the file HALT, which needs no lock; without a disk, in this process."""
        mode, now = ControlMode.HALTED, self.clock()
        halt = Notice(n=0, what="halt", mode=mode, by=str(by), reason=reason, time_ms=now)
        if self._halt_file()[0] and any(_alike(halt, kept) for kept in self._halts_waiting()):
            return  # a guard says it again in every loop
        try:
            _append(self._halt, f"{iso_ms(now)} {by}: {reason}")
            self._wait(halt)
        except OSError as error:
            halt = replace(halt, reason=f"{reason}; and the state cannot be written: {error}")
            if not any(_alike(halt, kept) for kept in self._memory.halts):
                self._memory.halts = (*self._memory.halts, halt)

    def _wait(self, halt: Notice) -> None:
        _append(self._waiting, json.dumps(asdict(halt)))

    def _halts_waiting(self) -> tuple[Notice, ...]:
        """Return the halts that wait for the state to take them, each once."""
        both = (*self._halts_in(self._taken), *self._halts_in(self._waiting))
        return tuple(dict.fromkeys(both))

    def _halts_in(self, path: Path) -> tuple[Notice, ...]:
        """Return the halts a file has; whatever is in it is one."""
        try:
            lines = read_regular(path, limit=_LONGEST_HALT).splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            return (_unreadable(error),)
        return tuple(_halt_of(line) for line in lines)

    # -- writing ---------------------------------------------------------------------------------

    def _change(
        self,
        change: Callable[[ControlState, int], ControlState],
        *,
        over_unreadable: bool = False,
        shown: ControlState | None = None,
        same: Callable[[ControlState, ControlState], bool] = operator.eq,
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


def _append(path: Path, line: str) -> None:
    with open(open_regular(path, _APPEND, 0o666), "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _halt_of(line: bytes) -> Notice:
    try:
        values = json.loads(line)
        halt = Notice(**{**values, "mode": ControlMode(values["mode"])})
        check_fields(halt)
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody wanted a halt
        return _unreadable(error)
    return halt


def _unreadable(error: Exception) -> Notice:
    return Notice(
        n=0, what="halt", mode=ControlMode.HALTED, by="file", time_ms=0,
        reason=f"a halt in the file {WAITING_FILE} cannot be read: {error!r:.200}",
    )  # fmt: skip


def with_halt(halt: Notice, state: ControlState, now_ms: int) -> ControlState:
    """Return the state with a halt that stood beside it."""
    return state.down(halt.what, halt.mode, by=halt.by, reason=halt.reason, now_ms=now_ms)


def _refuse_unreadable(path: Path, error: Exception) -> NoReturn:
    raise ControlError(
        f"the control state cannot be read: {error!r:.200}",
        where=str(path),
        cure="the bot is halted; look at the file, then resume, which starts a new one",
    ) from error
