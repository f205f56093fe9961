"""Review mode: an entry the bot proposes, and what became of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from models.base.errors import ControlError

_CLOCKS_MS: Final = 5_000  # two processes may read the time one after the other


@dataclass(frozen=True, kw_only=True)
class ReviewConfig:
    """Whether entries wait for a person; off, the bot trades by itself."""

    enabled: bool = False  # each is told, and waits for approve or deny
    expire_s: float = 900.0  # unanswered, or approved and not used, for this long: worth nothing

    def __post_init__(self) -> None:
        if not 0 < self.expire_s < math.inf:
            raise ValueError(f"expected expire_s finite and > 0, got {self.expire_s}")


class Answer(StrEnum):
    """Where a proposal stands; only WAITING and APPROVED can still change."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One entry that waits for a person; `key` names the signal it stands for."""

    id: str  # short, for typing: "r7"
    key: str  # pair, side and candle: one question per signal
    pair: str
    side: str  # "long" or "short"
    notional_quote: float
    rate: float
    note: str  # the forecast in one line
    since_ms: int
    expires_ms: int
    answer: Answer = Answer.WAITING
    by: str = ""

    @property
    def mark(self) -> str:
        """What a button carries so that it answers this entry and no other of its number."""
        asked = f"{self.id} {self.key} {self.notional_quote} {self.rate} {self.since_ms}"
        return hashlib.sha256(asked.encode()).hexdigest()[:8]

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Proposal:
        """Return the proposal written as a plain mapping."""
        return cls(**{**values, "answer": Answer(values["answer"])})

    def at(self, now_ms: int) -> Proposal:
        """Return the proposal as of `now_ms`: unanswered or unused in time, it has expired.

        So has one that is dated ahead: a clock was wrong, and nobody knows how old it is.
        """
        is_open = self.since_ms - _CLOCKS_MS <= now_ms < self.expires_ms
        return self if is_open else self._expired()

    def superseded_by(self, other: Proposal) -> Proposal:
        """Return the proposal as it stands once `other` is made: of the same pair, expired."""
        return self._expired() if other.pair == self.pair else self

    def _expired(self) -> Proposal:
        open_ = self.answer in (Answer.WAITING, Answer.APPROVED)
        return replace(self, answer=Answer.EXPIRED) if open_ else self

    def answered(self, answer: Answer, by: str, now_ms: int) -> Proposal:
        """Return the proposal with a person's answer.

        Raises
        ------
        ControlError
            If it is no longer waiting.
        """
        current = self.at(now_ms)
        if current.answer is not Answer.WAITING:
            answered_by = f" by {current.by}" if current.by else ""
            raise ControlError(f"{self.id} is {current.answer}{answered_by}, and stays so")
        return replace(current, answer=answer, by=by)

    def covers(self, notional_quote: float) -> bool:
        """Whether an order of this size is the one that was approved, and not a larger one."""
        return 0 < notional_quote <= self.notional_quote * 1.01
