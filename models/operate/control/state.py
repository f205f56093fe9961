"""What a person or a guard has told the bot, as one value that is written whole.

Three modes, ordered by how much they forbid. ACTIVE trades. REDUCING lets nothing through that
raises the account's exposure. HALTED lets nothing through but closing. An exit passes in all three.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from models.base.errors import ControlError
from models.operate.control.review import Proposal

STATE_FORMAT: Final = 1


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
        return f"guard {self.name}"


Actor: TypeAlias = Person | GuardActor


@dataclass(frozen=True, kw_only=True)
class FlattenRequest:
    """All positions are to be closed, in stages."""

    by: str
    reason: str
    since_ms: int


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

    mode: ControlMode = ControlMode.ACTIVE
    reason: str = ""
    by: str = ""
    since_ms: int = 0
    flatten: FlattenRequest | None = None
    hedge: HedgeOverride | None = None
    proposals: tuple[Proposal, ...] = ()
    next_proposal: int = 1
    changes: int = 0
    acknowledged: Mapping[str, str] = field(default_factory=dict)  # digest -> who and when

    @property
    def may_add_risk(self) -> bool:
        return self.mode is ControlMode.ACTIVE

    def at_least(self, mode: ControlMode, *, by: str, reason: str, now_ms: int) -> ControlState:
        """Return the state with the mode moved down to `mode`; as it is if already there."""
        if self.mode.severity >= mode.severity:
            return self
        return replace(self, mode=mode, by=by, reason=reason, since_ms=now_ms)


def halted(reason: str, *, since_ms: int = 0) -> ControlState:
    """Return the state that stands in for one that cannot be read."""
    return ControlState(mode=ControlMode.HALTED, reason=reason, by="control", since_ms=since_ms)


def to_bytes(state: ControlState) -> bytes:
    """Return the file's content: JSON a person can read."""
    return json.dumps({"format": STATE_FORMAT, **asdict(state)}, indent=1).encode() + b"\n"


def from_bytes(data: bytes) -> ControlState:
    """Return the state written by `to_bytes`.

    Raises
    ------
    ValueError, KeyError, TypeError
        If `data` is anything else.
    """
    values: dict[str, Any] = json.loads(data)
    if values.pop("format") != STATE_FORMAT:
        raise ValueError("written by another version")
    values["mode"] = ControlMode(values["mode"])
    for name, kind in (("flatten", FlattenRequest), ("hedge", HedgeOverride)):
        values[name] = None if values[name] is None else kind(**values[name])
    values["proposals"] = tuple(Proposal.from_values(v) for v in values["proposals"])
    return ControlState(**values)
