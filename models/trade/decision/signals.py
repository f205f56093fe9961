"""From forecast columns to entry and exit signals; pure, vectorised, one rule set for all models.

No voting: hazard, abstention and missing numbers each veto. Adding a warning (a higher hazard, a
set abstain flag, a NaN) can only remove an entry, never create one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base import columns
from models.base.types import BoolArray, FloatArray

# Weights of the 5, 25, 50, 75 and 95 % quantiles in the mean of the forecast distribution:
# trapezoids between the levels, tails held at the outer quantiles.
_MEAN_WEIGHTS: Final = np.array([0.15, 0.225, 0.25, 0.225, 0.15])


@dataclass(frozen=True, kw_only=True)
class DecisionConfig:
    """When a forecast is worth acting on."""

    min_edge_costs: float = 1.0  # expected return per trade, in round-trip costs
    min_advantage: float = 0.05  # probability of the side minus that of the other
    exit_advantage: float = 0.0  # leave when the other side leads by more than this
    max_hazard: float = 0.25  # P(cascade against the position within the cascade horizon)
    max_hold_candles: int = 24  # a forecast over a few hours is no reason to hold for days
    # Heads whose rules are waived: "quantiles" (the expected return), "hazard" (the veto). For
    # models that do not have them, which otherwise never enter; a person has to write it down.
    without: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("min_edge_costs", "min_advantage", "exit_advantage"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and >= 0, got {getattr(self, name)}")
        if not 0 < self.max_hazard <= 1:
            raise ValueError(f"expected 0 < max_hazard <= 1, got {self.max_hazard}")
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
    """Return the mean of each row's forecast distribution, (N,) log return over the horizon."""
    q = np.column_stack([forecast[name] for name in columns.RETURN_QUANTILES])  # (N, 5)
    out: FloatArray = q @ _MEAN_WEIGHTS
    return out


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
    """
    with np.errstate(invalid="ignore"):
        usable = (do_predict == 1) & (forecast[columns.ABSTAIN] == 0)
        advantage = forecast[columns.P_UP] - forecast[columns.P_DOWN]
        edge = expected_return(forecast)
        needed = config.min_edge_costs * cost_frac
        any_edge = columns.HEAD_QUANTILES in config.without
        any_hazard = columns.HEAD_HAZARD in config.without
        hazard_long = forecast[columns.LABEL_CASCADE_DOWN]
        hazard_short = forecast[columns.LABEL_CASCADE_UP]
        safe_long = any_hazard | (hazard_long < config.max_hazard)
        safe_short = any_hazard | (hazard_short < config.max_hazard)
        want_long = (advantage >= config.min_advantage) & (any_edge | (edge >= needed))
        want_short = (-advantage >= config.min_advantage) & (any_edge | (-edge >= needed))
        # Decided before the vetoes: a danger to one side must not make the other one win a tie.
        go_long = want_long & ~want_short & usable & safe_long
        go_short = want_short & ~want_long & usable & safe_short
        # Leaving needs no permission: a known danger is enough, and a lead of the other side.
        danger_long = hazard_long >= config.max_hazard
        danger_short = hazard_short >= config.max_hazard
        exit_long = danger_long | (usable & (advantage < -config.exit_advantage))
        exit_short = danger_short | (usable & (advantage > config.exit_advantage))
    side = np.where(go_long & ~exit_long, 1, np.where(go_short & ~exit_short, -1, 0))
    return Signals(side.astype(np.int8), exit_long, exit_short)
