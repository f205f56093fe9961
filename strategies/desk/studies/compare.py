"""`breakwater compare`: every model on the same walk-forward folds of one market.

Trains each model, seed and fold in the training worker, as the bot does, and serves the test window
through the predictor the bot would use. Freqtrade's engine is not involved: what is compared is the
forecasts, and the pack's own rules applied to them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base import columns
from models.base.errors import ConfigError, InputError, PackError
from models.base.types import (
    Candles,
    FloatArray,
    IntArray,
    TrainingJob,
)
from models.base.units import DAY_MS
from models.data.features.candles import LOOKBACK
from models.data.features.frame import market_features
from models.learn import catalog
from models.learn.jobs.executor import Executor
from models.learn.jobs.ray_executor import executor_of
from models.learn.training.settings import ModelSettings
from models.reports.compare.page import comparison_markdown, write_comparison
from models.studies.compare import ComparedModel, Trading, measure_models
from models.studies.compare.records import Truth
from models.studies.validate.money import STYLES_JUDGED
from models.studies.validate.styled import JudgedModel, in_styles
from models.trade.decision.signals import DecisionConfig
from strategies.bot.data_files import MARKER
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.entered import enter_tried
from strategies.desk.backtests.results import commit
from strategies.desk.studies.refits import midnight_ms
from strategies.desk.studies.tried import (
    TriedGround,
    keyed,
    tried_ground,
    tried_in,
)
from strategies.desk.studies.walk import (
    WalkForwardFold,
    fold_forecast,
    kept_artifacts,
    truth,
    walk_forward_job,
)
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import CountedSteps, PatientWait


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What the person asked for."""

    data: Path
    models: tuple[str, ...] = ()  # catalogue keys; none means all
    seeds: int = 3
    folds: int = 4
    train_days: int = 1460  # before each test window; at least half of them must be there
    test_days: int = 60
    stop: str = ""  # YYYY-MM-DD, no candle of that day or later is looked at; default: the newest
    pair: str = "BTC/USDT:USDT"
    timeframe: str = "1h"
    reference: str = "volatility"  # always among the models
    userdir: Path = USER_DATA
    jobs: int = 1  # trainings side by side
    settings: Mapping[str, Any] = field(default_factory=dict)  # of model_training_parameters
    decision: DecisionConfig = field(default_factory=DecisionConfig)  # when a forecast is traded

    def __post_init__(self) -> None:
        for name in ("seeds", "folds", "train_days", "test_days", "jobs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in (*self.models, self.reference):
            if name not in catalog.names():
                raise ConfigError(
                    f"unknown model {name!r}", cure=f"known: {', '.join(catalog.names())}"
                )
        midnight_ms(self.stop, "stop")


@dataclass(frozen=True, kw_only=True)
class ComparedWalk:
    """What every model is trained and tested on."""

    options: CompareOptions
    settings: ModelSettings
    candle_ms: int
    market: Candles
    features: Mapping[str, FloatArray]
    folds: list[WalkForwardFold]

    @property
    def tested(self) -> IntArray:
        """Rows that are forecast, (N,)."""
        return np.concatenate([np.arange(fold.split, fold.stop) for fold in self.folds])

    @property
    def trading(self) -> Trading:
        return Trading(cost_frac=self.settings.labels.cost_frac, decision=self.options.decision)

    @cached_property
    def ground(self) -> TriedGround:
        """What models are tried on here, as the registry of trials tells it from other ground."""
        settings = {"settings": self.options.settings, "days": self.options.train_days,
                    "splits": [int(fold.split) for fold in self.folds]}  # fmt: skip
        place = f"{self.options.pair} {self.options.timeframe}"
        return tried_ground(self.market, self.tested, place, settings)


def run_compare(options: CompareOptions, executor: Executor | None = None) -> int:
    """Train, forecast, measure and write the comparison; return the process exit code."""
    names = tuple(dict.fromkeys((*(options.models or catalog.names()), options.reference)))
    with PatientWait("reading the candles and computing features"):
        walk = loaded_walk(options)
    executor = executor or executor_of(walk.settings.training, workers=options.jobs)
    each = options.seeds * len(walk.folds)
    print(f"{len(names)} models x {options.seeds} seeds x {len(walk.folds)} folds = "
          f"{len(names) * each} trainings on {_trained_days(walk)} days", flush=True)  # fmt: skip
    progress = CountedSteps(len(names) * each)
    entries, failures = all_compared(walk, names, executor, progress)
    if options.reference not in [entry.name for entry in entries]:
        raise PackError(
            f"the reference failed: {failures}",
            cure="bring more history, or name another one with --reference",
        )
    folder = _write(walk, entries, failures)
    print(f"report: {folder / 'index.html'}")
    _enter(walk, entries)
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0


def compared_models(
    options: CompareOptions, names: Sequence[str], executor: Executor, progress: CountedSteps
) -> tuple[list[ComparedModel], list[str], Truth]:
    """Return each model's forecasts of the test windows, who failed and why, and what came."""
    walk = loaded_walk(options)
    entries, failures = all_compared(walk, names, executor, progress)
    return entries, failures, truth(walk.market, walk.folds, walk.settings, walk.candle_ms)


def all_compared(
    walk: ComparedWalk, names: Sequence[str], executor: Executor, progress: CountedSteps
) -> tuple[list[ComparedModel], list[str]]:
    """Return the models that could be trained, and the errors of those that could not."""
    entries: list[ComparedModel] = []
    failures: list[str] = []
    each, before = walk.options.seeds * len(walk.folds), progress.done
    for number, name in enumerate(names, start=1):
        try:
            entries.append(_compared(walk, name, executor, progress))
        except PackError as error:
            failures.append(f"{name}: {error}")
            print(f"error: {name}: {error}", flush=True)
            progress.done = before + number * each
    return entries, failures


def loaded_walk(options: CompareOptions) -> ComparedWalk:
    candle_ms = timeframe_to_msecs(options.timeframe)
    settings = ModelSettings.from_blocks(options.settings, where="settings")
    market = load_checked(options.data, options.pair, options.timeframe)
    if options.stop:
        market = market.cut(market.time_ms < midnight_ms(options.stop, "stop"))
    return ComparedWalk(
        options=options,
        settings=settings,
        candle_ms=candle_ms,
        market=market,
        features=market_features(market, candle_ms),
        folds=folds(market, candle_ms, options),
    )


def _compared(
    walk: ComparedWalk, name: str, executor: Executor, progress: CountedSteps
) -> ComparedModel:
    """Return one model's forecasts of every test window, for every seed."""
    seeds, each = walk.options.seeds, len(walk.folds)
    jobs = (
        walk_forward_job(
            walk.market, walk.features, fold, name, seed, walk.candle_ms, walk.options.settings
        )
        for seed in range(seeds)
        for fold in walk.folds
    )
    parts: list[dict[str, FloatArray]] = []
    manifests: list[dict[str, Any]] = []
    trained = kept_artifacts(walk.options.userdir, jobs, executor, walk.options.jobs)
    for number, (job, artifact) in enumerate(trained):
        fold = walk.folds[number % each]
        parts.append(fold_forecast(artifact, walk.market, walk.features, fold))
        manifests.append(artifact.manifest)
        gain = artifact.manifest["metrics"]["validation"]["gain_millibits"]
        progress.step(f"{job.title}: {gain:.1f} millibits on validation")
    return ComparedModel(
        name=name,
        title=catalog.titles()[name],
        forecasts=[_joined(parts[each * seed : each * (seed + 1)]) for seed in range(seeds)],
        fit_seconds=float(np.mean([m["seconds"]["fit"] for m in manifests])),
        absent=manifests[0].get("absent_heads", ()),
        parameters=float(np.mean([m.get("parameters", np.nan) for m in manifests])),
    )


def _write(walk: ComparedWalk, entries: list[ComparedModel], failures: list[str]) -> Path:
    """Measure, print the table and write the report; return its folder."""
    outcomes = truth(walk.market, walk.folds, walk.settings, walk.candle_ms)
    rows = measure_models(entries, outcomes, walk.trading, walk.options.reference)
    rows.sort(key=lambda row: -row["gain_millibits"]["value"])
    print(f"\n{comparison_markdown(rows)}", flush=True)
    run, now_ms = walk_provenance(walk, failures), int(datetime.now(tz=UTC).timestamp() * 1000)
    return kept_report(
        lambda place: write_comparison(rows, run, place, now_ms), walk.options.userdir / "reports"
    )


def _enter(walk: ComparedWalk, entries: Sequence[ComparedModel]) -> None:
    """Enter what was tried: each model and seed, traded by the pack's rules."""
    outcomes = truth(walk.market, walk.folds, walk.settings, walk.candle_ms)
    models = [JudgedModel(entry=entry) for entry in entries]
    every = keyed(
        in_styles(models, outcomes, walk.trading, STYLES_JUDGED[:1]), walk.ground, walk.trading
    )
    last_ms = int(outcomes.time_ms[-1])
    enter_tried(walk.options.userdir, tried_in(every, walk.ground, "compare"), last_ms, "compare")


def _trained_days(walk: ComparedWalk) -> str:
    """Return how many days the folds are trained on: "1460", or "739 to 919" where some lack."""
    t, every = walk.market.time_ms, walk.folds
    days = [round((t[fold.split] - t[fold.start]) / DAY_MS) for fold in every]
    return f"{days[0]}" if min(days) == max(days) else f"{min(days)} to {max(days)}"


def folds(market: Candles, candle_ms: int, options: CompareOptions) -> list[WalkForwardFold]:
    """Return consecutive test windows that end with the candles, oldest first.

    Where the history begins less than half of the training days late, there are fewer of them.

    Raises
    ------
    InputError
        If there is not enough history.
    """
    if not len(market):
        raise InputError(
            f"expected candles of {options.pair} before {options.stop}, got none",
            cure="give a later --stop, or bring longer history",
        )
    last = int(market.time_ms[-1]) + candle_ms
    begins = int(market.time_ms[0]) + LOOKBACK * candle_ms
    out = []
    for k in range(options.folds, 0, -1):
        split_ms = last - k * options.test_days * DAY_MS
        start_ms = max(split_ms - options.train_days * DAY_MS, begins)
        start, split, stop = np.searchsorted(
            market.time_ms, (start_ms, split_ms, split_ms + options.test_days * DAY_MS)
        )
        if split_ms - start_ms < options.train_days * DAY_MS / 2:
            need = options.train_days / 2 + options.folds * options.test_days
            raise InputError(
                f"expected {need:g} days of {options.pair} and {LOOKBACK} candles before them, got "
                f"{(last - int(market.time_ms[0])) / DAY_MS:.0f} days",
                cure="lower --folds, --test-days or --train-days, or bring longer history",
            )
        out.append(WalkForwardFold(int(start), int(split), int(stop)))
    return out


def walk_forward_jobs(options: CompareOptions, names: Sequence[str]) -> list[TrainingJob]:
    """Return each model's job of the first fold, seed 0: what it costs to train can be timed."""
    walk = loaded_walk(options)
    return [
        walk_forward_job(
            walk.market, walk.features, walk.folds[0], name, 0, walk.candle_ms, options.settings
        )
        for name in names
    ]


def _joined(parts: list[dict[str, FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in columns.FORECAST}


def walk_provenance(walk: ComparedWalk, failures: list[str]) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    options, market = walk.options, walk.market
    first, last = (
        f"{datetime.fromtimestamp(int(ms) / 1000, tz=UTC):%Y-%m-%d}"
        for ms in (market.time_ms[walk.folds[0].split], market.time_ms[walk.folds[-1].stop - 1])
    )
    simulated = (options.data / MARKER).is_file()
    digest = hashlib.sha256(np.column_stack([market.open, market.close]).tobytes()).hexdigest()
    return {
        "title": f"Models compared on {options.pair} {options.timeframe}",
        "span": f"tested on {first} to {last}, {len(walk.folds)} folds",
        "data": "simulated market" if simulated else "real candles",
        "simulated": simulated,
        "data_sha256": digest,
        "pair": options.pair,
        "timeframe": options.timeframe,
        "seeds": list(range(options.seeds)),
        "train_days": _trained_days(walk),
        "test_days": options.test_days,
        "tested_days": options.test_days * len(walk.folds),
        "reference": catalog.titles()[options.reference],
        "settings": dataclasses.asdict(walk.settings),
        "decision": dataclasses.asdict(options.decision),
        "failures": failures,
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("breakwater", "freqtrade", "torch", "onnxruntime", "numpy")
        },
    }
