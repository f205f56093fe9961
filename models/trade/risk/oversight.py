"""Guards on the account as a whole: losses, control mode, and agreement with the exchange."""

from __future__ import annotations

from models.trade.risk.limits import Limits
from models.trade.risk.need import need
from models.trade.risk.snapshot import Snapshot
from models.trade.risk.verdict import PASSED, Demand, Verdict, refused


def losses_bearable(s: Snapshot, limits: Limits) -> Verdict:
    """Halt on the loss of a day, a week or from the peak; from the peak, close in stages too."""
    hard, state = limits.hard, need(s.losses, "losses")
    if state.peak_frac >= hard.loss_peak_frac:
        return refused(f"{state.peak_frac:.1%} lost from the peak", Demand.HALTED, shed_frac=1.0)
    if state.week_frac >= hard.loss_week_frac:
        return refused(f"{state.week_frac:.1%} lost this week", Demand.HALTED)
    if state.day_frac >= hard.loss_day_frac:
        return refused(f"{state.day_frac:.1%} lost today", Demand.HALTED)
    return PASSED


def control_active(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse unless a person has left the bot ACTIVE."""
    mode = need(s.control_mode, "control mode")
    return PASSED if mode == "ACTIVE" else refused(f"control is {mode}")


def reconciled(s: Snapshot, limits: Limits) -> Verdict:
    """Halt on a difference between the bot's books and the exchange's that nothing explains."""
    differences = need(s.differences, "reconciliation with the exchange")
    if differences:
        return refused("; ".join(differences), Demand.HALTED)
    return PASSED


def all_known(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse while nobody answers for something that concerns the order."""
    unknown = need(s.unknown, "what is unknown")
    return refused(f"unknown: {', '.join(unknown)}") if unknown else PASSED
