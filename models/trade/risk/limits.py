"""Thresholds of the guards, outside the model's reach.

`HardLimits` are exact. `GuardConfig` holds the breakers: those marked soft are moved to the strict
side by up to `jitter_frac`, differently on every installation, so that copies of the bot do not
act in step. Both can be lowered in the config; nothing changes them at run time.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass, field
from typing import Any, Final

from models.base.columns import LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS
from models.base.errors import ConfigError
from models.serve.latency import SLOW_MS

HARD_MAX_LEVERAGE: Final = 5.0  # no config raises these
HARD_MAX_WORST_HOUR_LOSS_FRAC: Final = 0.25
HARD_MAX_ISOLATED_LEVERAGE: Final = 20.0
HARD_MAX_ISOLATED_EQUITY_FRAC: Final = 0.01


_POSITIVE: Final = math.ulp(0.0)  # the least number > 0


def _at_most(
    default: float, most: float = math.inf, *, least: float = _POSITIVE, soft: bool = False
) -> Any:
    """Return a field that is stricter when lower, of values in [least, most]."""
    told = {"least": least, "most": most, "soft": soft, "lower": True}
    return field(default=default, metadata=told)


def _at_least(
    default: float, most: float = math.inf, *, least: float = 0.0, soft: bool = False
) -> Any:
    """Return a field that is stricter when higher, of values in [least, most]."""
    told = {"least": least, "most": most, "soft": soft, "lower": False}
    return field(default=default, metadata=told)


@dataclass(frozen=True, kw_only=True)
class HardLimits:
    """Exact limits on orders, exposure, margin and loss; `breakwater.limits` in the config."""

    max_leverage: float = _at_most(3.0, HARD_MAX_LEVERAGE, least=1.0)  # per position
    max_gross_leverage: float = _at_most(3.0)  # sum of |notional| over usable equity
    max_net_leverage: float = _at_most(2.0)  # |sum of signed notional| over usable equity
    max_order_equity_frac: float = _at_most(0.05)  # notional of one order over usable equity
    max_order_volume_frac: float = _at_most(0.01, 1.0)  # notional over the last hour's volume
    # Of the equity, in a repeat of the worst hour recorded of each coin held, through every stop.
    worst_hour_loss_frac: float = _at_most(0.25, HARD_MAX_WORST_HOUR_LOSS_FRAC)
    reserve_quote: float = _at_least(0.0)  # part of the equity the bot may never use
    planned_withdrawals_quote: float = _at_least(0.0)  # promised elsewhere: the same
    # Leverage above max_leverage exists only for a position margined on its own whose risk a person
    # has acknowledged, and for a stake of at most this share of equity. 0 is off.
    isolated_leverage: float = _at_most(0.0, HARD_MAX_ISOLATED_LEVERAGE, least=0.0)
    isolated_equity_frac: float = _at_most(
        0.01, HARD_MAX_ISOLATED_EQUITY_FRAC
    )  # of equity, staked there
    # Maintenance margin over equity; the exchange liquidates at 1.
    margin_warn: float = _at_most(0.3, 1.0)
    margin_reduce: float = _at_most(0.5, 1.0)  # no new risk
    margin_flatten: float = _at_most(0.7, 1.0)  # close in stages
    # Between the exchange's own ratio and the pack's. The worse one decides anyway; a gap this wide
    # could hide a step from one of the thresholds above to the next.
    max_margin_gap: float = _at_most(0.05, 1.0)
    min_distance_frac: float = _at_least(0.15, 1.0)  # adverse move of all legs to liquidation
    distance_es99_days: float = _at_least(3.0)  # and at least so many daily ES 99 %
    # Loss of open equity that halts; a person re-arms.
    loss_day_frac: float = _at_most(0.02, 1.0)
    loss_week_frac: float = _at_most(0.05, 1.0)  # the same over a week
    loss_peak_frac: float = _at_most(0.10, 1.0)  # this one also closes in stages

    def __post_init__(self) -> None:
        _check_ranges(self, "breakwater.limits")
        if not self.margin_warn <= self.margin_reduce <= self.margin_flatten:
            raise ConfigError(
                f"expected margin_warn <= margin_reduce <= margin_flatten, got "
                f"{self.margin_warn:g}, {self.margin_reduce:g}, {self.margin_flatten:g}",
                where="breakwater.limits",
            )


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """Breakers on the order, the market and the model; `breakwater.guards` in the config."""

    collar_mark_frac: float = _at_most(0.01, 1.0)  # order's price from the mark
    collar_index_frac: float = _at_most(0.005, 1.0)  # and from the index
    max_gap_frac: float = _at_most(0.01, 1.0, soft=True)  # between any two of the prices
    max_orders_per_minute: int = _at_most(10, least=1)  # of the whole bot
    max_repeats: int = _at_most(3, least=1)  # same pair and side within the window, then a person
    repeat_window_s: float = _at_least(3600.0)  # of max_repeats
    max_funding_8h_frac: float = _at_most(0.001, soft=True)  # paid by the position
    # A cascade against the position is near where warning of it is wrong so seldom, or more so.
    false_alarms_per_week: float = _at_least(
        0.25, MOST_FALSE_ALARMS, least=LEAST_FALSE_ALARMS, soft=True
    )
    cascade_shed_frac: float = _at_least(0.5, 1.0)  # closed in stages when one is near
    price_warn_s: float = _at_most(3.0)  # age of the newest price
    price_stop_s: float = _at_most(10.0, soft=True)  # no new risk
    price_silent_s: float = _at_most(60.0)  # reducing
    max_candle_age: float = _at_most(1.0)  # of the last analysed candle, in candles
    # What nobody answers for: new risk is refused at once, a person told, then only reduced.
    unknown_told_s: float = _at_most(60.0, 60.0)
    unknown_reduce_s: float = _at_most(180.0, 180.0)  # and only reduced after so long
    # Measured: `models.data.feeds.agreement`. Both need a second source.
    max_source_gap_frac: float = _at_most(0.003, 1.0)  # between the closes of two venues
    max_source_age: float = _at_most(2.0)  # of the last candle compared, in candles
    max_spread_frac: float = _at_most(0.001, 1.0, soft=True)  # between best bid and ask
    max_depth_frac: float = _at_most(0.10, 1.0, soft=True)  # of the visible side an order may take
    max_novelty: float = _at_most(1.0)  # median of a day; the model's own scale
    max_drift: float = _at_most(1.0)  # of 256 candles from the training's; the model's own scale
    min_coverage: float = _at_least(0.75, 0.9)  # of the 90 % interval on known outcomes
    min_outcomes: int = _at_most(200, least=1)  # known before the coverage is judged
    max_latency_ms: float = _at_most(SLOW_MS)  # p99 of candle close -> order; slow beyond
    max_latency_frac: float = _at_most(0.01, 1.0)  # of a candle, which a slow bot may take
    step_volume_frac: float = _at_most(0.05, 0.05)  # of the volume, per step of a reduction
    jitter_frac: float = _at_least(0.2, 0.5)  # how much stricter soft ones are drawn, at most

    def __post_init__(self) -> None:
        _check_ranges(self, "breakwater.guards")
        if not self.price_warn_s <= self.price_stop_s <= self.price_silent_s:
            raise ConfigError(
                f"expected price_warn_s <= price_stop_s <= price_silent_s, got "
                f"{self.price_warn_s:g}, {self.price_stop_s:g}, {self.price_silent_s:g}",
                where="breakwater.guards",
            )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What every guard is handed."""

    hard: HardLimits = field(default_factory=HardLimits)
    soft: GuardConfig = field(default_factory=GuardConfig)


