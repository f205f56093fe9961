"""What the account replay takes and gives: fills, mark price paths, and the audited account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Fill:
    """One execution; `amount_base` is positive for a buy, negative for a sell."""

    time_ms: int
    pair: str
    amount_base: float
    price_quote: float
    fee_quote: float  # paid; negative for a maker's rebate


@dataclass(frozen=True, kw_only=True)
class MarketPath:
    """Mark price candles of one pair, oldest first, all (N,).

    `funding_rate` is NaN but at candles whose open is a funding time; positive means longs pay.
    A row is known when its candle has closed, its funding rate at its open.
    """

    pair: str
    time_ms: IntArray  # open time of each candle
    open: FloatArray  # quote units
    high: FloatArray
    low: FloatArray
    close: FloatArray
    funding_rate: FloatArray  # fraction of notional


@dataclass(frozen=True, kw_only=True)
class AccountAudit:
    """The account over time, arrays (N,) by candle, and where the money went (quote units).

    At any candle's close ``wallet`` is start + realised - fees + funding - slippage; after a
    liquidation also - liquidation fee + bankruptcy, and it stays there.
    """

    time_ms: IntArray
    wallet: FloatArray  # realised, at each candle's close
    equity_close: FloatArray  # marked at the close
    equity_worst: FloatArray  # marked at every position's adverse extreme of the candle
    maintenance_worst: FloatArray  # margin needed at that moment
    margin_ratio_close: FloatArray  # maintenance / equity; 1 is liquidation
    margin_ratio_worst: FloatArray
    gross_notional: FloatArray  # at the close
    # Adverse move of all legs at once, from the close; NaN when flat, 0 where liquidated.
    distance_to_liquidation_frac: FloatArray
    # The same from each candle's adverse extremes, before an order inside it counts.
    distance_worst_frac: FloatArray
    start_wallet_quote: float
    fees_quote: float  # paid
    funding_quote: float  # received, negative = paid
    slippage_quote: float  # charged on top of the engine's fills
    realised_quote: float  # from price alone, the liquidation's included
    liquidation_fee_quote: float
    bankruptcy_quote: float  # loss beyond the account's equity, borne by the exchange
    liquidated_at_ms: int | None
    ignored_fills: int  # after the liquidation

    def reconcile(self, final_wallet_quote: float) -> float:
        """Return the audit's final wallet, before slippage, minus the engine's.

        Zero up to rounding if engine and audit agree on prices, fees and funding.
        """
        return float(self.wallet[-1] + self.slippage_quote - final_wallet_quote)

    def summary(self) -> dict[str, Any]:
        """Return the verdict as plain numbers; None where there was never a position."""
        held = ~np.isnan(self.distance_to_liquidation_frac)
        distance = np.where(held, self.distance_to_liquidation_frac, np.inf)
        # The first held candle, not the first candle, where nothing can liquidate (all inf).
        nearest = int(np.lexsort((~held, distance))[0])
        fullest = int(self.margin_ratio_worst.argmax())
        # A liquidation's fee makes its close worse than the extreme it closed at.
        troughs = np.minimum(self.equity_close, self.equity_worst)
        return {
            "liquidated": self.liquidated_at_ms is not None,
            "liquidated_at_ms": self.liquidated_at_ms,
            "min_distance_frac": float(distance[nearest]) if held.any() else None,
            "min_distance_at_ms": int(self.time_ms[nearest]) if held.any() else None,
            "min_distance_worst_frac": _least(self.distance_worst_frac),
            "max_margin_ratio": float(self.margin_ratio_worst[fullest]),
            "max_margin_ratio_at_ms": int(self.time_ms[fullest]),
            "max_drawdown_close_frac": account_drawdown(self.equity_close, self.start_wallet_quote),
            "max_drawdown_worst_frac": account_drawdown(
                self.equity_close, self.start_wallet_quote, troughs
            ),
            "final_equity_quote": float(self.equity_close[-1]),
        }


def account_drawdown(equity: FloatArray, start: float, troughs: FloatArray | None = None) -> float:
    """Return the largest fall from an earlier peak of `equity` to its (or `troughs`') values.

    Parameters
    ----------
    equity
        (N,) at each close; peaks are taken from these only.
    start
        Equity before the first row, > 0.
    troughs
        (N,) values inside each row, compared with the peaks before that row.

    Examples
    --------
    >>> account_drawdown(np.array([100.0, 120.0, 90.0]), 100.0)
    0.25
    >>> account_drawdown(np.array([100.0, 120.0, 90.0]), 100.0, np.array([99.0, 100.0, 60.0]))
    0.5
    """
    peak = np.maximum.accumulate(np.concatenate(([start], equity)))
    low = equity if troughs is None else troughs
    before = peak[:-1] if troughs is not None else peak[1:]
    return float(max(0.0, (1 - low / before).max()))


def _least(values: FloatArray) -> float | None:
    """Return the least value that is known, None if none is."""
    known = values[~np.isnan(values)]
    return float(known.min()) if len(known) else None
