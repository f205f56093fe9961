"""What forecasts earn by rules: positions, and the return of every row and day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.base import columns
from models.base.types import FloatArray, IntArray
from models.evaluate.metrics.equity import daily_returns
from models.studies.compare.records import ComparedModel, Trading, Truth
from models.trade.decision.signals import Signals, signals


def sides_taken(entry: ComparedModel, trading: Trading) -> list[IntArray]:
    """Return each seed's positions (N,) by the pack's own rules, as `positions` has them."""
    waived = {*trading.decision.without, *entry.absent}
    rules = replace(trading.decision, without=tuple(sorted(waived)))
    return [
        positions(
            signals(f, np.isfinite(f[columns.P_UP]).astype(float), trading.cost_frac, rules),
            rules.max_hold_candles,
        )
        for f in entry.forecasts
    ]


def positions(decided: Signals, max_hold: int) -> IntArray:
    """Return the position (N,) in -1, 0, 1 decided at each candle's close.

    Parameters
    ----------
    max_hold
        Candles after which a position is closed, as the strategy does.
    """
    out = np.zeros(len(decided.side), dtype=np.int64)
    held, age = 0, 0
    for t in range(len(out)):
        age += 1
        leave = (held > 0 and decided.exit_long[t]) or (held < 0 and decided.exit_short[t])
        if held and (leave or age >= max_hold):
            held = 0
        elif not held and decided.side[t]:
            held, age = int(decided.side[t]), 0
        out[t] = held
    return out


def entries_of(position: IntArray) -> int:
    """Return how often a position was entered."""
    before = np.concatenate(([0], position[:-1]))
    return int(((position != 0) & (position != before)).sum())


def row_returns(
    position: IntArray, truth: Truth, cost_frac: float | FloatArray, late: int = 0
) -> FloatArray:
    """Return each row's log return after costs, (N,): held from its open to the next one's.

    Decided at a candle's close, filled at the open of the candle after, or `late` candles later.
    Across a gap in the candles the position is held, as an exchange would.

    Parameters
    ----------
    cost_frac
        Round trip, of notional; (N,) where it differs by the row a trade is filled on.
    """
    filled = np.concatenate((np.zeros(1 + late, dtype=np.int64), position))[: len(position)]
    move = np.zeros(len(filled))
    move[:-1] = filled[:-1] * np.diff(np.log(truth.open))
    traded = np.abs(np.diff(np.concatenate(([0], filled))))
    out: FloatArray = move - 0.5 * cost_frac * traded
    return out


def by_day(time_ms: IntArray, returns: FloatArray) -> FloatArray:
    """Return the log return of each UTC day that has a row, (N,) -> (D,)."""
    out: FloatArray = np.log1p(daily_returns(time_ms, np.exp(np.cumsum(returns)), 1.0))
    return out
