"""The hedge that ships without a model: exponentially weighted ratio, no-trade band by its cost.

One function for the strategy, the report and the contingency, so that they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.errors import AlignmentError, ConfigError
from models.base.types import FloatArray
from models.trade.hedging.band import cost_width, wander
from models.trade.hedging.ratios import ewma_ratio, ewma_variance

_WARMUP_HALFLIVES = 5  # the weight of what came before is 3 % then


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """How the baseline follows the markets."""

    halflife_candles: float = 96.0  # of the covariances
    cost_frac: float = 0.0006  # of one trade: fee, half the spread, impact
    aversion: float = 3.0  # return given up per unit of variance; larger is a narrower band
    width: float | None = None  # a fixed half-width instead of the one from cost
    max_width: float = 0.5  # the widest half-width that costs may ask for

    def __post_init__(self) -> None:
        if not (0 < self.halflife_candles < np.inf and 0 < self.aversion < np.inf):
            raise ConfigError("expected halflife_candles and aversion finite and > 0")
        if not (0 <= self.cost_frac < 0.05 and 0 < self.max_width <= 1):
            raise ConfigError("expected 0 <= cost_frac < 0.05 and 0 < max_width <= 1")
        if self.width is not None and not 0 <= self.width <= 1:
            raise ConfigError(f"expected 0 <= width <= 1, got {self.width}")

    @property
    def candles_needed(self) -> int:
        """Candles after which live and backtest agree to 0.1 %: ten half-lives."""
        return int(np.ceil(10 * self.halflife_candles))


def baseline(
    primary_close: FloatArray, hedge_close: FloatArray, config: BaselineConfig
) -> tuple[FloatArray, FloatArray]:
    """Return (target, half-width), both (N, K), known at the close of each row.

    Parameters
    ----------
    primary_close, hedge_close
        (N,) and (N, K) closes; NaN where a candle is missing. Returns span such holes, and the row
        itself stays unknown: what is not priced is not traded.

    Raises
    ------
    AlignmentError
        If the lengths differ.
    """
    if len(primary_close) != len(hedge_close):
        raise AlignmentError(
            f"expected equal lengths, got {len(primary_close)} and {len(hedge_close)}",
            where="hedge baseline",
        )
    target, width = np.full(hedge_close.shape, np.nan), np.full(hedge_close.shape, np.nan)
    known = np.flatnonzero(np.isfinite(primary_close) & np.isfinite(hedge_close).all(axis=1))
    if len(known) < 3:
        return target, width
    primary = np.diff(np.log(primary_close[known]))
    hedges = np.diff(np.log(hedge_close[known]), axis=0)
    warmup = int(np.ceil(_WARMUP_HALFLIVES * config.halflife_candles))
    ratio = ewma_ratio(primary, hedges, config.halflife_candles, warmup)
    target[known[1:]] = ratio
    if config.width is not None:
        width[known[1:]] = np.where(np.isfinite(ratio), config.width, np.nan)
    else:
        # Drift over the same history as the ratio itself, at least a few days of it.
        drift = wander(ratio, primary, hedges, 2.0 * config.halflife_candles)
        variance = ewma_variance(hedges, config.halflife_candles)
        width[known[1:]] = cost_width(
            config.cost_frac, drift, variance, config.aversion, config.max_width
        )
    return target, width


def limited_ratio(target: FloatArray, max_ratio: float) -> FloatArray:
    """Return `target` without negative legs, scaled down where its sum passes `max_ratio`.

    A negative leg would add to the risk it is to hedge as soon as the relation breaks.

    Examples
    --------
    >>> limited_ratio(np.array([[1.5, 0.5], [-0.2, 0.5], [np.nan, 0.5]]), 1.0)
    array([[0.75, 0.25], [0.  , 0.5 ], [ nan,  nan]])
    """
    long_only = np.maximum(target, 0.0)
    total = long_only.sum(axis=1, keepdims=True)
    out: FloatArray = long_only * np.minimum(1.0, max_ratio / np.maximum(total, 1e-12))
    return out
