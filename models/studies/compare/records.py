"""What is compared: forecasts of several seeds, what happened, and how they are traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.base.types import FloatArray, IntArray
from models.trade.decision.signals import DecisionConfig


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What happened on the tested rows, all (N,), oldest first."""

    time_ms: IntArray
    outcome_class: FloatArray  # -1, 0, 1; NaN where unknown
    outcome_return: FloatArray  # log return over the horizon; NaN where unknown
    open: FloatArray  # candle t's open price
    horizon_candles: int
    candle_ms: int


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One model's forecasts of the tested rows.

    Attributes
    ----------
    forecasts
        One per seed: forecast column -> (N,).
    fit_seconds, parameters
        Means over folds and seeds.
    absent
        Heads it does not have; the rules of its trading do without them.
    """

    name: str
    title: str
    forecasts: Sequence[Mapping[str, FloatArray]]
    fit_seconds: float
    parameters: float
    absent: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Trading:
    """How positions are made of forecasts and what they cost."""

    cost_frac: float  # round trip, of notional
    decision: DecisionConfig
