"""New risk: how much of an order may be sent, and what has been sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from models.base.units import DAY_MS
from models.operate.journal.chain import JournalEntry
from models.trade.risk import model
from models.trade.risk.limits import Limits
from models.trade.risk.recall import sent_orders
from models.trade.risk.run import Guard, decide_order
from models.trade.risk.snapshot import Intent, ModelHealth, SentOrder, Snapshot
from models.trade.risk.verdict import RiskDecision
from strategies.guard.consequences import Consequences
from strategies.guard.known import epoch_ms, known_or_none
from strategies.guard.loss_book import LossBook
from strategies.guard.readings import Readings
from strategies.guard.recovery import Recovery
from strategies.human.control import Control


class Entries:
    """The guards in front of every order for new risk.

    Parameters
    ----------
    guards
        Those that apply to the strategy's orders.
    journal
        Of the last day: a kill -9 forgets nothing of what was sent.
    """

    def __init__(
        self,
        readings: Readings,
        recovery: Recovery,
        *,
        limits: Limits,
        guards: Sequence[Guard],
        consequences: Consequences,
        control: Control | None,
        losses: LossBook | None,
        journal: Sequence[JournalEntry],
    ) -> None:
        self._readings, self._recovery = readings, recovery
        self._limits, self._guards = limits, guards
        self._consequences, self._control, self._losses = consequences, control, losses
        self.leverage: dict[str, float] = {}  # pair -> as ordered from Freqtrade last
        self.orders: deque[SentOrder] = deque(sent_orders(journal))

    def decide(
        self, pair: str, side: str, notional: float, price: float, now: datetime
    ) -> RiskDecision:
        """Return how much of an order for new risk may be sent; never raises for a broken input."""
        sign = -1 if side == "short" else 1
        key = known_or_none("the decision's candle", lambda: self._readings.key(pair, side))
        order = Intent(
            pair=pair, side=sign, notional_quote=notional, leverage=self.leverage.get(pair),
            price=price, key=key or "",
        )  # fmt: skip
        decision = decide_order(self._snapshot(order, now), self._limits, self._guards)
        self._consequences.obey(decision)
        return decision

    def _snapshot(self, order: Intent, now: datetime) -> Snapshot:
        pair, read = order.pair, self._readings
        market = known_or_none(f"the market of {pair}", lambda: read.market(pair, now))
        mark = order.price if market is None or market.mark is None else market.mark
        return Snapshot(
            now_ms=epoch_ms(now),
            stage=read.stage,
            intent=order,
            exposure=known_or_none("the account", lambda: read.exposure(pair, mark or 0.0)),
            market=market,
            model=model_known(read, self._guards, pair, order.side),
            sent=self._recent(epoch_ms(now)),
            losses=None if self._losses is None else self._losses.state,
            control_mode=None if self._control is None else self._control.store.read().mode,
            differences=known_or_none(
                "the exchange's books", lambda: self._recovery.differences_of(pair)
            ),
            exchange=self._recovery.account,
            second=read.second(pair),
        )  # fmt: skip

    def sent(self, pair: str, side: str, amount: float, now: datetime) -> None:
        """Remember an order that was let through; `amount` in base units."""
        sign = -1 if side == "short" else 1
        key = self._readings.key(pair, side)
        self._recovery.approved[pair] = sign * amount
        self._readings.quotes.forget(pair)
        self.orders.append(SentOrder(time_ms=epoch_ms(now), pair=pair, side=sign, key=key))
        self._recovery.look_soon()

    def _recent(self, now_ms: int) -> tuple[SentOrder, ...]:
        while self.orders and now_ms - self.orders[0].time_ms >= DAY_MS:
            self.orders.popleft()
        return tuple(self.orders)


def model_known(
    readings: Readings, guards: Sequence[Guard], pair: str, sign: int
) -> ModelHealth | None:
    """Return the model's health where a guard asks for it and it can be had."""
    if not any(guard.check.__module__ == model.__name__ for guard in guards):
        return None
    return known_or_none(f"the model of {pair}", lambda: readings.model(pair, sign))
