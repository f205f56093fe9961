"""What each leg of a hedge is to hold, decided at a candle's close."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from freqtrade.data.dataprovider import DataProvider
from freqtrade.persistence import KeyValueStore
from pandas import Series

from models.base.errors import InputError
from models.trade.hedging.policy import HedgeStep, Situation, decide_hedge
from models.trade.hedging.rounding import reachable
from strategies.account.hedge_config import HedgeConfig, HedgeMode
from strategies.account.hedge_primary import PositionReader
from strategies.bot import hedge_book, hedge_frame
from strategies.bot.forecast_columns import WARM_UP_CANDLES
from strategies.human.control import Control

_ADVISED: Final = "hedge_advised_"  # names under which the advised amounts survive a restart
ORDER_MARGIN: Final = 1.2  # above the exchange's smallest order, so that prices may move meanwhile


@dataclass(frozen=True)
class Plan:
    """What one leg holds at a candle's close and is to hold from the next open on."""

    closed: datetime
    held: float  # base units, unsigned
    wanted: float
    reason: str
    step: HedgeStep | None  # of all legs; None without a position


class PlanHost(Protocol):
    """What a plan reads of its strategy."""

    @property
    def dp(self) -> DataProvider:
        """For the exchange's smallest orders."""

    @property
    def candle_ms(self) -> int:
        """Length of a candle."""

    @property
    def control(self) -> Control | None:
        """What a person wants; None in a backtest."""

    @property
    def forecasts(self) -> bool:
        """Whether a model leans on the baseline."""


class Planner:
    """Turns the newest candle of a leg into what the leg is to hold.

    Parameters
    ----------
    reader
        Asks for the hedged position's size, where the config says so.
    """

    def __init__(self, hedge: HedgeConfig, host: PlanHost, reader: PositionReader | None) -> None:
        self._hedge, self._host, self._reader = hedge, host, reader

    def plan(self, pair: str, row: Series) -> Plan:
        """Return what the leg of `pair` is to become, decided at the close of `row`.

        Raises
        ------
        InputError
            If a price or the hedged position is not known.
        """
        candle = timedelta(milliseconds=self._host.candle_ms)
        closed = (row["date"] + candle).to_pydatetime()
        legs = self._hedge.instruments
        known = hedge_frame.numbers(row, len(legs))
        price, closes = float(row[hedge_frame.PRIMARY]), known["close"]
        if not all(math.isfinite(c) and c > 0 for c in (price, *closes)):
            raise InputError(f"a candle of the hedge is missing at {row['date']}", where=pair)
        trades = hedge_book.recent_trades(closed)
        amounts = self._held(trades, closed)
        size = self.primary_amount(trades, closed)
        leg = legs.index(pair)
        if not size > 0:
            return Plan(closed, amounts[leg], 0.0, "there is no position to hedge", None)
        notional = size * price
        smallest = [self._smallest_quote(p) for p in legs]
        now = self._as_requested(Situation(
            held=tuple(a * c / notional for a, c in zip(amounts, closes, strict=True)),
            target=reachable(known["target"], notional, smallest),
            width=known["width"],
            signal=hedge_frame.signal_of(row) if self._host.forecasts else None,
            changes_today=hedge_book.changes_in_a_day(trades, legs, closed, candle),
            smallest_step=tuple(s / notional for s in smallest),
        ))  # fmt: skip
        step = decide_hedge(now, self._hedge.policy)
        if step.ratio[leg] == now.held[leg]:
            return Plan(closed, amounts[leg], amounts[leg], step.reason, step)
        wanted = max(step.ratio[leg], 0.0) * notional / closes[leg]
        if wanted * closes[leg] < smallest[leg]:
            wanted = 0.0  # a rest that could not be ordered later
        return Plan(closed, amounts[leg], wanted, f"{step.action}: {step.reason}", step)

    def _held(self, trades: list[Any], closed: datetime) -> list[float]:
        if self._hedge.mode is HedgeMode.ADVICE:
            return [advised_amount(pair) for pair in self._hedge.instruments]
        return [hedge_book.amount_at(trades, p, closed) for p in self._hedge.instruments]

    def primary_amount(self, trades: list[Any], closed: datetime) -> float:
        """Return the size of the hedged position, base units, 0 if there is none."""
        primary = self._hedge.primary
        if self._reader is not None:
            return self._reader.amount()
        if self._hedge.mode is not HedgeMode.OWN:
            return primary.amount_base
        short = primary.side == "short"
        own = [t for t in trades if t.pair == primary.pair and t.is_short == short]
        return hedge_book.amount_at(own, primary.pair, closed)

    def _as_requested(self, now: Situation) -> Situation:
        """Add what a person wants of the hedge; unless control is active, to leave it alone."""
        control = self._host.control
        if control is None:
            return now
        state = control.store.read()
        if not state.may_add_risk:
            return replace(now, frozen=True)
        if state.hedge is None:
            return now
        if state.hedge.ratio is None:
            return replace(now, frozen=True)
        return replace(now, manual=state.hedge.ratio)

    def _smallest_quote(self, pair: str) -> float:
        """Return the smallest order of `pair` that Freqtrade and the exchange both take."""
        limits = (self._host.dp.market(pair) or {}).get("limits") or {}
        cost = (limits.get("cost") or {}).get("min") or 0.0
        return ORDER_MARGIN * float(cost)


def advised_amount(pair: str) -> float:
    """Return the amount a person was last advised to hold, base units; it survives a restart."""
    return float(KeyValueStore.get_float_value(_ADVISED + pair) or 0.0)


def note_advised(pair: str, amount: float) -> None:
    """Count on the advice's being followed."""
    KeyValueStore.store_value(_ADVISED + pair, amount)


def warm_up_candles(hedge: HedgeConfig, forecasts: bool) -> int:
    """Return the candles before the first that counts, for the ratio and for a model's features."""
    return max(hedge.baseline.candles_needed, WARM_UP_CANDLES if forecasts else 0)
