"""Stop distance, position size and leverage; pure functions of volatility, equity and limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.base.errors import InputError

# Expected shortfall at 99 % of a Student-t with 4 degrees of freedom, in standard deviations:
# t_q = 3.747, ES = t_pdf(t_q) (4 + t_q^2) / (3 * 0.01) = 5.22, over the t's deviation sqrt(2).
ES99_SIGMAS = 3.69


@dataclass(frozen=True, kw_only=True)
class SizingConfig:
    """How much is risked, and how far away the stop is."""

    risk_per_trade_frac: float = 0.005  # of equity, lost if the stop is hit
    stop_sigmas: float = 3.0  # stop distance in volatilities over the horizon
    min_stop_frac: float = 0.01  # of price; closer stops are noise
    max_stop_frac: float = 0.10
    max_notional_leverage: float = 1.0  # position notional over equity, per position

    def __post_init__(self) -> None:
        if not 0 < self.risk_per_trade_frac <= 0.05:
            raise ValueError(
                f"expected 0 < risk_per_trade_frac <= 0.05, got {self.risk_per_trade_frac}"
            )
        if not 0 < self.min_stop_frac <= self.max_stop_frac < 1:
            raise ValueError("expected 0 < min_stop_frac <= max_stop_frac < 1")
        if not (0 < self.stop_sigmas < math.inf and 0 < self.max_notional_leverage < math.inf):
            raise ValueError("expected stop_sigmas and max_notional_leverage finite and > 0")


def stop_distance_frac(sigma_horizon: float, config: SizingConfig) -> float:
    """Return the stop's distance from entry as a fraction of price.

    Examples
    --------
    >>> stop_distance_frac(0.01, SizingConfig())
    0.03
    """
    _positive("sigma_horizon", sigma_horizon)
    distance = config.stop_sigmas * sigma_horizon
    return min(max(distance, config.min_stop_frac), config.max_stop_frac)


def position_notional_quote(equity_quote: float, stop_frac: float, config: SizingConfig) -> float:
    """Return the notional whose loss at the stop is `risk_per_trade_frac` of equity, capped.

    Examples
    --------
    >>> position_notional_quote(10_000.0, 0.02, SizingConfig())
    2500.0
    """
    _positive("equity_quote", equity_quote)
    _positive("stop_frac", stop_frac)
    risked = equity_quote * config.risk_per_trade_frac / stop_frac
    return min(risked, equity_quote * config.max_notional_leverage)


def leverage_cap(sigma_day: float, max_leverage: float) -> float:
    """Return the highest leverage that keeps liquidation max(3 daily ES99, 15 %) away.

    Parameters
    ----------
    sigma_day
        Volatility of the log return over one day.
    max_leverage
        Limit that volatility cannot raise.

    Examples
    --------
    >>> leverage_cap(0.02, 3.0), round(leverage_cap(0.06, 3.0), 2)
    (3.0, 1.51)
    """
    _positive("sigma_day", sigma_day)
    distance = max(3 * ES99_SIGMAS * sigma_day, 0.15)
    return max(1.0, min(max_leverage, 1.0 / distance))


def isolated_leverage_cap(stop_frac: float, isolated_leverage: float) -> float:
    """Return the highest leverage of a position margined on its own: liquidated beyond its stop.

    The exchange liquidates about ``1 / leverage`` away from the entry; the stop stands at most half
    as far, which leaves room for the maintenance margin and a gap. What is lost is the stake.

    Parameters
    ----------
    stop_frac
        The stop's distance from entry as a fraction of price.
    isolated_leverage
        Limit that volatility cannot raise.

    Examples
    --------
    >>> isolated_leverage_cap(0.01, 20.0), isolated_leverage_cap(0.05, 20.0)
    (20.0, 10.0)
    """
    _positive("stop_frac", stop_frac)
    return max(1.0, min(isolated_leverage, 1.0 / (2 * stop_frac)))


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"expected {name} finite and > 0, got {value}")
