"""The worst day of one position: what a repeat would cost, and the largest that can bear it.

For a position that is hedged with other coins. Such a hedge follows what the coins have in common;
a coin that falls alone takes it nowhere, and the exchange may close the winning legs meanwhile. So
the legs are credited nothing here, and the size of the position is the only thing that holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.trade.risk.limits import Limits
from models.trade.risk.need import intent_of, need, need_price
from models.trade.risk.orders import usable_equity
from models.trade.risk.snapshot import Exposure, Snapshot
from models.trade.risk.verdict import PASSED, Verdict, limited
from models.trade.risk.worst_hours import CALM_DAY, WorstDay, recorded_day

SETTING = "breakwater.hedge.worst_day_equity_frac"


@dataclass(frozen=True, kw_only=True)
class WorstDayCost:
    """What a repeat of its coin's worst day would cost a position; quote units.

    Attributes
    ----------
    notional_quote
        ``|notional|`` of the position.
    against_frac
        How far the price goes against it.
    equity_quote
        That bears it, at today's prices.
    most_frac
        Of the equity it may cost.

    Examples
    --------
    Litecoin fell by 58 % on 2025-10-10, from one close to the low of the day after it:

    >>> day = WorstDayCost(notional_quote=1_000, against_frac=0.58, equity_quote=1_000,
    ...                    most_frac=0.15)
    >>> day.bearable, round(day.cost_frac, 2), round(day.largest_quote, 1)
    (False, 0.58, 258.6)
    """

    notional_quote: float
    against_frac: float
    equity_quote: float
    most_frac: float

    @property
    def cost_frac(self) -> float:
        """Return the cost over the equity; inf where there is none to bear it."""
        cost = self.notional_quote * self.against_frac
        if cost == 0:
            return 0.0
        return cost / self.equity_quote if self.equity_quote > 0 else math.inf

    @property
    def largest_quote(self) -> float:
        """Return the largest notional of which a repeat costs no more than it may."""
        bearable = self.most_frac * max(self.equity_quote, 0.0)
        return bearable / self.against_frac if self.against_frac > 0 else math.inf

    @property
    def bearable(self) -> bool:
        """Whether the position is no larger than that."""
        return self.notional_quote <= self.largest_quote

    @property
    def excess_quote(self) -> float:
        """Return what would have to be cut, 0 if nothing."""
        return max(self.notional_quote - self.largest_quote, 0.0)

    def share_to_cut(self, smallest_quote: float) -> float:
        """Return the share of the position to be cut, 0 if that is below the smallest order."""
        excess = self.excess_quote
        # Never a share of nothing, and none of an excess that is no number.
        return excess / self.notional_quote if excess >= smallest_quote and excess > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class WorstDayRule:
    """How much of the equity a repeat of the worst day may cost the position in one pair.

    Attributes
    ----------
    pair, side
        Of the position, +1 long or -1 short; orders of others pass.
    most_frac
        Of the equity, in (0, 1].
    """

    pair: str
    side: int
    most_frac: float

    def worst_day_bearable(self, s: Snapshot, limits: Limits) -> Verdict:
        """Limit an order to what is left to the largest position that can; never what reduces."""
        order = intent_of(s)
        if (order.pair, order.side) != (self.pair, self.side):
            return PASSED
        exposure = need(s.exposure, "account")
        pending = exposure.pending_long_quote if self.side > 0 else exposure.pending_short_quote
        there = exposure.notional_quote(self.pair) + pending
        whole = self.cost_of(exposure, there + order.notional_quote, usable_equity(s, limits))
        return limited(whole.largest_quote - there, self.words(exposure, whole))

    def cost_of(
        self, exposure: Exposure, notional_quote: float, equity_quote: float
    ) -> WorstDayCost:
        """Return what a repeat would cost `notional_quote` of the position.

        Raises
        ------
        InputError
            If notional or equity is no finite number.
        """
        return WorstDayCost(
            notional_quote=need(notional_quote, "notional of the position"),
            against_frac=worst_day_of(exposure, self.pair).against(self.side),
            equity_quote=need(equity_quote, "equity"),
            most_frac=self.most_frac,
        )

    def words(self, exposure: Exposure, cost: WorstDayCost) -> str:
        """Return for a person what a repeat would cost, what it may, and the largest that can.

        Raises
        ------
        InputError
            If the pair's mark price is not known.
        """
        coin, largest = self.coin, self.largest_words(exposure, cost)
        return (
            f"a repeat of {coin}'s worst day ({-self.side * cost.against_frac:+.1%}) would cost "
            f"{_cost(cost)}, and {100 * cost.most_frac:g} % of equity is what it may ({SETTING}). "
            f"The largest position that can: {largest} {coin}, {_times(cost)} of equity. "
            "A hedge with other coins is credited nothing: it does not hold a coin that moves alone"
        )

    def largest_words(self, exposure: Exposure, cost: WorstDayCost) -> str:
        """Return the largest amount that can, base units, rounded down.

        Raises
        ------
        InputError
            If the pair's mark price is not known.
        """
        mark = need_price(exposure.marks.get(self.pair), f"mark price of {self.pair}")
        return _floored(cost.largest_quote / mark)

    @property
    def coin(self) -> str:
        """The coin of the position."""
        return self.pair.partition("/")[0]


def worst_day_of(exposure: Exposure, pair: str) -> WorstDay:
    """Return the worst day of `pair`: as recorded, or as its candles have shown if that is worse.

    Of a pair without a record, what its candles have shown cannot make the assumption smaller.
    """
    shown = exposure.worst_days.get(pair, CALM_DAY)
    known = recorded_day(pair, at_marks=exposure.at_marks, table=exposure.record)
    return known.or_worse(shown)


def _cost(cost: WorstDayCost) -> str:
    if cost.cost_frac < 1:
        return f"{cost.cost_frac:.1%} of equity"
    share = f"{cost.cost_frac:.1%}" if math.isfinite(cost.cost_frac) else "more than all"
    return f"{share} of equity, which is liquidated on the way"


def _times(cost: WorstDayCost) -> str:
    """Return the largest position over the equity, rounded down: a larger one could not be."""
    if cost.equity_quote <= 0:
        return "0x"
    return f"{_floored(cost.largest_quote / cost.equity_quote)}x"


def _floored(value: float) -> str:
    """Return a number to four digits, rounded down.

    Examples
    --------
    >>> _floored(0.25869), _floored(123.456), _floored(0.0), _floored(98765.4)
    ('0.2586', '123.4', '0', '98760')
    """
    if value <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return f"{math.floor(value / unit * (1 + 1e-12)) * unit:.10g}"
