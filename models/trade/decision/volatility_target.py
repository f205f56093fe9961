"""Exposure scaled so that equity moves by a target risk a day; pure functions of volatility.

Sources: scaling by the inverse of volatility: Moreira & Muir, "Volatility-managed portfolios",
Journal of Finance 72, 2017; Harvey et al., "The impact of volatility targeting", Journal of
Portfolio Management 45, 2018. The shape of the band: `models.trade.hedging.band`.

Nothing here knows a side or an expected return: what is targeted is risk, not profit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS

_COST: Final = 0.0007  # of one trade, and
_DAY: Final = 0.03  # volatility of one day, at which the band is `band_frac` wide
_WIDEST: Final = 0.5  # of the target; from 3/4 on more volatility would raise the lower edge
_FURTHEST_STOP: Final = 0.5  # of stake: Freqtrade's own stop behind the working one


@dataclass(frozen=True, kw_only=True)
class VolatilityTargetConfig:
    """How much risk is held, when it is adjusted, and how far away the stop is."""

    target_risk: float = 0.01  # volatility of equity over one day
    max_exposure: float = 1.0  # notional over equity; the limits may allow less
    leverage: float = 2.0  # as set on the exchange; the exposure decides the risk, not this
    cost_frac: float = 0.0007  # of one trade: 5 bp taker fee and 2 bp slippage
    # Half-width of the no-trade band in targets, at that cost and 3 % a day. Measured on 2021 to
    # 2023 (user_data/docs/volatility-target.md): a narrower one costs more than the calmer days are
    # worth.
    band_frac: float = 0.25
    cascade_keep_frac: float = 0.5  # of the target, while an alarm of a cascade stands
    stop_frac: float = 0.25  # the far stop's distance, of price; it follows a rising price

    def __post_init__(self) -> None:
        for name in ("target_risk", "max_exposure"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and > 0, got {getattr(self, name)}")
        if not self.target_risk <= 0.05:
            raise ValueError(f"expected target_risk <= 0.05 a day, got {self.target_risk}")
        if not 0 <= self.cost_frac < 0.05:
            raise ValueError(f"expected 0 <= cost_frac < 0.05, got {self.cost_frac}")
        if not 0 <= self.band_frac < 1:
            raise ValueError(f"expected 0 <= band_frac < 1, got {self.band_frac}")
        if not 0 <= self.cascade_keep_frac <= 1:
            raise ValueError(f"expected 0 <= cascade_keep_frac <= 1, got {self.cascade_keep_frac}")
        if not 1 <= self.leverage <= 5:
            raise ValueError(f"expected 1 <= leverage <= 5, got {self.leverage}")
        if not 0.02 <= self.stop_frac * self.leverage <= _FURTHEST_STOP:
            raise ValueError(
                f"expected stop_frac x leverage from 0.02 to {_FURTHEST_STOP:g}, got "
                f"{self.stop_frac} x {self.leverage}: beyond it another stop is hit first"
            )


def daily_volatility(sigma: FloatArray, horizon_candles: int, candle_ms: int) -> FloatArray:
    """Return forecasts of the volatility over a horizon as volatilities of one day, (N,) -> (N,).

    Parameters
    ----------
    sigma
        Of the log return over the horizon; 0, negative, infinite and NaN are not known.

    Returns
    -------
    ndarray
        By the square root of time; NaN where not known.

    Notes
    -----
    Over a horizon shorter than a day the hours of the day differ, and the size would follow them
    at a cost: forecast 24 hours for a size that is held for days.

    Examples
    --------
    >>> daily_volatility(np.array([0.01, 0.0, np.nan]), 6, 3_600_000)
    array([0.02,  nan,  nan])
    """
    if horizon_candles < 1 or candle_ms < 1:
        raise InputError(
            f"expected a horizon and a candle >= 1, got {horizon_candles}, {candle_ms}"
        )
    known = np.isfinite(sigma) & (sigma > 0)
    scale = math.sqrt(DAY_MS / (horizon_candles * candle_ms))
    out: FloatArray = np.where(known, sigma, np.nan) * scale
    return out


def target_exposure(
    sigma_day: FloatArray, config: VolatilityTargetConfig, cap: float = math.inf
) -> FloatArray:
    """Return notional over equity at which equity moves by `target_risk` a day, (N,) -> (N,).

    Parameters
    ----------
    sigma_day
        Volatility of the price over one day, as `daily_volatility` has it.
    cap
        The most that limits outside allow; `max_exposure` holds besides.

    Returns
    -------
    ndarray
        In [0, min(cap, max_exposure)], never rising with volatility; NaN where that is not known.

    Examples
    --------
    >>> target_exposure(np.array([0.02, 0.04, 0.001, np.nan]), VolatilityTargetConfig())
    array([0.5 , 0.25, 1.  ,  nan])
    """
    most = min(cap, config.max_exposure)
    if not most >= 0:
        raise InputError(f"expected a cap >= 0, got {cap}")
    with np.errstate(divide="ignore"):
        wanted = config.target_risk / sigma_day
    out: FloatArray = np.minimum(wanted, most)
    return out


def no_trade_width(
    target: FloatArray, config: VolatilityTargetConfig, target_risk: float | None = None
) -> FloatArray:
    """Return how far exposure may stray before correcting it is worth its cost, (N,) -> (N,).

    What trading costs is set against what being off target costs. For a target that wanders by a
    share of itself, and an investor whom it suits (aversion x variance x target = expected return),
    the half-width that minimises the sum is ``target x band_frac x cbrt(cost / volatility)``:
    `models.trade.hedging.band.cost_width` in these terms. How far the target wanders, and what
    return would be expected of it, nobody knows: `band_frac` stands for both and was measured.
    Asymptotic in small costs, so at most half the target.

    Parameters
    ----------
    target
        As `target_exposure` has it.
    target_risk
        That it was made for, if it is not the configured one. Volatility is ``target_risk /
        target``, that of a target which was capped the one at which the cap begins: a calmer
        market must not widen the band under a target that no longer grows.

    Examples
    --------
    >>> config = VolatilityTargetConfig(cost_frac=0.0007, band_frac=0.2, target_risk=0.015)
    >>> no_trade_width(np.array([0.5, 0.0625, np.nan]), config).round(5)
    array([0.1    , 0.00625,     nan])
    """
    risk = config.target_risk if target_risk is None else target_risk
    scale = (config.cost_frac / _COST) * (_DAY * target / risk)
    out: FloatArray = target * np.minimum(config.band_frac * np.cbrt(scale), _WIDEST)
    return out


def rebalanced(
    held: FloatArray, target: FloatArray, width: FloatArray, may_grow: BoolArray | bool = True
) -> FloatArray:
    """Return the exposure to hold next: the nearest within the band, (N,) -> (N,).

    Trading further than the band's edge costs more than it saves. Where target or width are not
    known (NaN) nothing changes; where `may_grow` is false exposure can only fall.

    Examples
    --------
    >>> held, target = np.array([0.1, 0.5, 0.9, 0.9]), np.array([0.5, 0.6, 0.5, np.nan])
    >>> rebalanced(held, target, np.full(4, 0.2))
    array([0.3, 0.5, 0.7, 0.9])
    >>> rebalanced(held, target, np.full(4, 0.2), may_grow=False)
    array([0.1, 0.5, 0.7, 0.9])
    """
    known = np.isfinite(target) & np.isfinite(width)
    inside = np.clip(held, target - width, target + width)
    wanted = np.where(known, inside, held)
    out: FloatArray = np.where(may_grow, wanted, np.minimum(wanted, held))
    return out