def jittered(config: GuardConfig, seed: int | None) -> GuardConfig:
    """Return `config` with every soft threshold drawn in [1 - jitter_frac, 1] times itself.

    One that is stricter when higher is divided by as much. Never to the loose side, and never a
    hard limit. None, as in backtests, changes nothing.

    Parameters
    ----------
    seed
        Secret of the installation, the same at every start.
    """
    if seed is None:
        return config
    draw = random.Random(seed)
    drawn: dict[str, Any] = {}
    for f in dataclasses.fields(config):
        if f.metadata["soft"]:
            share, value = 1 - config.jitter_frac * draw.random(), getattr(config, f.name)
            stricter = value * share if f.metadata["lower"] else value / share
            drawn[f.name] = min(stricter, f.metadata["most"])
    # A warning must not come later than the stop it warns of.
    drawn["price_stop_s"] = max(drawn["price_stop_s"], config.price_warn_s)
    return dataclasses.replace(config, **drawn)


def _check_ranges(config: HardLimits | GuardConfig, where: str) -> None:
    wrong = [
        f"{_range(f)}, got {getattr(config, f.name)}"
        for f in dataclasses.fields(config)
        if not _is_inside(getattr(config, f.name), f)
    ]
    if wrong:
        raise ConfigError(
            f"expected {'; '.join(wrong)}", where=where, cure="choose values within the hard limits"
        )


def _is_inside(value: float, f: dataclasses.Field[Any]) -> bool:
    return math.isfinite(value) and f.metadata["least"] <= value <= f.metadata["most"]


def _range(f: dataclasses.Field[Any]) -> str:
    least, most = f.metadata["least"], f.metadata["most"]
    low = "0 <" if least == _POSITIVE else f"{least:g} <="
    return f"{low} {f.name} < inf" if math.isinf(most) else f"{low} {f.name} <= {most:g}"
