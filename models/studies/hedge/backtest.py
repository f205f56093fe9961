"""A finished backtest of the hedge, as returns of the position while it was held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from models.base.types import FloatArray
from models.studies.hedge.effectiveness import HedgedReturns
from models.trade.account.records import AccountAudit, Fill, MarketPath


@dataclass(frozen=True, kw_only=True)
class AuditedBacktest:
    """A finished backtest of the strategy, audited with the hedge and without."""

    both: AccountAudit
    alone: AccountAudit
    fills: Sequence[Fill]
    markets: Mapping[str, MarketPath]  # mark candles, the primary first


_ROUNDING: Final = 1e-9  # of the largest amount held


class _Held(NamedTuple):
    """What the fills add up to; the primary is leg 0."""

    amount_base: FloatArray  # (N, 1 + K) signed, from the candle of the fill on
    traded: FloatArray  # (N,) notional of the hedge's fills
    fees: FloatArray  # (N,) of the hedge's fills


def backtest_returns(run: AuditedBacktest) -> HedgedReturns:
    """Return the audited account's hourly returns while the position was held.

    Costs of the position's own opening and closing are left out: they are not the hedge's.
    """
    paths = list(run.markets.values())
    primary = paths[0]
    held = _held(run)
    before = np.concatenate((primary.open[:1], primary.close[:-1]))
    notional = np.abs(held.amount_base[:, 0]) * before
    alone = np.diff(run.alone.equity_close, prepend=run.alone.start_wallet_quote)
    both = np.diff(run.both.equity_close, prepend=run.both.start_wallet_quote)
    slippage = run.both.slippage_quote - run.alone.slippage_quote
    cost = held.fees + held.traded * (slippage / max(float(held.traded.sum()), 1e-9))
    # From the hour after the position was opened to the hour before everything is closed.
    live = np.flatnonzero(np.abs(held.amount_base[:, 0]) > 0)
    rows = slice(int(live[0]) + 1, int(live[-1]) + 1)
    share = 1.0 / notional[rows]
    closes = np.column_stack([p.close for p in paths])
    legs = np.abs(held.amount_base[:, 1:] * closes[:, 1:]).sum(axis=1)
    return HedgedReturns(
        time_ms=run.both.time_ms[rows],
        primary=alone[rows] * share,
        hedge=(both - alone)[rows] * share,
        cost=cost[rows] * share,
        funding=-_funding_paid(held.amount_base, paths)[rows, 1:].sum(axis=1) * share,
        traded=held.traded[rows] * share,
        ratio=legs[rows] / (np.abs(held.amount_base[rows, 0]) * primary.close[rows]),
    )


def _held(run: AuditedBacktest) -> _Held:
    time_ms, pairs = run.both.time_ms, list(run.markets)
    amount = np.zeros((len(time_ms), len(pairs)))
    traded, fees = np.zeros(len(time_ms)), np.zeros(len(time_ms))
    for fill in run.fills:
        row = int(np.searchsorted(time_ms, fill.time_ms, side="right")) - 1
        leg = pairs.index(fill.pair)
        amount[row:, leg] += fill.amount_base
        if leg:
            traded[row] += abs(fill.amount_base) * fill.price_quote
            fees[row] += fill.fee_quote
    # What is closed in parts adds up to 0 but for a rounding, which is no position.
    amount[np.abs(amount) <= _ROUNDING * np.abs(amount).max(axis=0)] = 0.0
    return _Held(amount, traded, fees)


def _funding_paid(amount_base: FloatArray, paths: Sequence[MarketPath]) -> FloatArray:
    """Return what each leg (N, 1 + K) paid at each candle's open for what it held before."""
    rate = np.nan_to_num(np.column_stack([p.funding_rate for p in paths]))
    opens = np.column_stack([p.open for p in paths])
    held = np.vstack([np.zeros((1, len(paths))), amount_base[:-1]])
    out: FloatArray = held * opens * rate
    return out
