"""`breakwater probe`: controls of a model, and of the rules that trade it, anyone can run.

``altered-future``: nothing known at a candle changes when the candles after it do. ``shuffled``: a
model trained on labels in random order finds nothing. ``planted``: one given a feature that tells
part of the outcome finds it. ``oracle``: what the shipped rules earn from calibrated forecasts of a
chosen skill, and the skill at which they break even.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base import columns
from models.base.errors import ConfigError
from models.base.types import Candles, FloatArray, TrainingJob
from models.data.features.candles import sigma_per_candle
from models.data.features.frame import market_features
from models.data.labels.targets import label_columns
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.learn.training.settings import ModelSettings
from models.studies.compare import ComparedModel, Trading, measure_models
from models.studies.compare.records import Truth
from models.studies.probe.altered import Noticed, altered_future, first_noticed
from models.studies.probe.oracle import break_even, oracle_forecast
from models.studies.probe.planted import (
    PLANTED,
    gain_there_is,
    planted_feature,
    shuffled_labels,
)
from models.trade.decision.signals import DecisionConfig
from strategies.desk.backtests.data import load_checked
from strategies.desk.studies.compare import CompareOptions, folds
from strategies.desk.studies.walk import (
    WalkForwardFold,
    fold_forecast,
    kept_artifact,
    truth,
    walk_forward_job,
)
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.waiting import PatientWait

_CUTS: Final = 5  # places in the test window from which on the future is another
_TRUE_FRAC: Final = 0.3  # of the planted feature's rows tell their own outcome
_AUCS: Final = (0.50, 0.51, 0.52, 0.53, 0.54, 0.56, 0.58, 0.60)
_DRAWS: Final = 5  # oracles of each AUC
_YEAR_DAYS: Final = 365.25


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """What the person asked for."""

    kind: str
    data: Path
    model: str = "lstm"  # catalogue key
    pair: str = "BTC/USDT:USDT"
    timeframe: str = "1h"
    train_days: int = 730
    test_days: int = 240
    seed: int = 0
    userdir: Path = USER_DATA
    settings: Mapping[str, Any] = field(default_factory=dict)  # of model_training_parameters

    def __post_init__(self) -> None:
        if self.kind not in PROBES:
            raise ConfigError(f"unknown probe {self.kind!r}", cure=f"known: {', '.join(PROBES)}")
        self.compared()  # which checks the rest

    def compared(self) -> CompareOptions:
        """Return the comparison of which the probe is one model and one fold."""
        return CompareOptions(
            data=self.data, models=(self.model,), reference=self.model, seeds=1, folds=1,
            train_days=self.train_days, test_days=self.test_days, pair=self.pair,
            timeframe=self.timeframe, userdir=self.userdir, settings=self.settings,
        )  # fmt: skip


@dataclass(frozen=True)
class ProbeFinding:
    """What a probe has found, in words, and whether it is as it has to be."""

    lines: Sequence[str]
    holds: bool


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """One market, one fold, and what trains on it."""

    options: ProbeOptions
    executor: Executor
    candle_ms: int
    market: Candles
    fold: WalkForwardFold
    waiting: PatientWait

    def features(self, market: Candles) -> dict[str, FloatArray]:
        return dict(market_features(market, self.candle_ms))

    def job(self, market: Candles, features: Mapping[str, FloatArray]) -> TrainingJob:
        o = self.options
        return walk_forward_job(
            market, features, self.fold, o.model, o.seed, self.candle_ms, o.settings
        )

    def forecast(
        self, job: TrainingJob, market: Candles, features: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        artifact = kept_artifact(self.options.userdir, job, self.executor)
        return fold_forecast(artifact, market, features, self.fold)

    def truth(self) -> Truth:
        return truth(self.market, [self.fold], self._settings, self.candle_ms)

    @property
    def _settings(self) -> ModelSettings:
        return ModelSettings.from_blocks(self.options.settings, where="settings")

    def outcome_class(self) -> FloatArray:
        """Return every row's outcome, (N,), the test window's too."""
        labels = label_columns(self.market, self.candle_ms, self._settings.labels)
        return labels[columns.LABEL_DIRECTION]

    def gains(self, forecast: Mapping[str, FloatArray]) -> dict[str, dict[str, float]]:
        """Return the parts of the log-loss gain with their 95 % intervals, millibits."""
        entry = ComparedModel(
            name=self.options.model, title=self.options.model, forecasts=[forecast],
            fit_seconds=np.nan, parameters=np.nan,
        )  # fmt: skip
        [row] = measure_models([entry], self.truth(), self.trading, self.options.model)
        return {part: row[f"gain_{part}"] for part in ("volatility", "direction")}

    @property
    def trading(self) -> Trading:
        return Trading(cost_frac=self._settings.labels.cost_frac, decision=DecisionConfig())


def run_probe(options: ProbeOptions, executor: Executor | None = None) -> int:
    """Run the probe and print what it has found; return the process exit code, 1 if it fails."""
    candle_ms = timeframe_to_msecs(options.timeframe)
    market = load_checked(options.data, options.pair, options.timeframe)
    [fold] = folds(market, candle_ms, options.compared())
    with PatientWait(f"probing, {options.kind}") as waiting:
        bench = _Bench(
            options=options, executor=executor or ProcessExecutor(), candle_ms=candle_ms,
            market=market, fold=fold, waiting=waiting,
        )  # fmt: skip
        found = PROBES[options.kind](bench)
    print(*found.lines, sep="\n")
    return 0 if found.holds else 1


# -- the probes -----------------------------------------------------------------------------------


def _altered(bench: _Bench) -> ProbeFinding:
    """Whether features, training rows and forecasts change with candles that come after them."""
    rng, fold = np.random.default_rng(bench.options.seed), bench.fold
    features = bench.features(bench.market)
    job = bench.job(bench.market, features)
    forecast = bench.forecast(job, bench.market, features)
    lines, noticed = [], 0
    cuts = np.linspace(fold.split, fold.stop - 2, _CUTS).astype(int)
    for first in bench.waiting.each(cuts.tolist()):
        other = altered_future(bench.market, first, rng)
        theirs = bench.features(other)
        parts = {
            "features": first_noticed(features, theirs, first),
            "training rows": _job_noticed(job, bench.job(other, theirs)),
            "forecasts": first_noticed(
                forecast, bench.forecast(job, other, theirs), first - fold.split
            ),
        }
        noticed += sum(found is not None for found in parts.values())
        said = ", ".join(f"{name} {_said(found)}" for name, found in parts.items())
        lines.append(f"another future from candle {first} of {len(bench.market)} on: {said}")
    caught = _cheat_is_caught(bench, features, int(cuts[0]), rng)
    lines.append(f"control, a column that looks one candle ahead: {_said(caught)}")
    lines.append(
        "held: nothing known at a candle changed with what came after it" if not noticed
        else f"LOOK-AHEAD: {noticed} parts changed with what came after them"
    )  # fmt: skip
    return ProbeFinding(lines, not noticed and caught is not None)


def _said(found: Noticed | None) -> str:
    if found is None:
        return "equal bit for bit"
    return f"DIFFER at row {found.row} ({found.column} by {found.difference:g})"


def _job_noticed(ours: TrainingJob, theirs: TrainingJob) -> Noticed | None:
    rows = len(ours.time_ms)
    before, after = (
        {**job.labels, **dict(zip(job.feature_names, job.features.T, strict=True))}
        for job in (ours, theirs)
    )
    return first_noticed(before, after, rows)


def _cheat_is_caught(
    bench: _Bench, features: Mapping[str, FloatArray], first: int, rng: np.random.Generator
) -> Noticed | None:
    other = altered_future(bench.market, first, rng)
    ahead = [{"ahead": np.append(m.close[1:], np.nan)} for m in (bench.market, other)]
    return first_noticed(ahead[0], ahead[1], first)


def _shuffled(bench: _Bench) -> ProbeFinding:
    """Whether a model trained on labels in random order claims skill on the true ones."""
    rng = np.random.default_rng(bench.options.seed)
    features = bench.features(bench.market)
    job = bench.job(bench.market, features)
    blind = replace(job, labels=shuffled_labels(job.labels, rng), title=f"{job.title} shuffled")
    gains = bench.gains(bench.forecast(blind, bench.market, features))
    invented = [part for part, gain in gains.items() if gain["low"] > 0]
    lines = [f"{part}: {_interval(gain)} millibits" for part, gain in gains.items()]
    lines.append(
        "held: trained on labels in random order it knows nothing" if not invented
        else f"INVENTED: skill in {', '.join(invented)} from labels in random order"
    )  # fmt: skip
    return ProbeFinding(lines, not invented)


def _planted(bench: _Bench) -> ProbeFinding:
    """Whether a model finds what a planted feature tells."""
    rng = np.random.default_rng(bench.options.seed)
    outcome = bench.outcome_class()
    planted = planted_feature(outcome, _TRUE_FRAC, rng)
    features = {**bench.features(bench.market), PLANTED: planted}
    gains = bench.gains(bench.forecast(bench.job(bench.market, features), bench.market, features))
    rows = slice(bench.fold.split, bench.fold.stop)
    there = gain_there_is(planted[rows], outcome[rows])
    lines = [f"the planted feature tells its row's outcome on {_TRUE_FRAC:.0%} of the rows"]
    for part, gain in gains.items():
        most = float(getattr(there, part).mean())
        lines.append(f"{part}: {_interval(gain)} millibits, {most:.1f} in the feature alone")
    found = gains["direction"]["low"] > 0
    lines.append(
        "held: the direction that was planted is found" if found
        else "NOT FOUND: too few rows to learn from, or the model reads its own columns only"
    )  # fmt: skip
    return ProbeFinding(lines, found)


def _interval(gain: Mapping[str, float]) -> str:
    return f"{gain['value']:.1f} ({gain['low']:.1f} to {gain['high']:.1f})"


def _oracle(bench: _Bench) -> ProbeFinding:
    """What the shipped rules earn from calibrated forecasts, by AUC."""
    outcomes, fold = bench.truth(), bench.fold
    sigma = sigma_per_candle(bench.market.close)[fold.split : fold.stop]
    sigma *= np.sqrt(outcomes.horizon_candles)
    entries = [
        ComparedModel(
            name=f"{auc:.2f}", title=f"AUC {auc:.2f}", absent=(columns.HEAD_HAZARD,),
            fit_seconds=np.nan, parameters=np.nan,
            forecasts=[
                oracle_forecast(
                    outcomes, sigma, auc, np.random.default_rng([bench.options.seed, draw])
                )
                for draw in range(_DRAWS)
            ],
        )
        for auc in bench.waiting.each(_AUCS)
    ]  # fmt: skip
    rows = measure_models(entries, outcomes, bench.trading, entries[0].name)
    years = (fold.stop - fold.split) * bench.candle_ms / (_YEAR_DAYS * 86_400_000)
    lines = [
        f"calibrated forecasts of a chosen AUC through the shipped rules, {years:.2f} years",
        f"{'AUC':>5} {'right':>7} {'trades/y':>9} {'net log/y':>24} {'costs x2, late/y':>24}",
    ]
    for row in rows:
        lines.append(
            f"{row['name']:>5} {row['accuracy']['value']:7.1%} {row['trades'] / years:9.0f} "
            f"{_yearly(row['net_return'], years):>24} {_yearly(row['stressed_return'], years):>24}"
        )
    for name, title in (("net", "costs as configured"), ("stressed", "costs x2, a candle late")):
        even, sure = (
            break_even(_AUCS, [row[f"{name}_return"][end] for row in rows])
            for end in ("value", "low")
        )
        lines.append(f"break-even AUC, {title}: {_auc(even)}; beyond noise: {_auc(sure)}")
    return ProbeFinding(lines, holds=True)


def _auc(value: float) -> str:
    return "above all tried" if np.isnan(value) else f"{value:.3f}"


def _yearly(total: Mapping[str, float], years: float) -> str:
    value, low, high = (100 * total[name] / years for name in ("value", "low", "high"))
    return f"{value:+.1f} % ({low:+.1f} to {high:+.1f})"


PROBES: Final[Mapping[str, Callable[[_Bench], ProbeFinding]]] = {
    "altered-future": _altered, "planted": _planted, "shuffled": _shuffled, "oracle": _oracle,
}  # fmt: skip
