"""What a guard answers, and what all of them together decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum


class Demand(IntEnum):
    """What a finding asks of the bot beyond the order in hand, by severity."""

    NONE = 0
    WARN = 1  # a person should know
    REDUCING = 2  # the control mode of that name: nothing that raises exposure
    HALTED = 3  # nothing but closing, until a person re-arms


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One guard's answer; the default is no objection."""

    limit_quote: float = math.inf  # largest notional of new risk; 0 refuses
    reason: str = ""
    demand: Demand = Demand.NONE
    shed_frac: float = 0.0  # share of the open positions to close in stages
    guard: str = ""  # filled in by `models.trade.risk.run`
    unknown: bool = False  # it could not answer: what it asks for is missing or too old


PASSED = Verdict()


def refused(
    reason: str, demand: Demand = Demand.NONE, shed_frac: float = 0.0, *, unknown: bool = False
) -> Verdict:
    """Return "no new risk"."""
    return Verdict(
        limit_quote=0.0, reason=reason, demand=demand, shed_frac=shed_frac, unknown=unknown
    )


def limited(limit_quote: float, reason: str) -> Verdict:
    """Return "no more than `limit_quote`"; nothing is left of a negative one.

    Examples
    --------
    >>> limited(-5.0, "full").limit_quote, limited(float("nan"), "unknown").limit_quote
    (0.0, 0.0)
    """
    return Verdict(limit_quote=limit_quote if limit_quote > 0 else 0.0, reason=reason)


@dataclass(frozen=True, kw_only=True)
class RiskDecision:
    """The strictest of all verdicts, and every one that had something to say."""

    notional_quote: float  # allowed; 0 if refused
    findings: tuple[Verdict, ...] = ()
    demand: Demand = Demand.NONE
    shed_frac: float = 0.0

    @property
    def allowed(self) -> bool:
        return self.notional_quote > 0

    @property
    def reason(self) -> str:
        """All reasons in one line, "guard: reason" each."""
        return "; ".join(f"{v.guard}: {v.reason}" for v in self.findings)
