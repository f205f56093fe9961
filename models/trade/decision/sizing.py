"""Stop distance, position size and leverage; pure functions of edge, volatility, equity, limits.

Kelly, "A new interpretation of information rate", Bell System Technical Journal 35, 1956.
"""

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
    max_stop_frac: float = 0.10  # of price; wider ones are cut to it
    max_notional_leverage: float = 1.0  # position notional over equity, per position
    # Of the growth-optimal size for the edge's lower bound: a quarter has 7/16 of the growth at a
    # sixteenth of the variance, and twice an edge that is not there ruins.
    kelly_frac: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.risk_per_trade_frac <= 0.05:
            raise ValueError(
                f"expected 0 < risk_per_trade_frac <= 0.05, got {self.risk_per_trade_frac}"
            )
        if not 0 < self.kelly_frac <= 1:
            raise ValueError(f"expected 0 < kelly_frac <= 1, got {self.kelly_frac}")
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


def kelly_notional_quote(
    edge_low: float,
    cost_frac: float,
    sigma_horizon: float,
    equity_quote: float,
    config: SizingConfig,
) -> float:
    """Return the most an edge's lower bound is worth: `kelly_frac` of the growth-optimal notional.

    (edge_low - cost) / sigma^2 of equity maximises the mean log growth of a position whose return
    has that mean and variance; 0 where the bound does not pay the cost.

    Parameters
    ----------
    edge_low
        Lower bound of the log return over the horizon to the side of the position; < 0 is against.
    cost_frac
        Round-trip cost as a fraction of notional.
    sigma_horizon
        Volatility of the log return over the same horizon.

    Raises
    ------
    InputError
        If edge or cost is not finite, or volatility or equity is not > 0.

    Examples
    --------
    >>> round(kelly_notional_quote(0.0018, 0.0014, 0.01, 10_000.0, SizingConfig()), 6)
    10000.0
    >>> kelly_notional_quote(0.001, 0.0014, 0.01, 10_000.0, SizingConfig())
    0.0
    """
    if not (math.isfinite(edge_low) and math.isfinite(cost_frac)):
        raise InputError(
            f"expected a finite edge and cost, got {edge_low} and {cost_frac}",
            cure='a model without quantiles needs "quantiles" in breakwater.decision.without',
        )
    _positive("sigma_horizon", sigma_horizon)
    _positive("equity_quote", equity_quote)
    net = max(edge_low - cost_frac, 0.0)
    return config.kelly_frac * net / sigma_horizon**2 * equity_quote


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
