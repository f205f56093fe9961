"""A hedge in amounts and money: decided at a close, filled at the next open, every cost counted.

Amounts are held between trades, so a ratio drifts with the prices, as it does on an exchange.
Fees and slippage (half the spread included) are charged on each fill, funding on both legs at the
prices of the candle it is due at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import FloatArray, IntArray
from models.trade.account.records import Fill
from models.trade.hedging.policy import (
    HedgeAction,
    HedgeSignal,
    PolicyConfig,
    Situation,
    decide_hedge,
)
from models.trade.hedging.rounding import OrderRules, executable, reachable

# (row, ratio held of each leg) -> ratio wanted of each leg, or None to leave them alone.
Decider = Callable[[int, tuple[float, ...]], Sequence[float] | None]


@dataclass(frozen=True, kw_only=True)
class HedgeMarket:
    """One instrument's candles, all (N,), oldest first."""

    pair: str
    open: FloatArray  # quote units
    close: FloatArray
    funding_rate: FloatArray  # at the candle's open, of notional; longs pay if > 0; 0 if none due
    rules: OrderRules = field(default_factory=OrderRules)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a fill costs, as fractions of its notional."""

    fee_frac: float = 0.0005
    slippage_frac: float = 0.0001  # half the spread and impact

    def __post_init__(self) -> None:
        if not (0 <= self.fee_frac < 0.05 and 0 <= self.slippage_frac < 0.05):
            raise InputError(f"expected costs as fractions below 5 %, got {self}")


@dataclass(frozen=True, kw_only=True)
class HedgePath:
    """What became of a hedge; arrays (N,) or (N, K), quote units unless named otherwise.

    Row t's profit and loss is that of candle t, from the close before it to its own close.
    """

    time_ms: IntArray
    primary_pnl: FloatArray  # (N,) price and funding of the hedged position
    hedge_pnl: FloatArray  # (N,) price, funding, fees and slippage of all legs
    cost: FloatArray  # (N,) fees and slippage paid
    funding: FloatArray  # (N,) received by the hedge, negative = paid
    traded: FloatArray  # (N,) notional
    notional: FloatArray  # (N,) of the primary at the close before: what returns are measured by
    ratio: FloatArray  # (N, K) held at each close
    amount_base: FloatArray  # (N, K) signed, at each close
    fills: tuple[Fill, ...]  # of the hedge


def simulate(
    time_ms: IntArray,
    primary: HedgeMarket,
    amount_base: float,
    hedges: Sequence[HedgeMarket],
    decider: Decider,
    costs: Costs | None = None,
) -> HedgePath:
    """Hold `amount_base` of `primary` throughout and hedge it as `decider` decides.

    Parameters
    ----------
    time_ms
        (N,) open times.
    amount_base
        Of the primary, negative for a short; it is never traded.
    hedges
        K instruments, each held against the primary.
    decider
        Called at every close but the last; what it returns fills at the next open.

    Raises
    ------
    AlignmentError, InputError
        If a market has another length or a price that is not finite and > 0.

    Examples
    --------
    >>> flat = np.array([100.0, 100.0, 90.0])
    >>> m = HedgeMarket(pair="X", open=flat, close=np.array([100.0, 90.0, 90.0]),
    ...            funding_rate=np.zeros(3))
    >>> path = simulate(np.arange(3), m, 1.0, [m], lambda t, held: (1.0,), Costs(fee_frac=0.001,
    ...                 slippage_frac=0.0))
    >>> path.primary_pnl, path.hedge_pnl  # one short filled at 100 for a fee of 0.1
    (array([  0., -10.,   0.]), array([0. , 9.9, 0. ]))
    """
    _check(time_ms, (primary, *hedges), amount_base)
    book = _Book(time_ms, primary, amount_base, hedges, costs or Costs())
    wanted: Sequence[float] | None = None
    for t in range(len(time_ms)):
        book.candle(t, wanted)
        if t + 1 < len(time_ms):
            wanted = decider(t, tuple(book.ratios[t]))
    before = np.concatenate((primary.open[:1], primary.close[:-1]))
    move = amount_base * (primary.close - before)
    return HedgePath(
        time_ms=time_ms,
        primary_pnl=move - amount_base * primary.open * primary.funding_rate,
        hedge_pnl=book.hedge + book.funding - book.cost,
        cost=book.cost,
        funding=book.funding,
        traded=book.traded,
        notional=book.size * before,
        ratio=book.ratios,
        amount_base=book.amounts,
        fills=tuple(book.fills),
    )


class _Book:
    """Amounts and money of the hedge while it is simulated; arrays (N,) or (N, K) fill up."""

    def __init__(
        self,
        time_ms: IntArray,
        primary: HedgeMarket,
        amount_base: float,
        hedges: Sequence[HedgeMarket],
        costs: Costs,
    ) -> None:
        n, k = len(time_ms), len(hedges)
        self.time_ms, self.hedges, self.costs = time_ms, hedges, costs
        self.side = -1.0 if amount_base > 0 else 1.0  # of the hedge
        self.size = abs(amount_base)
        self.base: list[float] = primary.close.tolist()
        # Lists, because single numbers are read from them faster than from arrays.
        self.opens: list[list[float]] = [m.open.tolist() for m in hedges]
        self.closes: list[list[float]] = [m.close.tolist() for m in hedges]
        self.rates: list[list[float]] = [m.funding_rate.tolist() for m in hedges]
        self.held = [0.0] * k
        self.amounts, self.ratios = np.zeros((n, k)), np.zeros((n, k))
        self.hedge, self.cost = np.zeros(n), np.zeros(n)  # profit from price; fees and slippage
        self.funding, self.traded = np.zeros(n), np.zeros(n)
        self.fills: list[Fill] = []

    def candle(self, t: int, wanted: Sequence[float] | None) -> None:
        """Take the legs through candle `t`; `wanted` is filled at its open, None leaves them."""
        for j in range(len(self.hedges)):
            price, close = self.opens[j][t], self.closes[j][t]
            if t:
                self.hedge[t] += self.held[j] * (price - self.closes[j][t - 1])
            self.funding[t] -= self.held[j] * price * self.rates[j][t]
            if wanted is not None:
                self._fill(t, j, wanted[j])
            self.hedge[t] += self.held[j] * (close - price)
            self.amounts[t, j] = self.held[j]
            self.ratios[t, j] = abs(self.held[j]) * close / (self.size * self.base[t])

    def _fill(self, t: int, j: int, ratio: float) -> None:
        """Trade leg `j` at the open of candle `t` towards the ratio decided at the close before."""
        held, price, market = self.held[j], self.opens[j][t], self.hedges[j]
        # The amount was decided at the close before: nobody knows the open yet.
        aim = self.side * ratio * self.size * self.base[t - 1] / self.closes[j][t - 1]
        change = executable(aim - held, held, price, market.rules)
        if not change:
            return
        notional = abs(change) * price
        self.cost[t] += notional * (self.costs.fee_frac + self.costs.slippage_frac)
        self.traded[t] += notional
        self.fills.append(
            Fill(
                time_ms=int(self.time_ms[t]),
                pair=market.pair,
                amount_base=change,
                price_quote=price,
                fee_quote=notional * self.costs.fee_frac,
            )
        )
        self.held[j] = 0.0 if change == -held else held + change


def banded(target: FloatArray, width: float) -> Decider:
    """Return a decider that jumps to row t's target when a leg strays further than `width`.

    Parameters
    ----------
    target
        (N, K) ratios; a row that is not known leaves the legs alone.
    width
        0 trades every candle.
    """

    def decider(t: int, held: tuple[float, ...]) -> Sequence[float] | None:
        row = target[t]
        if not np.isfinite(row).all():
            return None
        return row if np.abs(row - held).max() > width else None

    return decider


class PolicyDecider:
    """`models.trade.hedging.policy.decide_hedge` as a decider; counts the day's changes itself.

    Parameters
    ----------
    target, width
        (N, K), known at the close of each row.
    signals
        One per row, or None without a model.
    day_candles
        Candles of a day.
    smallest_quote, notional_quote
        Smallest order of each leg, (K,), and the position at each close, (N,): targets that cannot
        be ordered are led as the strategy leads them. None: any amount can be.
    """

    def __init__(
        self,
        target: FloatArray,
        width: FloatArray,
        config: PolicyConfig,
        *,
        signals: Sequence[HedgeSignal] | None = None,
        day_candles: int = 24,
        smallest_quote: Sequence[float] = (),
        notional_quote: FloatArray | None = None,
    ) -> None:
        self._target = [tuple(row) for row in target.tolist()]
        self._width = [tuple(row) for row in width.tolist()]
        self._config, self._signals, self._day = config, signals, day_candles
        self._smallest, self._notional = tuple(smallest_quote), notional_quote
        self._changed: list[int] = []
        self.actions: dict[HedgeAction, int] = dict.fromkeys(HedgeAction, 0)

    def __call__(self, t: int, held: tuple[float, ...]) -> Sequence[float] | None:
        self._changed = [at for at in self._changed if t - at < self._day]
        target: tuple[float, ...] = self._target[t]
        least: tuple[float, ...] = ()
        if self._notional is not None:
            notional = float(self._notional[t])
            target = reachable(target, notional, self._smallest)
            least = tuple(s / notional for s in self._smallest)
        now = Situation(
            held=held,
            target=target,
            width=self._width[t],
            signal=None if self._signals is None else self._signals[t],
            changes_today=len(self._changed),
            smallest_step=least,
        )
        step = decide_hedge(now, self._config)
        self.actions[step.action] += 1
        if step.ratio == held:
            return None
        self._changed.append(t)
        return step.ratio


def _check(time_ms: IntArray, markets: Sequence[HedgeMarket], amount_base: float) -> None:
    if not np.isfinite(amount_base) or amount_base == 0:
        raise InputError(f"expected an amount other than 0, got {amount_base}", where="primary")
    for market in markets:
        for name in ("open", "close", "funding_rate"):
            values = getattr(market, name)
            if len(values) != len(time_ms):
                raise AlignmentError(
                    f"expected {len(time_ms)} rows of {name}, got {len(values)}",
                    where=market.pair,
                    cure="cut all markets to the same candles",
                )
            sound = np.isfinite(values) & ((values > 0) | (name == "funding_rate"))
            if not sound.all():
                raise InputError(
                    f"expected finite prices > 0 and funding 0 where none is due, got "
                    f"{values[~sound][0]} in {name}",
                    where=f"{market.pair}, row {int(np.flatnonzero(~sound)[0])}",
                    cure="download the missing candles",
                )
