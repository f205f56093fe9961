"""Settings of the simulated market: assets, regimes, cascades, funding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from models.base.units import DAY_MS, HOUR_MS

REGIMES: Final = ("bull", "bear", "quiet", "stressed")


@dataclass(frozen=True, kw_only=True)
class RegimeConfig:
    """One state of the market."""

    days: float  # mean stay
    drift_per_day: float  # of the common log price
    volatility: float  # multiple of the usual
    cascades_per_day: float  # before excitation


@dataclass(frozen=True, kw_only=True)
class AssetConfig:
    """One perpetual."""

    pair: str
    price: float  # at the start, quote units
    sigma_hour: float  # volatility of one hour's log return in usual times
    common_share: float  # correlation of calm returns with the common factor, 0..1
    hour_volume: float  # median, base units
    tick: float  # price step
    lot: float = 0.001  # volume step

    def __post_init__(self) -> None:
        if not 0 <= self.common_share <= 1:
            raise ValueError(f"expected common_share in 0..1, got {self.common_share}")
        for name in ("price", "sigma_hour", "hour_volume", "tick", "lot"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} > 0, got {getattr(self, name)}")


_ASSETS: Final = (
    AssetConfig(
        pair="BTC/USDT:USDT",
        price=42_000.0,
        sigma_hour=0.0045,
        common_share=0.93,
        hour_volume=9_000.0,
        tick=0.1,
    ),
    AssetConfig(
        pair="ETH/USDT:USDT",
        price=2_500.0,
        sigma_hour=0.0059,
        common_share=0.88,
        hour_volume=105_000.0,
        tick=0.01,
    ),
    AssetConfig(
        pair="LTC/USDT:USDT",
        price=110.0,
        sigma_hour=0.0070,
        common_share=0.70,
        hour_volume=97_000.0,
        tick=0.01,
    ),
)
# In the order of REGIMES. A stay ends in any other regime with equal probability.
_REGIMES: Final = (
    RegimeConfig(days=14, drift_per_day=0.003, volatility=0.9, cascades_per_day=0.04),
    RegimeConfig(days=11, drift_per_day=-0.003, volatility=1.0, cascades_per_day=0.06),
    RegimeConfig(days=9, drift_per_day=0.0, volatility=0.6, cascades_per_day=0.01),
    RegimeConfig(days=2.5, drift_per_day=-0.004, volatility=1.8, cascades_per_day=0.35),
)


@dataclass(frozen=True, kw_only=True)
class SimulatedMarketConfig:
    """How the market is simulated; the defaults were set beside Binance's hours of 2022 to 2025."""

    candles: int = 8_760  # per market; one year of hours
    candle_ms: int = HOUR_MS  # divides a day
    start_ms: int = 1_640_995_200_000  # 2022-01-01, on the timeframe's grid
    seed: int = 7
    assets: tuple[AssetConfig, ...] = field(default=_ASSETS)
    regimes: tuple[RegimeConfig, ...] = field(default=_REGIMES)
    tail_dof: float = 4.0  # Student-t of the shocks; above 2 so that a variance exists
    slow_days: float = 8.0  # decay of the slow part of log volatility
    slow_log_sd: float = 0.30
    fast_hours: float = 8.0  # decay of the fast part
    fast_log_sd: float = 0.28
    leverage_effect: float = -0.25  # correlation of a shock with the next change of volatility
    cascade_min_sigma: float = 4.5  # smallest cascade, in hours' sigma
    cascade_mean_excess_sigma: float = 1.8  # exponential on top
    cascade_hours: float = 0.75  # how long the fall itself takes
    cascade_down_share: float = 0.75  # the rest are upward squeezes, when nothing is crowded
    retrace_frac: float = 0.3  # of the move, given back afterwards: the documented predictability
    retrace_hours: float = 6.0
    excitation: float = 0.35  # cascades each cascade triggers on average; below 1 or it explodes
    excitation_hours: float = 4.0
    aftershock_log_vol: float = 0.6  # volatility after a cascade, decaying over `fast_hours`
    cascade_volume: float = 4.0  # multiple of volume at the onset
    funding_mean: float = 0.00007  # per payment
    funding_persistence: float = 0.75
    funding_response: float = 0.00002  # per sigma of the last day's return
    funding_noise: float = 0.00004
    funding_cap: float = 0.003  # as Binance's for the large pairs

    def __post_init__(self) -> None:
        if self.candles < 2 or self.candle_ms < 1 or DAY_MS % self.candle_ms:
            raise ValueError(
                "expected candles >= 2 of a length that divides a day, "
                f"got {self.candles} of {self.candle_ms} ms"
            )
        if self.start_ms % self.candle_ms:
            raise ValueError(
                f"expected start_ms on the grid of {self.candle_ms} ms, got {self.start_ms}"
            )
        if len(self.regimes) != len(REGIMES) or not self.assets:
            raise ValueError(f"expected one RegimeConfig for each of {REGIMES} and some assets")
        if self.tail_dof <= 2:
            raise ValueError(f"expected tail_dof > 2, got {self.tail_dof}")
        for name in ("excitation", "retrace_frac", "funding_persistence", "cascade_down_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"expected {name} in [0, 1), got {getattr(self, name)}")
