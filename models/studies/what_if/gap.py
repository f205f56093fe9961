"""What the gap limit says of an account before it is opened, and how much of it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.base.errors import InputError
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.risk.gap import FOR_ENTRIES, worst_loss_quote
from models.trade.risk.limits import Limits
from models.trade.risk.snapshot import Exposure
from models.trade.risk.worst_hours import WorstHour


@dataclass(frozen=True, kw_only=True)
class GapAnswer:
    """What a repeat of the worst hour would cost, and the part of the positions that may be."""

    cost_frac: float  # of usable equity
    limit_frac: float  # for new positions
    largest_factor: float  # on all positions; below 1 the guards would make them smaller

    @property
    def allowed(self) -> bool:
        return self.cost_frac <= self.limit_frac


def ask_gap_limit(
    setup: ScenarioAccount, limits: Limits, shown: Mapping[str, WorstHour] | None = None
) -> GapAnswer:
    """Ask the gap limit about positions that are opened at once; a hedge is no relief.

    Parameters
    ----------
    shown
        The worst hour that candles at hand have shown of a pair, where it may be worse than on
        record.

    Raises
    ------
    InputError
        If the limits leave no usable equity.
    """
    held = setup.account
    usable = held.wallet_quote - limits.hard.reserve_quote - limits.hard.planned_withdrawals_quote
    if usable <= 0:
        raise InputError(
            f"expected equity beyond reserve and planned withdrawals, got {held.wallet_quote:g}",
            where="limits",
        )
    cost = worst_loss_quote(Exposure(account=held, marks=setup.marks, worst_hours=shown or {}))
    limit = FOR_ENTRIES * limits.hard.worst_hour_loss_frac
    return GapAnswer(
        cost_frac=cost / usable, limit_frac=limit, largest_factor=limit * usable / cost
    )
