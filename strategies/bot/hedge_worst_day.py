"""Says, and with leave acts on, what a repeat of the coin's worst day would cost the position.

The order that opens the position passes a guard of its own (`models.trade.risk.worst_day`). What
is held can outgrow the number all the same: its price rises, the equity falls, or it is held
elsewhere.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from freqtrade.persistence import Trade

from models.base.errors import PackError
from models.trade.risk.run import Guard
from models.trade.risk.snapshot import Exposure
from models.trade.risk.verdict import RiskDecision
from models.trade.risk.worst_day import WorstDayCost, WorstDayRule
from strategies.account.hedge_config import HedgeConfig, HedgeMode

logger = logging.getLogger(__name__)

_KEEPS: Final = "The hedge of what is held goes on"


def worst_day_rule(hedge: HedgeConfig) -> WorstDayRule:
    """Return the rule a hedge's config asks of its position."""
    return WorstDayRule(
        pair=hedge.primary.pair,
        side=1 if hedge.primary.side == "long" else -1,
        most_frac=hedge.worst_day_equity_frac,
    )


@dataclass(frozen=True)
class _Known:
    """The position as last looked at; of one not opened yet, as it is configured."""

    exposure: Exposure
    cost: WorstDayCost
    held: bool


class WorstDayWatch:
    """Looks at the position in every loop, and says once a day what does not fit.

    Parameters
    ----------
    exposure
        Returns the bot's account, a pair at a price.
    size
        Returns the amount of the position at a time, base units.
    tell
        Sends a message, and writes it down.
    """

    def __init__(
        self,
        hedge: HedgeConfig,
        exposure: Callable[[str, float], Exposure],
        size: Callable[[datetime], float],
        tell: Callable[[str], None],
    ) -> None:
        self._hedge, self.rule = hedge, worst_day_rule(hedge)
        self._exposure, self._size, self._tell = exposure, size, tell
        self._own = hedge.mode is HedgeMode.OWN
        self._known: _Known | None = None
        self._told: dict[str, int] = {}  # what it was about -> the day it was told on

    @property
    def guard(self) -> Guard:
        """The guard in front of orders that open or grow the position."""
        return Guard(check=self.rule.worst_day_bearable)

    # -- an order ---------------------------------------------------------------------------------

    def look_at_order(
        self, pair: str, asked: float, left: float, decision: RiskDecision, now: datetime
    ) -> None:
        """Say it where the worst day cuts the order that opens the position, or refuses it.

        Parameters
        ----------
        asked, left
            Amount of the order before and after, base units; 0 of a refused one.
        """
        mine = [v for v in decision.findings if v.guard == self.guard.name and not v.unknown]
        # What another guard cuts further is that one's to tell.
        said = [v for v in mine if v.limit_quote <= decision.notional_quote]
        if pair != self.rule.pair or not said:
            return
        coin = self.rule.coin
        became = f"cut to {left:.6g} {coin}" if left > 0 else "refused"
        self._tell_once("order", f"{pair}: the order of {asked:.6g} {coin} is {became}: "
                        f"{said[0].reason}.", now)  # fmt: skip

    # -- what is held -----------------------------------------------------------------------------

    def share_to_cut(self, trade: Trade, rate: float, smallest_quote: float) -> float:
        """Return the share of the bot's own position to be closed now, 0 without leave for it.

        Parameters
        ----------
        smallest_quote
            Smallest order: less than it is not cut.
        """
        side = -1 if trade.is_short else 1
        if not self._hedge.may_reduce_primary or (trade.pair, side) != (
            self.rule.pair, self.rule.side,
        ):  # fmt: skip
            return 0.0
        exposure = self._exposure(trade.pair, rate)
        cost = self._held_cost(exposure)
        share = cost.share_to_cut(smallest_quote)
        if share:
            logger.info("%s is cut in stages: %s", trade.pair, self.rule.words(exposure, cost))
        return share

    def look(self, price: float, now: datetime) -> None:
        """Look at the position at the newest price known, and say once a day what does not fit."""
        try:
            self._known = self._looked(price, now)
        except PackError as error:
            self._known = None
            self._tell_once("unknown", "What a repeat of the worst day would cost the position is "
                            f"not known: {error.problem}.", now)  # fmt: skip
            return
        known = self._known
        if known is None:
            if "equity" not in self._told:  # a setting: said at the start
                self._tell_once("equity", "What a repeat of the worst day would cost the position "
                                "is not known: give breakwater.hedge.primary.collateral_quote and "
                                "entry_price, the equity behind it.", now)  # fmt: skip
        elif not known.cost.bearable:
            self._tell_once("held" if known.held else "configured", self._said(known), now)

    def figures(self) -> dict[str, float]:
        """Return what a repeat would cost, and what would have to be cut, as last looked at."""
        known = self._known
        if known is None or not known.held:
            return {}
        coin, cost = self.rule.coin, known.cost
        name = f"a repeat of {coin}'s worst day would cost, % of the equity behind it"
        figures = {f"{name} (limit {100 * cost.most_frac:g})": round(100 * cost.cost_frac, 1)}
        if not cost.bearable:
            cut = "is cut" if self._hedge.may_reduce_primary else "would have to be cut"
            figures[f"{coin} that {cut} for it"] = self._base(known, cost.excess_quote)
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    def _looked(self, price: float, now: datetime) -> _Known | None:
        """Return the position and its cost, None where the equity behind it is not given."""
        pair, primary = self.rule.pair, self._hedge.primary
        exposure = self._exposure("", 0.0)
        if pair not in exposure.marks:
            exposure = self._exposure(pair, price)
        price = exposure.marks[pair]
        if not self._own:
            if not primary.knows_equity:
                return None
            size = self._size(now)
            equity = primary.equity_behind(size, price)
            return _Known(exposure, self.rule.cost_of(exposure, size * price, equity), held=True)
        if exposure.notional_quote(pair) > 0:
            return _Known(exposure, self._held_cost(exposure), held=True)
        configured = self.rule.cost_of(
            exposure, primary.amount_base * price, exposure.equity_quote
        )  # fmt: skip
        return _Known(exposure, configured, held=False)

    def _held_cost(self, exposure: Exposure) -> WorstDayCost:
        held = exposure.notional_quote(self.rule.pair)
        return self.rule.cost_of(exposure, held, exposure.equity_quote)

    def _said(self, known: _Known) -> str:
        coin, why = self.rule.coin, self.rule.words(known.exposure, known.cost)
        if not known.held:
            return f"The position in {coin} cannot be opened as large as it is configured: {why}."
        cut = f"{self._base(known, known.cost.excess_quote):.6g} {coin}"
        if not self._own:
            done = f"{cut} would have to be cut at {self._hedge.primary.venue}. {_KEEPS}"
        elif self._hedge.may_reduce_primary:
            done = f"{cut} are cut in stages"
        else:
            done = (f"{cut} would have to be cut, and breakwater.hedge.may_reduce_primary does not "
                    f"let the bot. {_KEEPS}")  # fmt: skip
        return f"The position in {coin} is too large: {why}. {done}."

    def _base(self, known: _Known, quote: float) -> float:
        return quote / known.exposure.marks[self.rule.pair]

    def _tell_once(self, about: str, text: str, now: datetime) -> None:
        """Say it, once a day for as long as it is about the same."""
        day = now.toordinal()
        if self._told.get(about) != day:
            self._told[about] = day
            logger.warning("%s", text)
            self._tell(text)
