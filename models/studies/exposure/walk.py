"""The path an exposure takes over a market: decided at a close, traded at the next open.

Volatility on row t is known at the close of candle t; the exposure it asks for is held from the
open of candle t + 1. In between the held one drifts with the price, since equity moves by less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.trade.decision.volatility_target import VolatilityTargetConfig, no_trade_width
from models.trade.hedging.band import nearest_inside

_ROUNDS: Final = 12  # of the search for a scale or a band; each at least halves what is missing
_NARROW: Final = 1e-4  # of the target: the narrowest band tried


@dataclass(frozen=True, kw_only=True)
class ExposureMarket:
    """Candles an exposure is held over, all (N,), oldest first, without gaps.

    Attributes
    ----------
    funding
        Rate a long pays at the open of the candle; 0 where none is paid.
    """

    time_ms: IntArray
    open: FloatArray
    close: FloatArray
    funding: FloatArray

    def moves(self) -> FloatArray:
        """Return the simple return of each candle, from its open to the next one's, (N,)."""
        ends = np.append(self.open[1:], self.close[-1])
        out: FloatArray = ends / self.open - 1.0
        return out


@dataclass(frozen=True, kw_only=True)
class HeldExposure:
    """One way to hold exposure, and what became of it.

    Attributes
    ----------
    exposure
        (N,) notional over equity, held from the open of each candle.
    traded
        (N,) notional over equity that was traded at that open.
    """

    name: str
    title: str
    exposure: FloatArray
    traded: FloatArray


def walked(
    target: FloatArray, width: FloatArray, move: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what is held over each candle and what was traded for it, both (N,).

    Parameters
    ----------
    target, width
        (N,) known at the close of each candle; a row that is not known changes nothing.
    move
        (N,) simple return of each candle, from its open to the next one's.

    Notes
    -----
    The first known row is taken up whole, as the strategy enters.

    Examples
    --------
    >>> target, width = np.array([0.5, 0.5, 1.0, 1.0]), np.full(4, 0.2)
    >>> held, traded = walked(target, width, np.zeros(4))
    >>> held, traded
    (array([0. , 0.5, 0.5, 0.8]), array([0. , 0.5, 0. , 0.3]))
    """
    held, entered = 0.0, False
    exposure, traded = np.zeros(len(target)), np.zeros(len(target))
    rows = zip(target.tolist(), width.tolist(), move.tolist(), strict=True)
    decided = wide = float("nan")
    for t, (target_t, width_t, move_t) in enumerate(rows):
        new = held
        if decided == decided and wide == wide:  # a number
            new = nearest_inside(held, decided, wide) if entered else decided
            entered = True
        exposure[t], traded[t] = new, abs(new - held)
        held = new * (1 + move_t) / (1 + new * move_t)
        decided, wide = target_t, width_t
    return exposure, traded


def at_mean(
    sigma_day: FloatArray, mean: float, config: VolatilityTargetConfig, move: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the path of the target risk whose mean exposure is `mean`, no cap on it.

    Parameters
    ----------
    sigma_day
        (N,) volatility of one day, known at each candle's close; NaN where not known.

    Raises
    ------
    InputError
        If no volatility is known.
    """
    inverse = 1.0 / np.where(sigma_day > 0, sigma_day, np.nan)
    if not np.isfinite(inverse).any():
        raise InputError("expected volatilities > 0, got none", where="exposure study")
    risk = mean / float(np.nanmean(inverse))
    for _ in range(_ROUNDS):
        target = risk * inverse
        path = walked(target, no_trade_width(target, config, risk), move)
        risk *= mean / float(path[0].mean())
    return path


def at_turnover(
    sigma_day: FloatArray,
    mean: float,
    turnover: float,
    config: VolatilityTargetConfig,
    move: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the path at `mean` whose band is as wide as makes it trade `turnover` in all.

    What two volatilities are worth can only be told where they cost the same.
    """

    def path(band: float) -> tuple[FloatArray, FloatArray]:
        return at_mean(sigma_day, mean, replace(config, band_frac=band), move)

    return path(_bisected(lambda band: float(path(band)[1].sum()) - turnover))


def _bisected(excess: Callable[[float], float]) -> float:
    """Return where a falling function of the band is 0, or the nearest end of its range."""
    low, high = _NARROW, 0.99
    for _ in range(_ROUNDS):
        middle = float(np.sqrt(low * high))
        if excess(middle) > 0:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))
