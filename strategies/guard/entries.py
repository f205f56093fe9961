"""New risk: how much of an order may be sent, and what has been sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from models.base.units import DAY_MS
from models.operate.journal.chain import JournalEntry
from models.trade.risk import model
from models.trade.risk.limits import Limits
from models.trade.risk.recall import sent_orders
from models.trade.risk.run import Guard, decide_order
from models.trade.risk.snapshot import (
    Intent,
    MarketState,
    ModelHealth,
    SentOrder,
    Snapshot,
    Stage,
)
from models.trade.risk.verdict import RiskDecision
from strategies.guard.consequences import Consequences
from strategies.guard.known import epoch_ms
from strategies.guard.loss_book import LossBook
from strategies.guard.readings import Readings
from strategies.guard.recovery import Recovery
from strategies.guard.unknowns import Unknowns
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
        unknowns: Unknowns,
    ) -> None:
        self._readings, self._recovery, self._unknowns = readings, recovery, unknowns
        self._limits, self._guards = limits, guards
        self._consequences, self._control, self._losses = consequences, control, losses
        self.leverage: dict[str, float] = {}  # pair -> as ordered from Freqtrade last
        self.orders: deque[SentOrder] = deque(sent_orders(journal))

    def decide(
        self, pair: str, side: str, notional: float, price: float, now: datetime
    ) -> RiskDecision:
        """Return how much of an order for new risk may be sent; never raises for a broken input."""
        sign = -1 if side == "short" else 1
        key = self._unknowns.ask(
            f"the candle of {pair}", lambda: self._readings.key(pair, side), pair=pair
        )
        order = Intent(
            pair=pair, side=sign, notional_quote=notional, leverage=self.leverage.get(pair),
            price=price, key=key or "",
        )  # fmt: skip
        decision = decide_order(self._snapshot(order, now), self._limits, self._guards)
        self._consequences.obey(decision, pair, "entry")
        return decision

    def _snapshot(self, order: Intent, now: datetime) -> Snapshot:
        pair, read, ask = order.pair, self._readings, self._unknowns.ask
        market = market_known(read, self._unknowns, pair, now)
        mark = order.price if market is None or market.mark is None else market.mark
        exposure = ask("the account's exposure", lambda: read.exposure(pair, mark or 0.0))
        model = model_known(read, self._unknowns, self._guards, pair, order.side)
        differences = ask(
            f"the position in {pair}", lambda: self._recovery.differences_of(pair), pair=pair
        )
        return Snapshot(
            now_ms=epoch_ms(now),
            stage=read.stage,
            intent=order,
            exposure=exposure,
            market=market,
            model=model,
            sent=self._recent(epoch_ms(now)),
            losses=None if self._losses is None else self._losses.state,
            control_mode=None if self._control is None else self._control.store.read().mode,
            differences=differences,
            exchange=self._recovery.account,
            unknown=self._unknown(pair),
            second=read.second(pair),
        )  # fmt: skip

    def _unknown(self, pair: str) -> tuple[str, ...]:
        """Return what is unknown of account and pair; and what the losses do not count yet.

        An entry on old losses would pass any limit. What the guards could not answer the last
        entry in `pair` they are asked anew.
        """
        anew = self._consequences.silent(pair, "entry")
        known = [w for w in self._unknowns.concerning(pair) if w not in anew]
        uncounted = () if self._losses is None else self._losses.uncounted
        return tuple(dict.fromkeys([*known, *uncounted]))

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


def market_known(
    readings: Readings, unknowns: Unknowns, pair: str, now: datetime
) -> MarketState | None:
    """Return the market of `pair` as far as it is told, and note what of it is not."""
    market = unknowns.ask(
        f"the market of {pair}", lambda: readings.market(pair, now), pair=pair
    )  # fmt: skip
    if market is not None and readings.stage is not Stage.BACKTEST:
        missing = [f.name for f in fields(market) if getattr(market, f.name) is None]
        parts = f"all prices of {pair}"
        if missing:
            unknowns.note(parts, f"no {', '.join(missing)}", pair=pair)
        else:
            unknowns.known(parts)
    return market


def model_known(
    readings: Readings, unknowns: Unknowns, guards: Sequence[Guard], pair: str, sign: int
) -> ModelHealth | None:
    """Return the model's health where a guard asks for it and it can be had."""
    if not any(guard.check.__module__ == model.__name__ for guard in guards):
        return None
    return unknowns.ask(
        f"the model of {pair}", lambda: readings.model(pair, sign), pair=pair
    )  # fmt: skip
