"""What the labels ask: horizons, costs and floors; plain values, so they travel and hash."""

from __future__ import annotations

from dataclasses import dataclass

from models.data.labels.cascade import hazard_bins


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """What the heads are trained to answer."""

    horizon_candles: int = 4  # of the forward return
    cost_frac: float = 0.0014  # round trip: 2 x (5 bp taker fee + 2 bp slippage); inside it is flat
    cascade_horizon_candles: int = 24  # how far the hazard looks
    hazard_bins: int = 6  # log-spaced over that horizon
    # Smallest move that can be a cascade, within an hour or one candle, whichever is longer; 0.04
    # for LTC. Of four hours a move of 3 % is nothing: it has to grow as volatility does.
    cascade_floor_frac: float = 0.03

    def __post_init__(self) -> None:
        if self.horizon_candles < 1 or self.cascade_horizon_candles < 1:
            raise ValueError("expected horizons of at least 1 candle")
        if not 0 <= self.cost_frac < 0.1:
            raise ValueError(f"expected 0 <= cost_frac < 0.1, got {self.cost_frac}")
        if not 0 < self.cascade_floor_frac < 1:
            raise ValueError(f"expected 0 < cascade_floor_frac < 1, got {self.cascade_floor_frac}")
        hazard_bins(self.cascade_horizon_candles, self.hazard_bins)

    @property
    def bin_edges(self) -> tuple[int, ...]:
        return hazard_bins(self.cascade_horizon_candles, self.hazard_bins)

    @property
    def peak_edges(self) -> tuple[int, ...]:
        """Upper edges of 1 + the candles to a cascade's peak; the first bin is "now or behind"."""
        longest = self.cascade_horizon_candles
        return (1, *(1 + e for e in hazard_bins(longest, min(4, longest))))

    @property
    def purge_candles(self) -> int:
        """Rows to drop at every boundary: the furthest any label looks ahead."""
        return max(self.horizon_candles, self.cascade_horizon_candles)
