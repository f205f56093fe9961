"""Carries out what the guards demand, through control, and warns of what is new once."""

from __future__ import annotations

import logging

from models.operate.control.state import GuardActor
from models.operate.journal.records import Incident
from models.trade.risk.verdict import Demand, RiskDecision
from strategies.human.control import Control

logger = logging.getLogger(__name__)


class Consequences:
    """What follows from the guards' findings.

    Parameters
    ----------
    control
        None in a backtest, in which nothing follows.
    """

    def __init__(self, control: Control | None) -> None:
        self._control = control
        self.warned: dict[str, str] = {}  # guard and pair -> what was said last

    def obey(self, decision: RiskDecision, pair: str = "") -> None:
        """Halt, reduce or warn as the findings demand."""
        if self._control is None:
            return
        for finding in decision.findings:
            guard = GuardActor(finding.guard)
            if finding.demand is Demand.HALTED:
                self._control.store.halt(guard, finding.reason)
            elif finding.demand is Demand.REDUCING:
                self._control.store.reduce(guard, finding.reason)
            elif finding.demand is Demand.WARN:
                self._warn(self._control, f"{finding.guard} {pair}".strip(), finding.reason)

    def _warn(self, control: Control, who: str, reason: str) -> None:
        kind = "".join(c for c in reason if not c.isdigit())  # the same warning with another age
        if self.warned.get(who) != kind:
            self.warned[who] = kind
            logger.warning("%s: %s", who, reason)
            control.record("guard.warned", Incident(what=f"{who}: {reason}"))
