"""What a person is asked to do for a hedge: change a leg, or move collateral."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pandas import Series

from models.trade.hedging.transfer import transfer_need
from strategies.account.hedge_config import HedgeConfig
from strategies.account.tiers import load_binance_tiers
from strategies.bot import hedge_frame
from strategies.bot.hedge_plan import Plan, Planner, note_advised


class HedgeAdvice:
    """Says each thing once a candle.

    Parameters
    ----------
    send
        Sends a message, whatever the settings on notifications.
    """

    def __init__(
        self, hedge: HedgeConfig, planner: Planner, currency: str, send: Callable[[str], None]
    ) -> None:
        self._hedge, self._planner = hedge, planner
        self._currency, self._send = currency, send
        self._asked_at: datetime | None = None  # candle of the last look at the collateral
        self._advised_at: dict[str, datetime] = {}  # pair -> close of the last advice

    def look_at_collateral(self, row: Series, current_time: datetime) -> None:
        """Say what the position's own account needs, given the newest candle of a leg."""
        if self._asked_at == row["date"]:
            return
        self._asked_at, primary = row["date"], self._hedge.primary
        price = float(row[hedge_frame.PRIMARY])
        sign = 1 if primary.side == "long" else -1
        size = self._planner.primary_amount([], current_time) * sign
        equity = primary.equity_behind(abs(size), price)
        tiers = load_binance_tiers([primary.pair])[primary.pair]
        need = float(transfer_need(equity, tiers.maintenance_margin(size * price)))
        if need > 0:
            self._send(
                f"Transfer {need:,.0f} {self._currency} to {primary.venue}: the "
                f"position's equity is {equity:,.0f}, its hedge cannot protect it from here"
            )

    def advise(self, pair: str, plan: Plan) -> None:
        """Send a change of a leg, and count on its being made."""
        change = plan.wanted - plan.held
        if change == 0 or self._advised_at.get(pair) == plan.closed:
            return
        self._advised_at[pair] = plan.closed
        verb = "sell" if (change > 0) == (self._hedge.side == "short") else "buy"
        self._send(
            f"Hedge advice: {verb} {abs(change):.4g} {pair}, {plan.held:.4g} -> {plan.wanted:.4g} "
            f"({plan.reason})"
        )
        note_advised(pair, plan.wanted)
