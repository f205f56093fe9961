"""What a person or a guard has told the bot, as one value that is written whole.

Three modes, ordered by how much they forbid. ACTIVE forbids nothing. REDUCING lets nothing through
that raises the account's exposure. HALTED lets nothing through but closing. An exit passes in all
three. Each reason stands by itself until a person lifts it; the mode is that of the strictest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from models.base.errors import ControlError
from models.base.typed import check_fields
from models.operate.control.review import Proposal
from models.operate.control.unknown import Unknown, reducing

STATE_FORMAT: Final = 2
_KEPT_REASONS: Final = 4  # standing at once, of one guard for one mode
_KEPT_WORDS: Final = 16  # of one person
_GUARD: Final = "guard "  # begins the name of an actor that is none of the persons
_KEPT_PAST: Final = 50  # notices that stand no longer; they are told and then of no use


class StateChanged(ControlError):
    """A person answered what he had been shown, and it no longer holds; nothing was changed."""


class ControlMode(StrEnum):
    """How much the bot may do; `severity` orders them."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    @property
    def severity(self) -> int:
        return list(ControlMode).index(self)


@dataclass(frozen=True)
class Person:
    """Somebody who may move the mode both ways, and how the word came."""

    name: str
    channel: str  # "telegram", "command line"

    def __str__(self) -> str:
        return f"{self.name} by {self.channel}"


@dataclass(frozen=True)
class GuardActor:
    """A check, breaker or watchdog; it may only move the mode downwards."""

    name: str

    def __str__(self) -> str:
        return f"{_GUARD}{self.name}"


Actor: TypeAlias = Person | GuardActor


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing control has heard; while it stands, it forbids what its mode forbids."""

    n: int  # counted up by the state; 0: not of the state's file but beside it, as the file HALT
    what: str  # "reduce", "halt", "flatten", "flattened", "resume", "beside", "note"
    mode: ControlMode
    by: str
    reason: str
    time_ms: int
    stands: bool = True

    def says(self, what: str, mode: ControlMode, by: str, reason: str) -> bool:
        """Whether it says this already; of a guard, which repeats itself, with any numbers."""
        same = (self.what, self.mode, self.by) == (what, mode, by)
        if not by.startswith(_GUARD):  # a person means what he says, "h2" is not "h1"
            return same and self.reason == reason
        return same and same_words(self.reason, reason)


def same_words(one: str, other: str) -> bool:
    """Whether two reasons differ in their numbers only.

    Examples
    --------
    >>> same_words("lost 2.1 %", "lost 2.2 %"), same_words("lost 2.1 %", "won 2.1 %")
    (True, False)
    """
    return "".join(filter(str.isalpha, one)) == "".join(filter(str.isalpha, other))


@dataclass(frozen=True, kw_only=True)
class FlattenRequest:
    """All positions are to be closed, in stages; it stands as long as its notice."""

    by: str
    reason: str
    since_ms: int
    notice: int = 0


@dataclass(frozen=True, kw_only=True)
class HedgeOverride:
    """A person's word on the hedge ratio; None freezes the legs as they are."""

    ratio: float | None  # 0 is no hedge, 1 a full one
    by: str
    since_ms: int


def checked_ratio(ratio: float) -> float:
    """Return a hedge ratio a person may set.

    Raises
    ------
    ControlError
        If it is not from 0 to 1.
    """
    if not (math.isfinite(ratio) and 0 <= ratio <= 1):
        raise ControlError(f"expected a hedge ratio from 0 to 1, got {ratio}")
    return ratio


