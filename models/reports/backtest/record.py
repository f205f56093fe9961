"""The run a report is made from: everything it shows, as arrays and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from models.base.columns import FORECAST
from models.base.errors import AlignmentError, InputError
from models.base.types import Candles, FloatArray, IntArray
from models.evaluate.explain import Explanation, Importance
from models.trade.account.audit import AccountAudit
from models.trade.decision.signals import DecisionConfig


@dataclass(frozen=True, kw_only=True)
class TradeRecord:
    """One closed trade as the engine booked it."""

    pair: str
    side: int  # +1 long, -1 short
    open_ms: int
    close_ms: int
    open_rate: float  # quote per base
    close_rate: float
    amount_base: float  # > 0 for both sides
    leverage: float
    stake_quote: float
    fee_quote: float  # both sides, positive = paid
    funding_quote: float  # positive = received
    profit_quote: float  # the engine's, after fees and funding
    enter_tag: str = ""
    exit_reason: str = ""

    def __post_init__(self) -> None:
        if self.side not in (-1, 1):
            raise InputError(f"expected side +1 or -1, got {self.side}", where=self.pair)

    @property
    def gross_quote(self) -> float:
        """Profit from price alone, quote units."""
        return self.side * self.amount_base * (self.close_rate - self.open_rate)


@dataclass(frozen=True, kw_only=True)
class ForecastSeries:
    """One pair's forecasts and what came of them, all arrays (N,), oldest first.

    Attributes
    ----------
    values
        Column name (of `models.base.columns.FORECAST`) to values; NaN where the model gave none.
    do_predict
        1 where the forecast may be acted on.
    outcome_return
        Realised log return over the horizon, NaN where unknown.
    outcome_class
        -1, 0 or 1; NaN where unknown.
    outcome_cascade_down, outcome_cascade_up
        Candles to the next onset, horizon + 1 where none came, NaN where unknown.
    cascade_horizon_candles
        0 takes the largest outcome minus one, which is right wherever an uneventful row exists.
    """

    pair: str
    time_ms: IntArray
    values: Mapping[str, FloatArray]
    do_predict: FloatArray
    horizon_candles: int
    cost_frac: float
    outcome_return: FloatArray
    outcome_class: FloatArray
    outcome_cascade_down: FloatArray
    outcome_cascade_up: FloatArray
    cascade_horizon_candles: int = 0

    def __post_init__(self) -> None:
        n = len(self.time_ms)
        arrays = {
            **self.values,
            "do_predict": self.do_predict,
            "outcome_return": self.outcome_return,
            "outcome_class": self.outcome_class,
            "outcome_cascade_down": self.outcome_cascade_down,
            "outcome_cascade_up": self.outcome_cascade_up,
        }
        wrong = [f"{name} has {len(a)}" for name, a in arrays.items() if len(a) != n]
        if wrong:
            raise AlignmentError(f"expected {n} rows: {', '.join(wrong)}", where=self.pair)
        unknown = sorted(set(self.values) - set(FORECAST))
        if unknown:
            raise InputError(
                f"unknown forecast columns {unknown}",
                where=self.pair,
                cure="use the names in models.base.columns",
            )

    def column(self, name: str) -> FloatArray:
        """Return a forecast column, all NaN if the model does not have it."""
        found = self.values.get(name)
        return np.full(len(self.time_ms), np.nan) if found is None else found


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """One training of one pair's model."""

    pair: str
    trained_until_ms: int
    manifest: Mapping[str, Any]  # of the artifact


@dataclass(frozen=True, kw_only=True)
class DrivenForecast:
    """One forecast taken apart, and why it was picked."""

    which: str  # for example "best trade"
    pair: str
    explanation: Explanation


@dataclass(frozen=True, kw_only=True)
class Drivers:
    """What drove a run's forecasts: some of them one by one, and a sample of all by pair."""

    forecasts: tuple[DrivenForecast, ...] = ()
    overview: Mapping[str, Importance] = field(default_factory=dict)
    missing: str = ""  # why there is nothing to show


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a model that knows volatility only says of the same rows."""

    title: str = ""
    p: Mapping[str, FloatArray] = field(default_factory=dict)  # by pair: (N, 3) down, flat, up
    missing: str = ""  # why there is none


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished backtest."""

    title: str
    strategy: str
    model: str
    pairs: tuple[str, ...]
    timeframe: str
    candle_ms: int
    start_ms: int  # open time of the first candle
    stop_ms: int  # open time of the last candle, itself included
    stake_currency: str
    start_wallet_quote: float
    engine: Mapping[str, Any]  # the engine's own totals: final_balance, profit_total_abs, ...
    candles: Mapping[str, Candles]
    trades: tuple[TradeRecord, ...]
    forecasts: tuple[ForecastSeries, ...]
    trainings: tuple[TrainingRecord, ...]
    audit: AccountAudit
    data_label: Literal["real", "simulated"]
    data_source: str
    data_sha256: str
    commit: str
    config: Mapping[str, Any]  # as it was; what is shown of it: models.reports.redaction
    seeds: Mapping[str, int]
    command: str
    created_ms: int
    datadir: str = ""  # where the candles lie
    failures: tuple[str, ...] = field(default=())
    min_edge_costs: float = 1.0  # of the rule for entries, in round-trip costs
    edge_waived: bool = False  # whether entries were asked for no edge at all
    decision: DecisionConfig | None = None  # None: the strategy has rules of its own
    refused: Mapping[str, int] = field(default_factory=dict)  # reason of the guards -> how often
    model_dir: str = ""  # where the run left its models
    drivers: Drivers = field(default_factory=lambda: Drivers(missing="nobody asked for it"))
    reference: Reference = field(default_factory=lambda: Reference(missing="nobody asked for it"))

    def __post_init__(self) -> None:
        if self.data_label not in ("real", "simulated"):
            raise InputError(f"expected data_label 'real' or 'simulated', got {self.data_label!r}")
        if not self.start_wallet_quote > 0:
            raise InputError(f"expected start_wallet_quote > 0, got {self.start_wallet_quote}")
        if self.stop_ms <= self.start_ms:
            raise InputError(f"expected start < stop, got {self.start_ms} and {self.stop_ms}")
        missing = [pair for pair in self.pairs if pair not in self.candles]
        if missing:
            raise AlignmentError(f"no candles for {missing}")

    @property
    def simulated(self) -> bool:
        return self.data_label == "simulated"
