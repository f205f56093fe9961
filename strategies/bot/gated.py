"""GatedStrategy: its orders pass the order gate, whatever a subclass overrides."""

from __future__ import annotations

import logging
from abc import abstractmethod
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from freqtrade.data.dataprovider import DataProvider
from freqtrade.persistence import Order, Trade

from models.operate.control.state import GuardActor
from models.operate.journal.records import masked
from models.trade.risk.snapshot import Stage
from strategies.bot.answering import AnsweringStrategy
from strategies.bot.fail_closed import on_error_return
from strategies.bot.hooks import RESTS, Answers, Hook, around, keep
from strategies.bot.replayed import mark_replayed, require_served
from strategies.guard.gate import OrderGate
from strategies.guard.permits import NewRisk
from strategies.seams.data_provider import exchange_if_any
from strategies.seams.json_answers import refuse_pages
from strategies.seams.strategy_messages import clean_messages

logger = logging.getLogger(__name__)

# What `adjust_trade_position` answers: a stake, or a stake and a tag.
Adjustment: TypeAlias = float | tuple[float | None, str] | None

# Whatever a subclass answers: an exit passes, unless it rests in the book already, and what waits
# there is taken back when we say so.
_ANSWERS: Final[Answers] = {
    "bot_start": lambda *_: None,
    "bot_loop_start": lambda *_: None,
    "order_filled": lambda *_: None,
    "confirm_trade_exit": lambda said, ours: not (said is RESTS or ours is RESTS),
    "check_entry_timeout": lambda said, ours: bool(said or ours),
    "check_exit_timeout": lambda said, ours: bool(said or ours),
}


class GatedStrategy(AnsweringStrategy):
    """The part of a strategy that stands between Freqtrade's orders and the exchange.

    A subclass may override any hook, and forget `super()`. What grows a position without having
    asked the guards is asked of them here, before Freqtrade cancels anything for it, and what they
    want closed is closed without asking it; what comes another way, as Freqtrade's own force-enter
    does, is stopped at the gate.
    """

    gate: OrderGate | None  # None in a backtest, which sends no order
    # Freqtrade's web server makes a strategy to be drawn, and reads its every attribute first.
    _provider: DataProvider = None

    def _make_gate(self, stage: Stage) -> OrderGate | None:
        if self.control is None:
            return None
        require_served(self.config)
        return OrderGate(
            self.guarding.permits, stage=stage, refusal=self.control.refusal,
            refused=self._order_refused, clean=self.control.clean,
            max_leverage=self.guarding.limits.hard.max_leverage,
        )  # fmt: skip

    @property
    def dp(self) -> DataProvider:
        """Freqtrade's data provider; None until it has given one."""
        return self._provider

    @dp.setter
    def dp(self, provider: DataProvider) -> None:
        """Take the provider; the gate stands from then on, before Freqtrade listens to anybody.

        Also after `/reload_config`: that makes strategy, provider and exchange anew.
        """
        self._provider = provider
        if self.gate is not None and self.control is not None:
            clean_messages(provider, partial(masked, secrets=self.control.commands.secrets))
            mark_replayed(self.config)
            exchange = exchange_if_any(provider)
            self.gate.stand_before(exchange)
            if exchange is not None:
                refuse_pages(exchange)
            around(self, "adjust_trade_position", self._adjustment_asked)
            around(self, "adjust_order_price", self._price_asked)
            keep(self, _ANSWERS)

    def _look_at_gate(self) -> None:
        """Halt, and stand there again, if something has taken the gate's place."""
        if self.gate is None or self.gate.stands or self.control is None:
            return
        self.control.store.halt(GuardActor("gate"), "something took the order gate's place")
        self.gate.stand_before(exchange_if_any(self.dp))

    def _gate_missing(self) -> str:
        """Return why nothing may be opened if the gate does not stand."""
        return "" if self.gate is None or self.gate.stands else "no order gate stands"

    @on_error_return(None)
    def _order_refused(self, order: NewRisk, why: str) -> None:
        """Write down and tell an order stopped at the gate, once for as long as it is the same."""
        if self.control is None:
            return
        side = "long" if order.side > 0 else "short"
        refused = self._entry(
            order.pair, side, order.rate,
            notional_quote=order.notional_quote, leverage=order.leverage,
        )  # fmt: skip
        if self.control.refused(refused, why, "order.refused"):
            rate = f" at {order.rate:g}" if order.rate else ""
            self.dp.send_msg(f"Order refused at the gate: {order}{rate}: {why}", always_send=True)

    # -- growing, however a subclass goes about it --------------------------------------------

    @abstractmethod
    def grown(self, trade: Trade, stake: float, rate: float, now: datetime) -> float | None:
        """Return the stake by which a position may grow now, None for not at all."""

    @abstractmethod
    def _moved(self, trade: Trade, order: Order, rate: float, now: datetime) -> bool:
        """Return whether a resting entry may be replaced by one at `rate`."""

    @abstractmethod
    def _staged(self, trade: Trade, rate: float, min_stake: float, now: datetime) -> float:
        """Return the stake to take out of a position now because the guards want it closed."""

    def _adjustment_asked(self, hook: Hook, asked: dict[str, Any]) -> Adjustment:
        """Close what the guards want closed; else ask a subclass, and the guards about growth."""
        trade, rate, now = asked["trade"], asked["current_rate"], asked["current_time"]
        closing = self._staged(trade, rate, asked["min_stake"] or 0.0, now)
        return -closing if closing > 0 else self._growth_asked(hook(**asked), asked)

    def _growth_asked(self, answer: Adjustment, asked: dict[str, Any]) -> Adjustment:
        """Return a subclass's answer, which grows a position only as far as the guards allow."""
        stake = answer[0] if isinstance(answer, tuple) else answer
        trade, rate = asked["trade"], asked["current_rate"]
        if stake is None or not stake > 0 or self._is_permitted(trade, stake, rate):
            return answer
        allowed = self.grown(trade, stake, rate, asked["current_time"])
        return (allowed, answer[1]) if isinstance(answer, tuple) else allowed

    def _is_permitted(self, trade: Trade, stake: float, rate: float) -> bool:
        wanted = NewRisk(
            pair=trade.pair, side=-1 if trade.is_short else 1, rate=rate,
            amount_base=stake * trade.leverage / rate, leverage=trade.leverage,
        )  # fmt: skip
        return not self.guarding.permits.why_not(wanted)

    def _price_asked(self, hook: Hook, asked: dict[str, Any]) -> float | None:
        """Return a subclass's price; an entry stays where it is unless the guards let it move."""
        answer: float | None = hook(**asked)
        stays: float = asked["current_order_rate"]
        if not asked["is_entry"] or not answer or answer == stays:
            return answer
        may = self._moved(asked["trade"], asked["order"], answer, asked["current_time"])
        return answer if may else stays
