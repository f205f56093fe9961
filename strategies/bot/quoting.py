"""QuotedStrategy: ordinary entries and exits are post-only orders, if so configured.

Every order is a market order but for the one this class names at the gate just before it is sent
(`strategies.guard.quotes`). What it names, it looks after: a quote follows the price away, an entry
is given up after its minutes, an exit goes to market after its own, and what is filled in part is
cut to that, so that it gets its stop. While no risk may be added, or a cascade threatens, no exit
waits.

A backtest sends no orders through a gate. Freqtrade fills its limit orders at a touch: they are put
a tick behind the quote, so that its touch is a trade through ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from freqtrade.enums import ExitType
from freqtrade.persistence import Order, Trade

from models.base import columns
from models.trade.decision.execution import ExecutionConfig, moved_quote
from strategies.bot.config import PackConfig
from strategies.bot.fail_closed import on_error_return
from strategies.bot.guarded import GuardedStrategy
from strategies.bot.hooks import RESTS, runs_always
from strategies.guard.quotes import NamedOrder, Quotes, best_of
from strategies.seams.data_provider import exchange_of
from strategies.seams.moved_orders import move_orders

logger = logging.getLogger(__name__)

EXIT_BEGUN: Final = "exit_begun"  # why a position is left whose exit was quoted before
_ORDINARY: Final = frozenset({ExitType.EXIT_SIGNAL.value, "max_hold", EXIT_BEGUN})
_BEGUN: Final = "exit_quoted"  # name under which a trade remembers when its exit was first quoted
_FORCED: Final = "force_entry"  # Freqtrade's tag of an entry a person asks for: not to be missed
_ROUNDING: Final = 1e-6  # relative; an amount is a stake divided by a rate
_TICKS_BEHIND: Final = 2  # of a backtest's limit order: the quote, and the tick through it


class QuotedStrategy(GuardedStrategy):
    """Base of the strategies whose ordinary orders may be quoted."""

    execution: ExecutionConfig
    order_types: ClassVar[dict[str, Any]]

    def _read_settings(self, config: dict[str, Any], pack: PackConfig) -> None:
        super()._read_settings(config, pack)
        self.execution = pack.execution
        self._cut_asked: set[str] = set()  # orders Freqtrade was asked to cut to what is filled
        # A backtest's entry that is being moved: pair, price and notional.
        self._moving: tuple[str, float, float] | None = None
        if self.execution.quotes:
            # Freqtrade's own patience must not be shorter than the configured one.
            config["unfilledtimeout"] = {
                **(config.get("unfilledtimeout") or {}), "unit": "seconds",
                "entry": 60 * self.execution.entry_minutes,
                "exit": 60 * self.execution.exit_minutes,
            }  # fmt: skip

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        if self.control is not None:
            move_orders(self._moved_quote if self.execution.quotes else None)
        elif self.execution.quotes:
            self.order_types.update(entry="limit", exit="limit")  # this object's own by now

    @property
    def _quotes(self) -> Quotes | None:
        """Where an order is named to be quoted; None at market, and in a backtest."""
        return self.gate.quotes if self.gate is not None and self.execution.quotes else None

    @property
    def _tested(self) -> bool:
        """Whether orders are quoted in a backtest, which has nobody to obey."""
        return self.control is None and self.execution.quotes

    # -- entries ------------------------------------------------------------------------------

    @on_error_return(False)
    def confirm_trade_entry(
        self,
        pair: str,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        current_time: datetime,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> bool:
        """Ask the guards; an entry that passes is quoted, unless a person asks for it.

        A backtest asks again of an entry that is moved: that one they have let through before.
        """
        self._void()
        moving, self._moving = self._moving, None
        if moving is not None and moving[:2] == (pair, rate) and amount * rate <= moving[2]:
            return True
        allowed = super().confirm_trade_entry(
            pair=pair, order_type=order_type, amount=amount, rate=rate, current_time=current_time,
            time_in_force=time_in_force, entry_tag=entry_tag, side=side, **kwargs,
        )  # fmt: skip
        if allowed and self._quotes is not None and entry_tag != _FORCED:
            self._quote_it(pair, "sell" if side == "short" else "buy", amount, rate, reduces=False)
        return bool(allowed)

    @runs_always
    @on_error_return(True)
    def check_entry_timeout(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> bool:
        """Take a waiting entry back when no risk may be added, it is filled in part, or too old."""
        if super().check_entry_timeout(pair, trade, order, current_time, **kwargs):
            return True
        if not self.execution.quotes or not self._is_quote(order):
            return False
        if self._quotes is not None and order.safe_filled > 0:
            return self._cut(order)
        patience = timedelta(minutes=self.execution.entry_minutes)
        return bool(current_time - trade.open_date_utc >= patience)

    # -- exits: never blocked, only waited for ------------------------------------------------

    @runs_always
    @on_error_return(True)
    def confirm_trade_exit(
        self,
        pair: str,
        trade: Trade,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        exit_reason: str,
        current_time: datetime,
        **kwargs: Any,
    ) -> Any:
        """Write an exit down and let it go: quoted if it is an ordinary one, else at market.

        One that rests already, and may, is left to rest.
        """
        self._void()
        quoted = self._quotes is not None and self._may_rest(trade, exit_reason, current_time)
        if quoted and self._resting_exit(trade) is not None:
            return RESTS
        super().confirm_trade_exit(
            pair, trade, order_type, amount, rate, time_in_force, exit_reason, current_time,
            **kwargs,
        )  # fmt: skip
        if quoted:
            self._begin(trade, rate, current_time)
            self._quote_it(pair, trade.exit_side, amount, rate, reduces=True)
        return True

    @runs_always
    @on_error_return(True)
    def check_exit_timeout(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> bool:
        """Take a resting exit back that may wait no longer; what is left then goes to market."""
        self._void()
        if not self.execution.quotes or not self._is_quote(order):
            return False
        if self._may_rest(trade, EXIT_BEGUN, current_time):
            return False
        return self._cut(order) if self._quotes is not None and order.safe_filled > 0 else True

    def exit_is_begun(self, trade: Trade) -> bool:
        """Whether an exit of this trade was quoted: it is finished whatever is forecast since."""
        return self.execution.quotes and trade.get_custom_data(_BEGUN) is not None

    @on_error_return(False)
    def _may_rest(self, trade: Trade, reason: str, now: datetime) -> bool:
        """Return whether an exit may wait in the book: an ordinary one, in calm, not for long.

        What cannot be judged may not.
        """
        if reason not in _ORDINARY or (self.control is not None and self.control.refusal()):
            return False
        begun = trade.get_custom_data(_BEGUN)
        patience_s = 60 * self.execution.exit_minutes
        if begun is not None and now.timestamp() - begun["at_s"] >= patience_s:
            return False
        return not self._in_danger(trade)

    def _in_danger(self, trade: Trade) -> bool:
        """Whether a cascade threatens the position, or nobody can tell."""
        row = self._last_row(trade.pair)
        if row is None:
            return True
        name = columns.FALSE_ALARMS_UP if trade.is_short else columns.FALSE_ALARMS_DOWN
        return bool(row[name] <= self.decision.false_alarms_per_week)

    def _begin(self, trade: Trade, rate: float, now: datetime) -> None:
        if trade.get_custom_data(_BEGUN) is None:
            trade.set_custom_data(_BEGUN, {"at_s": now.timestamp(), "rate": rate})

    def _resting_exit(self, trade: Trade) -> Order | None:
        resting = [o for o in trade.open_orders if o.ft_order_side == trade.exit_side]
        return next((order for order in resting if self._is_quote(order)), None)

    # -- quotes ---------------------------------------------------------------------------------

    @on_error_return(None)
    def _moved_quote(self, trade: Trade, order: Order) -> float | None:
        """Return the price a resting quote is to be moved to, None where it stays.

        An entry stays the same order: no larger in notional, permitted anew, for the gate to let
        its remainder through. One that is filled in part is not moved but cut.
        """
        age_s = (datetime.now(UTC) - order.order_date_utc).total_seconds()
        is_old = age_s >= self.execution.requote_seconds
        if not (self._is_quote(order) and is_old) or order.safe_filled > 0:
            return None
        is_entry = order.ft_order_side == trade.entry_side
        begun: Mapping[str, float] | None = trade.get_custom_data(_BEGUN)
        first = trade.open_rate_requested if is_entry or begun is None else begun["rate"]
        rests, side = order.safe_price, 1 if order.side == "buy" else -1
        best = best_of(exchange_of(self.dp), trade.pair, side)
        price = moved_quote(rests, best, first or rests, side)
        if price == rests or (is_entry and self.control is not None and self.control.refusal()):
            return None
        amount = order.safe_remaining
        if is_entry:
            amount *= rests / price  # as Freqtrade computes it
            self.guarding.moved(trade, amount, price)
        self._quote_it(trade.pair, order.side, amount, price, reduces=not is_entry)
        return price

    @staticmethod
    def _is_quote(order: Order) -> bool:
        return bool(order.order_type == "limit" and order.ft_order_side != "stoploss")

    def _quote_it(self, pair: str, side: str, amount: float, rate: float, *, reduces: bool) -> None:
        if self._quotes is not None:
            self._quotes.name(
                NamedOrder(pair=pair, side=side, amount_base=amount, rate=rate, reduces=reduces)
            )

    def _void(self) -> None:
        if self.gate is not None:
            self.gate.quotes.void()

    def _note_reduction(self, trade: Trade, rate: float, share: float, now: datetime) -> None:
        """Write down a closing of the guards, which is never quoted."""
        self._void()
        super()._note_reduction(trade, rate, share, now)

    def _cut(self, order: Order) -> bool:
        """Return True to have Freqtrade take an order back; where it does not, do it ourselves.

        It leaves an order in the book whose fill, or whose rest, is below the smallest order: a
        position without a stop, and an exit that lies for ever.
        """
        if order.order_id not in self._cut_asked:
            self._cut_asked.add(order.order_id)
            return True
        exchange_of(self.dp).cancel_order(order.order_id, order.ft_pair)
        return False

    # -- backtests: Freqtrade's touch is our trade through -------------------------------------

    def custom_entry_price(
        self,
        pair: str,
        trade: Trade | None,
        current_time: datetime,
        proposed_rate: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        if not self._tested or trade is not None:  # what is added to a position goes to market
            return proposed_rate
        return self._behind(pair, proposed_rate, -1 if side == "short" else 1)

    def custom_exit_price(
        self,
        pair: str,
        trade: Trade,
        current_time: datetime,
        proposed_rate: float,
        current_profit: float,
        exit_tag: str | None,
        **kwargs: Any,
    ) -> float:
        if not self._tested or not self._may_rest(trade, exit_tag or "", current_time):
            return proposed_rate
        self._begin(trade, proposed_rate, current_time)
        side = 1 if trade.is_short else -1
        price = self._behind(pair, proposed_rate, side)
        resting = self._resting_exit(trade)
        return price if resting is None else moved_quote(resting.ft_price, price, price, side)

    def adjust_order_price(
        self,
        trade: Trade,
        order: Order | None,
        pair: str,
        current_time: datetime,
        proposed_rate: float,
        current_order_rate: float,
        entry_tag: str | None,
        side: str,
        is_entry: bool,
        **kwargs: Any,
    ) -> float | None:
        """Follow the price at each candle of a backtest; a bot's quotes are moved between."""
        if not self._tested:
            stays: float | None = super().adjust_order_price(
                trade=trade, order=order, pair=pair, current_time=current_time, side=side,
                proposed_rate=proposed_rate, current_order_rate=current_order_rate,
                entry_tag=entry_tag, is_entry=is_entry, **kwargs,
            )  # fmt: skip
            return stays
        sign = 1 if is_entry is not trade.is_short else -1
        best = self._behind(pair, proposed_rate, sign)
        price = moved_quote(current_order_rate, best, best, sign)
        if is_entry and order is not None and price != current_order_rate:
            notional = order.safe_remaining * current_order_rate
            self._moving = (pair, price, notional * (1 + _ROUNDING))
        return price

    def _behind(self, pair: str, rate: float, side: int) -> float:
        tick = exchange_of(self.dp).price_get_one_pip(pair, rate)
        return float(rate - side * _TICKS_BEHIND * tick)
