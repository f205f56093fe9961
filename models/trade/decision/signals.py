"""From forecast columns to entry and exit signals; pure, vectorised, one rule set for all models.

No voting: hazard, abstention and missing numbers each veto. Adding a warning (a higher hazard, a
set abstain flag, a smaller slope of the edge, a NaN) can only remove an entry, never create one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.base import columns
from models.base.heads import quantile_mean
from models.base.types import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class DecisionConfig:
    """When a forecast is worth acting on."""

    # Least the edge's lower bound (`models.base.columns.EDGE_LOW`) has to be, in round-trip costs.
    min_edge_costs: float = 1.0
    min_advantage: float = 0.05  # probability of the side minus that of the other
    # Leave when the other side leads by more than this. Leaving at every lead pays a round trip for
    # what may be noise: calibrated forecasts of AUC .56 to .60 (`breakwater probe oracle`) earned
    # 12 to 18 % a year more with 0.1 than with 0, those of .53 and .54 no less.
    exit_advantage: float = 0.1
    # A hazard against the position is a danger where warning of it is wrong so seldom, or more so:
    # the model's own threshold (`models.base.columns.FALSE_ALARMS_DOWN`). More is stricter.
    false_alarms_per_week: float = 0.25
    max_hold_candles: int = 24  # a forecast over a few hours is no reason to hold for days
    # Heads whose rules are waived: "quantiles" (the edge), "hazard" (the veto). For
    # models that do not have them, which otherwise never enter; a person has to write it down.
    without: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("min_edge_costs", "min_advantage", "exit_advantage"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and >= 0, got {getattr(self, name)}")
        if (
            not columns.LEAST_FALSE_ALARMS
            <= self.false_alarms_per_week
            <= columns.MOST_FALSE_ALARMS
        ):
            raise ValueError(
                f"expected {columns.LEAST_FALSE_ALARMS:g} <= false_alarms_per_week <= "
                f"{columns.MOST_FALSE_ALARMS:g}, got {self.false_alarms_per_week}"
            )
        strange = sorted(set(self.without) - set(columns.OF_HEAD))
        if strange or isinstance(self.without, str):
            raise ValueError(
                f"expected without to list some of {sorted(columns.OF_HEAD)}, got {self.without!r}"
            )
        if self.max_hold_candles < 1:
            raise ValueError(f"expected max_hold_candles >= 1, got {self.max_hold_candles}")


@dataclass(frozen=True)
class Signals:
    """Per row: side to enter (-1, 0, +1), and whether to leave a long or a short."""

    side: NDArray[np.int8]
    exit_long: BoolArray
    exit_short: BoolArray


def expected_return(forecast: Mapping[str, FloatArray]) -> FloatArray:
    """Return the mean of each row's forecast distribution, (N,) log return over the horizon.

    What the model claims, before anybody looked how much of it comes true.
    """
    return quantile_mean(np.column_stack([forecast[name] for name in columns.RETURN_QUANTILES]))


def signals(
    forecast: Mapping[str, FloatArray],
    do_predict: FloatArray,
    cost_frac: float,
    config: DecisionConfig,
) -> Signals:
    """Decide every row from its own forecast only; known at the close of the row's candle.

    Parameters
    ----------
    forecast
        Column name -> (N,), the names of `models.base.columns.FORECAST`.
    do_predict
        (N,) 1 where FreqAI vouches for the row.
    cost_frac
        Round-trip cost as a fraction of notional.

    Notes
    -----
    The edge is a log return and the cost a fraction of notional; they are compared as they are. A
    long's gain exp(r) - 1 is above r, a short's 1 - exp(-r) below it, by r^2 / 2: 0.01 bp at 14 bp.

    The claim must be on the side too, which says something where nothing of it is believed: with a
    bar of 0 a smaller slope would else let in what the claim itself is against.
    """
    with np.errstate(invalid="ignore"):
        usable = (do_predict == 1) & (forecast[columns.ABSTAIN] == 0)
        advantage = forecast[columns.P_UP] - forecast[columns.P_DOWN]
        claimed, edge = expected_return(forecast), forecast[columns.EDGE_LOW]
        needed = config.min_edge_costs * cost_frac
        any_edge = columns.HEAD_QUANTILES in config.without
        any_hazard = columns.HEAD_HAZARD in config.without
        false_long = forecast[columns.FALSE_ALARMS_DOWN]
        false_short = forecast[columns.FALSE_ALARMS_UP]
        safe_long = any_hazard | (false_long > config.false_alarms_per_week)
        safe_short = any_hazard | (false_short > config.false_alarms_per_week)
        pays_long = any_edge | ((edge >= needed) & (claimed >= 0))
        pays_short = any_edge | ((-edge >= needed) & (claimed <= 0))
        want_long = (advantage >= config.min_advantage) & pays_long
        want_short = (-advantage >= config.min_advantage) & pays_short
        # Decided before the vetoes: a danger to one side must not make the other one win a tie.
        go_long = want_long & ~want_short & usable & safe_long
        go_short = want_short & ~want_long & usable & safe_short
        # Leaving needs no permission: a known danger is enough, and a lead of the other side.
        danger_long = false_long <= config.false_alarms_per_week
        danger_short = false_short <= config.false_alarms_per_week
        exit_long = danger_long | (usable & (advantage < -config.exit_advantage))
        exit_short = danger_short | (usable & (advantage > config.exit_advantage))
    side = np.where(go_long & ~exit_long, 1, np.where(go_short & ~exit_short, -1, 0))
    return Signals(side.astype(np.int8), exit_long, exit_short)