@dataclass(frozen=True, kw_only=True)
class ControlState:
    """Everything control knows; `changes` counts the writes."""

    notices: tuple[Notice, ...] = ()  # oldest first
    next_notice: int = 1
    made_ms: int = 0  # when it began: its numbers count from then; < 0: it stands in for one
    armed_ms: int = 0  # when a person last lifted everything, or the state was made
    armed_by: str = ""
    flatten: FlattenRequest | None = None
    hedge: HedgeOverride | None = None
    proposals: tuple[Proposal, ...] = ()
    next_proposal: int = 1
    changes: int = 0
    acknowledged: Mapping[str, str] = field(default_factory=dict)  # digest -> who and when
    unknown: tuple[Unknown, ...] = ()  # what the bot is not told; a while longer once it is over

    # -- what holds ---------------------------------------------------------------------------

    @property
    def standing(self) -> tuple[Notice, ...]:
        """Every reason that stands, oldest first."""
        return tuple(notice for notice in self.notices if notice.stands)

    @property
    def strictest(self) -> Notice | None:
        """The first of the reasons that forbid most."""
        return max(self.standing, key=lambda notice: notice.mode.severity, default=None)

    @property
    def mode(self) -> ControlMode:
        return ControlMode.ACTIVE if self.strictest is None else self.strictest.mode

    @property
    def reason(self) -> str:
        """Why the mode is what it is: the words of the strictest reason."""
        if self.strictest is None:
            return "resumed" if self.armed_by else ""
        return self.strictest.reason

    @property
    def by(self) -> str:
        return self.armed_by if self.strictest is None else self.strictest.by

    @property
    def since_ms(self) -> int:
        return self.armed_ms if self.strictest is None else self.strictest.time_ms

    @property
    def heard(self) -> tuple[object, ...]:
        """What a question about the mode is about: changed, the question is another one."""
        reasons = tuple((n.n, n.mode, n.by, n.reason) for n in self.standing)
        return reasons, self.flatten, self.armed_ms

    @property
    def may_add_risk(self) -> bool:
        return self.mode is ControlMode.ACTIVE

    # -- what is heard ------------------------------------------------------------------------

    def down(
        self, what: str, mode: ControlMode, *, by: str, reason: str, now_ms: int
    ) -> ControlState:
        """Return the state with one more reason for `mode`; as it is if that one stands already."""
        if any(notice.says(what, mode, by, reason) for notice in self.standing):
            return self
        of_it = [n.n for n in self.standing if (n.what, n.mode, n.by) == (what, mode, by)]
        full = len(of_it) >= (_KEPT_REASONS if by.startswith(_GUARD) else _KEPT_WORDS)
        state = self._stands_not({of_it[-1]}) if full else self
        return state.noted(what, mode, by=by, reason=reason, now_ms=now_ms, stands=True)

    def noted(
        self, what: str, mode: ControlMode, *, by: str, reason: str, now_ms: int,
        stands: bool = False,
    ) -> ControlState:  # fmt: skip
        """Return the state with one more notice, which people are to be told of."""
        notice = Notice(n=self.next_notice, what=what, mode=mode, by=by, reason=reason,
                        time_ms=now_ms, stands=stands)  # fmt: skip
        past = [n.n for n in self.notices if not n.stands][:-_KEPT_PAST]
        kept = tuple(n for n in self.notices if n.n not in past)
        return replace(self, notices=(*kept, notice), next_notice=notice.n + 1)

    def at_least(self, mode: ControlMode, *, by: str, reason: str, now_ms: int) -> ControlState:
        """Return the state with a reason for `mode` that is found beside the state's file."""
        notice = Notice(n=0, what="beside", mode=mode, by=by, reason=reason, time_ms=now_ms)
        return replace(self, notices=(*self.notices, notice))

    def lifted(self, *, by: str, now_ms: int, only: int | None = None) -> ControlState:
        """Return the state without its reasons, or without one of them.

        Raises
        ------
        ControlError
            If no reason of the number `only` stands.
        """
        if only is None:
            return replace(
                self._stands_not({n.n for n in self.standing}).noted(
                    "resume", ControlMode.ACTIVE, by=by, reason="resumed", now_ms=now_ms
                ),
                armed_ms=now_ms, armed_by=by, flatten=None,
            )  # fmt: skip
        numbers = [n.n for n in self.standing if n.n]
        if only not in numbers:
            raise ControlError(
                f"no reason {only} stands",
                cure=f"those that do: {', '.join(map(str, numbers)) or 'none'}",
            )
        if numbers == [only]:
            return self.lifted(by=by, now_ms=now_ms)
        gone = next(n for n in self.standing if n.n == only)
        state = self._stands_not({only}).noted(
            "resume", ControlMode.ACTIVE, by=by, now_ms=now_ms,
            reason=f"lifted {gone.mode} of {gone.by}: {gone.reason}",
        )  # fmt: skip
        kept = self.flatten is not None and self.flatten.notice != only
        return replace(state, flatten=self.flatten if kept else None)

    def _stands_not(self, numbers: Collection[int]) -> ControlState:
        kept = tuple(replace(n, stands=False) if n.n in numbers else n for n in self.notices)
        return replace(self, notices=kept)

    def in_force(self) -> ControlState:
        """Return the state as it has to be obeyed: REDUCING while something has long been unknown.

        Only what is read is moved: once the answer is back, what stood before stands again.
        """
        lasting = reducing(self.unknown)
        if not lasting:
            return self
        since_ms = min(u.reduces_ms for u in lasting if u.reduces_ms is not None)
        return self.at_least(
            ControlMode.REDUCING, by=str(GuardActor("unknown")), now_ms=since_ms,
            reason=f"unknown: {', '.join(u.what for u in lasting)}",
        )  # fmt: skip


