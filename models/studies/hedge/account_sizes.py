"""The same hedge in a small account and in a large one: what cannot be ordered, and what it costs.

The position is a share of the equity, rounded as the exchange rounds it, and hedged by the shipped
policy as the strategy leads it: legs that cannot be ordered are folded into one that can. What an
order moves the price grows with the root of its size: ``impact sigma_day sqrt(order / volume)`` of
its notional, volume and volatility those of the 24 hours before.

Source: the square-root law, Almgren et al. 2005, "Direct estimation of equity market impact"; as in
`models.scenarios.liquidations`. Breaks where an order is a large part of a day's volume, and where
the market is thinner than its volume says, as in a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from models.base.types import FloatArray
from models.studies.hedge.effectiveness import effectiveness
from models.studies.hedge.ladder import Scene
from models.trade.hedging.baseline import baseline, limited_ratio
from models.trade.hedging.rounding import OrderRules, executable
from models.trade.hedging.simulate import HedgePath, PolicyDecider, simulate

ACCOUNTS_QUOTE: Final = (300.0, 3_000.0, 30_000.0, 3_000_000.0)
POSITION_FRAC: Final = 0.2  # of the equity, at the start
IMPACT: Final = 1.0  # of a day's volatility, for an order as large as a day's volume
_DAY: Final = 24
_YEAR_HOURS: Final = 365.25 * _DAY


@dataclass(frozen=True, kw_only=True)
class KnownLiquidity:
    """What is known of the markets at each row's open, (N, 1 + K), the primary first."""

    daily_quote: FloatArray  # traded in the 24 hours before
    sigma_day: FloatArray  # volatility of a day's return, of the same hours

    def impact_frac(self, row: int, market: int, notional_quote: float) -> float:
        """Return how far an order moves the price against itself, of its notional.

        Examples
        --------
        >>> day = KnownLiquidity(daily_quote=np.array([[1e6]]), sigma_day=np.array([[0.04]]))
        >>> day.impact_frac(0, 0, 1e4)
        0.004
        """
        volume = float(self.daily_quote[row, market])
        moved = IMPACT * float(self.sigma_day[row, market])
        return float(moved * np.sqrt(notional_quote / volume)) if volume > 0 else np.inf

    def impact_fracs(self, market: int, notional_quote: float) -> FloatArray:
        """Return the same at every row, (N,)."""
        volume, moved = self.daily_quote[:, market], IMPACT * self.sigma_day[:, market]
        with np.errstate(divide="ignore"):
            return np.where(volume > 0, moved * np.sqrt(notional_quote / volume), np.inf)


def liquidity(close: FloatArray, volume_base: FloatArray, day: int = _DAY) -> KnownLiquidity:
    """Return the liquidity of candles, `day` to a day, (N, 1 + K) each; the first is not known.

    Row t uses candles before t only.
    """
    traded, sigma = np.full(close.shape, np.nan), np.full(close.shape, np.nan)
    quote = np.cumsum(np.vstack([np.zeros(close.shape[1]), volume_base * close]), axis=0)
    moves = np.diff(np.log(close), axis=0) ** 2
    squares = np.cumsum(np.vstack([np.zeros(close.shape[1]), moves]), axis=0)
    traded[day:] = quote[day:-1] - quote[: -day - 1]
    # Of the returns between the closes before: one less for the very first day.
    sigma[day + 1 :] = np.sqrt(squares[day:-1] - squares[: -day - 1])
    return KnownLiquidity(daily_quote=traded, sigma_day=sigma)


def by_account(
    scene: Scene,
    rules: Sequence[OrderRules],
    market: KnownLiquidity,
    rng: np.random.Generator,
    accounts: Sequence[float] = ACCOUNTS_QUOTE,
    order_margin: float = 1.0,
) -> list[dict[str, Any]]:
    """Return one row per account, fractions of the position a year where they are costs.

    Parameters
    ----------
    rules
        Of the primary, then of each hedge.
    order_margin
        Orders are planned no smaller than this times the exchange's smallest: the price may move
        before they are filled.
    """
    target, width = baseline(
        scene.primary.close, np.column_stack([m.close for m in scene.hedges]), scene.baseline
    )
    aim = limited_ratio(target, scene.policy.max_ratio)
    aim[: max(scene.start - 1, 0)] = np.nan
    smallest = [order_margin * r.min_notional_quote for r in rules[1:]]
    return [_row(scene, rules, market, aim, width, smallest, equity, rng) for equity in accounts]


def _row(
    scene: Scene,
    rules: Sequence[OrderRules],
    market: KnownLiquidity,
    aim: FloatArray,
    width: FloatArray,
    smallest_quote: Sequence[float],
    equity: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    price = float(scene.primary.open[scene.start])
    amount = executable(POSITION_FRAC * equity / price, 0.0, price, rules[0])
    if not amount > 0:
        return {"equity_quote": equity, "position_quote": 0.0}
    hedges = [replace(m, rules=r) for m, r in zip(scene.hedges, rules[1:], strict=True)]
    sized = replace(scene, amount_base=np.sign(scene.amount_base) * amount, hedges=hedges)
    decider = PolicyDecider(
        aim, width, scene.policy, notional_quote=amount * scene.primary.close,
        smallest_quote=smallest_quote,
    )  # fmt: skip
    path = simulate(
        scene.time_ms, sized.primary, sized.amount_base, hedges, decider, scene.costs
    )  # fmt: skip
    impact, largest = _impact(sized, path, market)
    paid = replace(path, hedge_pnl=path.hedge_pnl - impact, cost=path.cost + impact)
    r = sized.returns(paid)
    years, held = len(r.time_ms) / _YEAR_HOURS, path.ratio[scene.start :]
    share = impact[scene.start :] / path.notional[scene.start :]
    wanted = aim[scene.start : -1].sum(axis=1)  # decided at a close, held from the next row on
    short = np.maximum(wanted - held[1:].sum(axis=1), 0.0)
    return {
        "equity_quote": equity,
        "position_quote": amount * price,
        "unhedged": float(np.nansum(short) / np.nansum(wanted)),
        "without_leg": [float(np.mean(held[:, k] == 0)) for k in range(held.shape[1])],
        "trades": len(path.fills),
        "effectiveness": effectiveness(r, rng)["effectiveness"],
        "es99": effectiveness(r, rng)["es99"],
        "cost_year": float(r.cost.sum() - share.sum()) / years,
        "impact_year": float(share.sum()) / years,
        "largest_of_day": largest,
        "opening_impact": market.impact_frac(scene.start, 0, amount * price),
        "opening_of_hour": amount * price / (float(market.daily_quote[scene.start, 0]) / _DAY),
    }


def _impact(scene: Scene, path: HedgePath, market: KnownLiquidity) -> tuple[FloatArray, float]:
    """Return what the hedge's fills moved against themselves, (N,) quote; the largest of a day."""
    out, largest = np.zeros(len(scene.time_ms)), 0.0
    legs = {m.pair: 1 + k for k, m in enumerate(scene.hedges)}
    for fill in path.fills:
        row, leg = int(np.searchsorted(scene.time_ms, fill.time_ms)), legs[fill.pair]
        notional = abs(fill.amount_base) * fill.price_quote
        out[row] += notional * market.impact_frac(row, leg, notional)
        largest = max(largest, notional / float(market.daily_quote[row, leg]))
    return out, largest
