"""One account on one pair, by the rules of Freqtrade's backtest: the agents' trades are its trades.

A decision made at the close of candle t is filled at the open of candle t + 1; a stop is filled
inside that candle, at its price or, where the whole candle lies beyond it, at the open. Funding is
paid at the open it falls on, by what is held before a fill and again by what is held after it, as
Freqtrade counts a payment from the moment of the last fill on, that moment included. The stop
stands its distance from the last fill or from the average entry, whichever leaves less to lose.
# DIFF: a stop between a gapped open and the candle's other end is filled at its own price, better
# than any real one would be. Freqtrade does so; the worst-hour limit is what guards against gaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from models.base.policy import AgentPositions

RUIN: Final = 0.01  # of the initial equity; what is left of less is a liquidation


@dataclass(frozen=True, kw_only=True)
class AccountRules:
    """What is held, what it costs, and how long an episode is.

    Attributes
    ----------
    cost_frac
        Of one fill, as a fraction of the notional that changes hands: the fee, in training with the
        slippage. Freqtrade charges the fee alone and the pack's audit the slippage.
    life_candles
        Decisions of one episode.
    """

    positions: AgentPositions = field(default_factory=AgentPositions)
    cost_frac: float = 0.0007
    life_candles: int = 168


@dataclass(frozen=True)
class AgentCandle:
    """One candle as an account goes through it; `funding` is paid at its open per base unit."""

    open: float
    high: float
    low: float
    funding: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """An exchange's precision; in training there is none."""

    amount: Callable[[float], float] = float  # down to a whole number of steps
    price: Callable[[float], float] = float  # to the nearest tick
    stop: Callable[[float, int], float] = lambda price, side: price  # of a position of this side


@dataclass(frozen=True)
class AgentFill:
    """One fill; `side` is +1 for a buy, `funding` what was paid since the fill before it."""

    row: int  # of the candle it happened in
    side: int
    price: float
    amount_base: float
    fee_quote: float
    funding_quote: float
    reason: str  # entry, growth, reduction, exit, stop


EXACT: Final = Rounding()


@dataclass
class Account:
    """An account opened flat; see the module docstring for what it does in a candle.

    Sizes are shares of the equity Freqtrade knows: what is realised, marked at the fill's price.
    The fee of an entry and unpaid funding are realised at the exit.
    """

    rules: AccountRules
    equity_quote: float = 1.0  # at the beginning
    rounding: Rounding = EXACT
    held: int = field(init=False)  # which position
    amount_base: float = 0.0  # signed
    entry_price: float = 0.0  # average
    stop_price: float = 0.0
    wallet_quote: float = field(init=False)  # realised
    traded_quote: float = 0.0
    fills: list[AgentFill] = field(default_factory=list)
    _booked: float = 0.0  # funding paid by earlier fills of what is open
    _due: float = 0.0  # and since the last one
    _per_unit: float = 0.0  # funding since the last fill, per base unit

    def __post_init__(self) -> None:
        self.held = self.rules.positions.flat
        self.wallet_quote = self.equity_quote

    def equity(self, price: float) -> float:
        """Return what the account is worth at `price`, costs and funding so far taken off."""
        opened = self.rules.cost_frac * abs(self.amount_base) * self.entry_price
        return self._marked(price, self.entry_price) - opened - self._booked - self._due

    def live_through(
        self, row: int, candle: AgentCandle, action: int | None, sigma: float, *, may_grow: bool
    ) -> None:
        """Go through one candle: funding, what was decided at the close before it, the stop.

        Parameters
        ----------
        row
            Of the candle.
        action
            Position to hold from its open on; None keeps what is held.
        sigma
            Volatility over the horizon, known at the close before.
        may_grow
            Whether a guard lets risk be added.
        """
        if self.amount_base:
            self._per_unit += candle.funding
            self._due = self._per_unit * self.amount_base
        if action is not None and action != self.held:
            self._turn_to(row, candle, action, sigma, may_grow)
        self._stop_out(row, candle)

    def close(self, row: int, price: float) -> None:
        """Leave what is held."""
        if self.amount_base:
            self._fill(row, -self.amount_base, price, "exit")

    def _turn_to(
        self, row: int, candle: AgentCandle, action: int, sigma: float, may_grow: bool
    ) -> None:
        price, positions = candle.open, self.rules.positions
        target = positions.targets[action]
        if self.amount_base * target <= 0:
            self.close(row, price)
        if not target or not self.wallet_quote > 0:
            return
        side = 1 if target > 0 else -1
        notional = abs(target) * self._marked(price, self.rounding.price(self.entry_price))
        change = notional / price - abs(self.amount_base)
        size = self.rounding.amount(abs(change))
        if not size or (change > 0 and not may_grow):
            return
        reason = "reduction" if change < 0 else "growth" if self.amount_base else "entry"
        # A stop the price has passed already stays where it is, and is filled in this candle.
        passed = bool(self.amount_base) and side * (price - self.stop_price) <= 0
        self._fill(row, math.copysign(size, side * change), price, reason, candle.funding)
        self.held = action
        if not passed:
            anchor = side * max(side * price, side * self.rounding.price(self.entry_price))
            distance = positions.stop_frac(action, sigma)
            self.stop_price = self.rounding.stop(anchor * (1 - side * distance), side)

    def _stop_out(self, row: int, candle: AgentCandle) -> None:
        stop = self.stop_price
        if self.amount_base > 0 and stop >= candle.low:
            price = candle.open if stop > candle.high else stop
        elif self.amount_base < 0 and stop <= candle.high:
            price = candle.open if stop < candle.low else stop
        else:
            return
        self._fill(row, -self.amount_base, price, "stop")

    def _fill(
        self, row: int, change: float, price: float, reason: str, funding: float = 0.0
    ) -> None:
        """Trade `change` base units; `funding` is the payment, per unit, of this very moment."""
        before, size, cost = self.amount_base, abs(change), self.rules.cost_frac
        fee, paid = cost * size * price, self._due
        self.traded_quote += size * price
        self._booked += paid
        if before * change >= 0:
            self.entry_price = (abs(before) * self.entry_price + size * price) / abs(
                before + change
            )
        else:
            earned = -change * (price - self.entry_price)
            opened = cost * size * self.entry_price
            self.wallet_quote += earned - fee - opened - self._booked
            self._booked = 0.0
        self.amount_base = 0.0 if size == abs(before) and before * change < 0 else before + change
        self._per_unit = funding if self.amount_base else 0.0
        # Freqtrade counts it on what was held before a reduction until the next candle.
        self._due = self._per_unit * (before if before * change < 0 else self.amount_base)
        if not self.amount_base:
            self.held, self.entry_price, self.stop_price = self.rules.positions.flat, 0.0, 0.0
        side = 1 if change > 0 else -1
        self.fills.append(AgentFill(row, side, price, size, fee, paid, reason))

    def _marked(self, price: float, entry: float) -> float:
        return self.wallet_quote + self.amount_base * (price - entry)