def halted(reason: str, *, since_ms: int) -> ControlState:
    """Return the state that stands in for one that cannot be read."""
    return ControlState(made_ms=-1).at_least(
        ControlMode.HALTED, by="control", reason=reason, now_ms=since_ms
    )


def to_bytes(state: ControlState) -> bytes:
    """Return the file's content: JSON a person can read."""
    head = {"format": STATE_FORMAT, "mode": state.mode}
    return json.dumps({**head, **asdict(state)}, indent=1).encode() + b"\n"


def from_bytes(data: bytes) -> ControlState:
    """Return the state written by `to_bytes`, of this version or the one before.

    Raises
    ------
    ValueError, KeyError, TypeError
        If `data` is anything else.
    """
    values: dict[str, Any] = json.loads(data)
    if values["format"] == 1:
        values = _of_format_1(values)
    if values.pop("format") != STATE_FORMAT:
        raise ValueError("written by another version")
    mode = ControlMode(values.pop("mode"))
    values["notices"] = tuple(
        Notice(**{**v, "mode": ControlMode(v["mode"])}) for v in values["notices"]
    )
    for name, kind in (("flatten", FlattenRequest), ("hedge", HedgeOverride)):
        values[name] = None if values[name] is None else kind(**values[name])
    values["proposals"] = tuple(Proposal.from_values(v) for v in values["proposals"])
    values["unknown"] = tuple(Unknown.from_values(v) for v in values.get("unknown", ()))
    state = ControlState(**values)
    check_fields(state)
    if state.mode is not mode:
        raise ValueError(f"its mode is {mode}, its reasons make it {state.mode}: it was edited")
    return state


def _of_format_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a state that knew one reason only."""
    word = {name: values[name] for name in ("mode", "reason", "by")}
    kept = {k: v for k, v in values.items() if k not in (*word, "since_ms")}
    mode, since_ms = ControlMode(word["mode"]), values["since_ms"]
    kept["made_ms"] = since_ms
    armed = {"armed_ms": since_ms, "armed_by": word["by"]}
    if mode is ControlMode.ACTIVE:
        return {**kept, **armed, "format": STATE_FORMAT, "mode": mode, "notices": (),
                "next_notice": 1}  # fmt: skip
    notice = {**word, "n": 1, "what": "halt", "time_ms": since_ms, "stands": True}
    return {**kept, "armed_ms": 0, "armed_by": "", "format": STATE_FORMAT, "mode": mode,
            "notices": (notice,), "next_notice": 2}  # fmt: skip
