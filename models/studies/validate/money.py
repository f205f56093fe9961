"""What a way to trade a model earned: every day, in every kind of market, dearer, later, larger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.errors import AlignmentError
from models.base.types import FloatArray, IntArray
from models.evaluate.metrics.equity import sharpe
from models.studies.compare.money import (
    by_day,
    entries_of,
    positions,
    row_returns,
    sides_taken,
)
from models.studies.compare.records import ComparedModel, Trading, Truth
from models.studies.hedge.account_sizes import KnownLiquidity
from models.studies.hedge.crashes import NAMED
from models.studies.maker.rules import confident
from models.studies.validate.regimes import MARKET_KINDS

COSTS: Final = (1.0, 2.0, 3.0)  # times the round trip
LATE: Final = (1, 2, 3)  # candles
SIZES_QUOTE: Final = (3_000.0, 30_000.0, 300_000.0, 3_000_000.0)
CRASH_IMPACT: Final = 5.0  # times as far is the price moved in a named crash
_SURE: Final = 0.1  # share of rows that count as "most confident"
_SURE_ROWS: Final = 2_160  # its bar is made of so many rows before


@dataclass(frozen=True, kw_only=True)
class JudgedMarket:
    """The market over the tested rows, all (N,).

    Attributes
    ----------
    regime
        Of each row's own close: `models.studies.validate.regimes.market_regimes`.
    liquidity
        Known at each row's open; (N, 1) each.
    """

    truth: Truth
    close: FloatArray
    regime: IntArray
    liquidity: KnownLiquidity

    def __post_init__(self) -> None:
        n = len(self.truth.time_ms)
        wrong = [len(a) for a in (self.close, self.regime, self.liquidity.sigma_day) if len(a) != n]
        if wrong:
            raise AlignmentError(f"expected {n} rows of the market, got {wrong}")


@dataclass(frozen=True, kw_only=True)
class TradingStyle:
    """How trades are made of forecasts."""

    name: str
    title: str
    sides: Callable[[ComparedModel, Trading, Truth], list[IntArray]]


def _sure(entry: ComparedModel, trading: Trading, truth: Truth) -> list[IntArray]:
    return [
        positions(confident(f, _SURE, _SURE_ROWS), truth.horizon_candles) for f in entry.forecasts
    ]


STYLES_JUDGED: Final = (
    TradingStyle(name="rules", title="the pack's rules", sides=lambda m, t, _: sides_taken(m, t)),
    TradingStyle(name="surest", title="surest tenth", sides=_sure),
)


@dataclass(frozen=True, kw_only=True)
class TradedSeed:
    """One seed's positions and what they returned."""

    position: IntArray  # (N,)
    rows: FloatArray  # (N,) log return after costs
    daily: FloatArray  # (D,)


def traded_seeds(
    entry: ComparedModel, style: TradingStyle, truth: Truth, trading: Trading
) -> list[TradedSeed]:
    """Return what every seed of a model earned in a style."""
    found = []
    for side in style.sides(entry, trading, truth):
        rows = row_returns(side, truth, trading.cost_frac)
        daily = by_day(truth.time_ms, rows)
        found.append(TradedSeed(position=side, rows=rows, daily=daily))
    return found


def worst_seed(seeds: Sequence[TradedSeed]) -> int:
    """Return which seed did worst: nobody knows beforehand which one he gets.

    By its Sharpe ratio; one that never traded has 0.
    """
    return int(np.argmin([np.nan_to_num(float(sharpe(seed.daily))) for seed in seeds]))


def conditions(side: IntArray, market: JudgedMarket, trading: Trading) -> dict[str, Any]:
    """Return the log return over the span at other costs, delays and sizes, by their names."""
    truth, cost = market.truth, trading.cost_frac
    return {
        "costs": {f"{k:g}": float(row_returns(side, truth, k * cost).sum()) for k in COSTS},
        "late": {str(k): float(row_returns(side, truth, cost, k).sum()) for k in LATE},
        "gross": float(row_returns(side, truth, 0.0).sum()),
        "sizes": {
            f"{size:g}": float(row_returns(side, truth, cost + _impact(market, size)).sum())
            for size in SIZES_QUOTE
        },
        "trades": entries_of(side),
    }


def _impact(market: JudgedMarket, size_quote: float) -> FloatArray:
    """Return what an order of a size moves the price on each row, both ways of a round trip, (N,).

    Five times as far in a named crash: the market is thinner than the day's volume says.
    """
    once = market.liquidity.impact_fracs(0, size_quote)
    once = np.where(np.isfinite(once), once, 0.0)
    inside = np.zeros(len(once), dtype=np.bool_)
    for crash in NAMED:
        t = market.truth.time_ms
        inside |= (t >= crash.start_ms) & (t < crash.stop_ms)
    return 2.0 * once * np.where(inside, CRASH_IMPACT, 1.0)


def money_by_regime(seed: TradedSeed, market: JudgedMarket) -> list[dict[str, Any]]:
    """Return, for each kind of market, its share of rows and what the model and the coin made.

    A row counts where its position was decided: by the regime of the close before.
    """
    before = np.concatenate(([-1], market.regime[:-1]))
    coin = _coin(market)
    return [
        {
            "name": name,
            "rows_frac": float(np.mean(before == number)),
            "net": float(seed.rows[before == number].sum()),
            "coin": float(coin[before == number].sum()),
        }
        for number, name in enumerate(MARKET_KINDS)
    ]


def money_by_crash(seed: TradedSeed, market: JudgedMarket) -> list[dict[str, Any]]:
    """Return what the model and the coin made in each named crash; NaN where it is not tested."""
    coin, t = _coin(market), market.truth.time_ms
    end_ms = int(t[-1]) + market.truth.candle_ms
    out = []
    for crash in NAMED:
        inside = (t >= crash.start_ms) & (t < crash.stop_ms)
        whole = int(t[0]) <= crash.start_ms and crash.stop_ms <= end_ms
        out.append({
            "name": crash.name,
            "net": float(seed.rows[inside].sum()) if whole else np.nan,
            "coin": float(coin[inside].sum()) if whole else np.nan,
            "held": float((seed.position[inside] != 0).mean()) if whole else np.nan,
        })  # fmt: skip
    return out


def _coin(market: JudgedMarket) -> FloatArray:
    """Return the log return of one unit of the coin from each row's open to the next, (N,)."""
    return np.append(np.diff(np.log(market.truth.open)), 0.0)


def worst_of(parts: Sequence[Mapping[str, Any]]) -> tuple[str, float]:
    """Return the name and the return of the part that lost most; ("", NaN) if none is known."""
    known = [part for part in parts if np.isfinite(part["net"])]
    if not known:
        return "", float("nan")
    worst = min(known, key=lambda part: float(part["net"]))
    return str(worst["name"]), float(worst["net"])
