"""Carries out what the guards demand, through control, and warns of what is new once."""

from __future__ import annotations

import logging

from models.operate.control.state import GuardActor
from models.operate.journal.records import Incident
from models.trade.risk.verdict import Demand, RiskDecision
from strategies.guard.unknowns import Unknowns
from strategies.human.control import Control

logger = logging.getLogger(__name__)


class Consequences:
    """What follows from the guards' findings.

    Parameters
    ----------
    control
        None in a backtest, in which nothing follows.
    unknowns
        Where guards go that cannot answer.
    """

    def __init__(self, control: Control | None, unknowns: Unknowns) -> None:
        self._control, self._unknowns = control, unknowns
        self.warned: dict[str, str] = {}  # guard and pair -> what was said last
        self._silent: dict[tuple[str, str], frozenset[str]] = {}  # who asked -> without an answer

    def obey(self, decision: RiskDecision, pair: str = "", asked_for: str = "") -> None:
        """Halt, reduce or warn as the findings demand.

        Parameters
        ----------
        pair
            What they are about; none is the account.
        asked_for
            Who asks, "entry": only he takes back that a guard could not answer him.
        """
        if self._control is None:
            return
        self._note_silent(decision, pair, asked_for)
        for finding in decision.findings:
            guard = GuardActor(finding.guard)
            if finding.demand is Demand.HALTED:
                self._control.store.halt(guard, finding.reason)
            elif finding.demand is Demand.REDUCING and not finding.unknown:
                self._control.store.reduce(guard, finding.reason)
            elif finding.demand is not Demand.NONE:
                self._warn(self._control, f"{finding.guard} {pair}".strip(), finding.reason)

    def silent(self, pair: str, asked_for: str) -> frozenset[str]:
        """Return which guards could not answer him who asks, as he has noted them."""
        return self._silent.get((asked_for, pair), frozenset())

    def _note_silent(self, decision: RiskDecision, pair: str, asked_for: str) -> None:
        """Note the guards that could not answer, unless what they lack has been noted itself."""
        found = {
            f"an answer of {v.guard}" + (f" on {pair}" if pair else ""): v
            for v in decision.findings if v.unknown
        }  # fmt: skip
        mine = frozenset().union(*self._silent.values())
        if self._unknowns.of(pair) - mine:
            found = {what: v for what, v in found.items() if v.demand is Demand.REDUCING}
        for what, verdict in found.items():
            at_once = verdict.demand is Demand.REDUCING
            self._unknowns.note(what, verdict.reason, pair=pair, at_once=at_once)
        before = self.silent(pair, asked_for)
        self._silent[asked_for, pair] = frozenset(found)
        for what in before - frozenset().union(*self._silent.values()):
            self._unknowns.known(what)

    def _warn(self, control: Control, who: str, reason: str) -> None:
        kind = "".join(c for c in reason if not c.isdigit())  # the same warning with another age
        if self.warned.get(who) != kind:
            self.warned[who] = kind
            logger.warning("%s: %s", who, reason)
            control.record("guard.warned", Incident(what=f"{who}: {reason}"))
