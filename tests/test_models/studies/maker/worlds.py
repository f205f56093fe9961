"""Detail candles made up for resting orders, and another fill model to hold ours against."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.base.types import BoolArray, Candles, FloatArray
from models.base.units import HOUR_MS, MINUTE_MS
from models.studies.maker.quotes import QuoteRules
from models.studies.maker.trades import DetailMarket, TradeRule, detail_market
from models.trade.decision.signals import Signals

TICK = 0.5
STEP_MS = 5 * MINUTE_MS
PER_HOUR = 12


def candles(close: list[float] | FloatArray, **others: list[float] | FloatArray) -> Candles:
    """Return detail candles; a high, low or open that is not given is that of a smooth path."""
    end = np.asarray(close, dtype=np.float64)
    begin = np.asarray(others.get("open", np.concatenate((end[:1], end[:-1]))), dtype=np.float64)
    return Candles(
        time_ms=STEP_MS * np.arange(len(end), dtype=np.int64), open=begin, close=end,
        high=np.asarray(others.get("high", np.maximum(begin, end)), dtype=np.float64),
        low=np.asarray(others.get("low", np.minimum(begin, end)), dtype=np.float64),
        volume=np.ones(len(end)),
    )  # fmt: skip


def random_candles(hours: int, seed: int = 0, sigma: float = 0.001) -> Candles:
    """Return candles of a random walk in whole ticks: nothing that happened says what will.

    A candle is made of many steps, so how far it went tells no more of its end than it should.
    """
    rng, rows, steps = np.random.default_rng(seed), hours * PER_HOUR, 30
    moves = sigma / np.sqrt(steps) * rng.normal(size=rows * steps)
    path = np.round(1_000 * np.exp(np.cumsum(moves)) / TICK) * TICK
    path = path.reshape(rows, steps)
    begin = np.concatenate(([1_000.0], path[:-1, -1]))
    return candles(
        path[:, -1], open=begin, high=np.maximum(begin, path.max(axis=1)),
        low=np.minimum(begin, path.min(axis=1)),
    )  # fmt: skip


def hourly(detail: Candles, **more: Any) -> DetailMarket:
    """Return the market in which row t is the hour that ends at detail candle 12 (t + 1)."""
    hours = HOUR_MS * np.arange(len(detail) // PER_HOUR, dtype=np.int64)
    return detail_market(hours, HOUR_MS, detail, **more)


def rule(side: list[int], hold: int = 4, **leave: BoolArray) -> TradeRule:
    """Return a rule that wants these sides and leaves after `hold` rows, or when told."""
    never = np.zeros(len(side), dtype=np.bool_)
    decided = Signals(
        np.array(side, dtype=np.int8), leave.get("long", never), leave.get("short", never)
    )
    return TradeRule(name="made_up", title="made up", decided=decided, max_hold=hold)


def quoted_by_brute_force(
    detail: Candles, first: int, side: int, rules: QuoteRules
) -> tuple[bool, int, int]:
    """Return (filled, quote in ticks, row after) of a resting order: whole numbers, no shortcuts.

    Another reading of the same rule: the quote of each candle is the furthest own side of all
    closes since the decision, and the first candle that trades beyond it fills.
    """
    ticks = {name: np.rint(getattr(detail, name) / rules.tick).astype(int)
             for name in ("low", "high", "close")}  # fmt: skip
    quote = 0
    for row in range(first, first + rules.patience):
        seen = ticks["close"][first - 1 : row] if rules.follows else ticks["close"][first - 1 :][:1]
        quote = int((side * seen).max()) * side - side
        beyond = ticks["low"][row] < quote if side > 0 else ticks["high"][row] > quote
        if beyond:
            return True, quote, row + 1
    return False, quote, first + rules.patience
