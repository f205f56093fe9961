"""Walk-forward forecasts of one model: refitted every so often on what was known before.

Every row is forecast by a model that knows the candles before its span and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from models.base import columns
from models.base.errors import ConfigError, InputError
from models.base.types import Candles, FloatArray
from models.base.units import DAY_MS
from models.data.features.candles import LOOKBACK
from models.data.features.frame import market_features
from models.learn import catalog
from models.learn.jobs.executor import Executor
from strategies.desk.studies.walk import (
    WalkForwardFold,
    fold_forecast,
    kept_artifacts,
    walk_forward_job,
)
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.waiting import CountedSteps


@dataclass(frozen=True, kw_only=True)
class RefitOptions:
    """What is forecast, by what, and how often it is refitted."""

    data: Path
    pair: str = "BTC/USDT:USDT"
    timeframe: str = "1h"
    model: str = "lstm"  # catalogue key
    start: str = ""  # of the first span forecast; default: a year of history before it
    stop: str = ""  # default: the end of the data
    train_days: int = 730  # at most; in the beginning as much as there is
    refit_days: int = 60
    horizon_candles: int = 4
    userdir: Path = USER_DATA
    jobs: int = 1  # trainings side by side

    def __post_init__(self) -> None:
        for name in ("train_days", "refit_days", "horizon_candles", "jobs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.model not in catalog.names():
            raise ConfigError(
                f"unknown model {self.model!r}", cure=f"known: {', '.join(catalog.names())}"
            )
        for name in ("start", "stop"):
            midnight_ms(getattr(self, name), name)


def walk_forward_forecast(
    market: Candles, candle_ms: int, options: RefitOptions, executor: Executor
) -> dict[str, FloatArray]:
    """Return every forecast column, (N,) each, NaN before the first span.

    Raises
    ------
    InputError
        If every row abstained, or the spans do not fit the candles.
    """
    features = market_features(market, candle_ms)
    blocks = {"labels": {"horizon_candles": options.horizon_candles}}
    out = {name: np.full(len(market), np.nan) for name in columns.FORECAST}
    folds = refit_folds(market, candle_ms, options)
    jobs = (
        walk_forward_job(market, features, fold, options.model, 0, candle_ms, blocks)
        for fold in folds
    )
    trained = kept_artifacts(options.userdir, jobs, executor, options.jobs)
    steps = CountedSteps(len(folds))
    for fold, (job, artifact) in zip(folds, trained, strict=True):
        for name, values in fold_forecast(artifact, market, features, fold).items():
            out[name][fold.split : fold.stop] = values
        steps.step(job.title)
    if not (out[columns.ABSTAIN] == 0).any():
        raise InputError("the model forecast nothing: every row abstained", where=options.pair)
    return out


def refit_folds(market: Candles, candle_ms: int, options: RefitOptions) -> list[WalkForwardFold]:
    """Return consecutive spans of `refit_days` from the start on, each with what it may know.

    Raises
    ------
    InputError
        If there is no candle in the span, or less history before it than one refit's span.
    """
    first_ms = int(market.time_ms[0]) + LOOKBACK * candle_ms
    last_ms = int(market.time_ms[-1]) + candle_ms
    start_ms = midnight_ms(options.start, "start") or first_ms + 365 * DAY_MS
    stop_ms = min(midnight_ms(options.stop, "stop") or last_ms, last_ms)
    if not first_ms + options.refit_days * DAY_MS <= start_ms < stop_ms:
        raise InputError(
            f"expected a start at least {options.refit_days} days and {LOOKBACK} candles after "
            f"{date_of(int(market.time_ms[0]))} and before {date_of(stop_ms)}, got "
            f"{date_of(start_ms)}",
            where=options.pair,
            cure="give another --start, or bring longer history",
        )
    edges = [*range(start_ms, stop_ms, options.refit_days * DAY_MS), stop_ms]
    return [
        WalkForwardFold(
            *(
                int(row)
                for row in np.searchsorted(
                    market.time_ms,
                    (max(split - options.train_days * DAY_MS, first_ms), split, stop),
                )
            )
        )
        for split, stop in pairwise(edges)
    ]


def midnight_ms(text: str, name: str) -> int:
    """Return midnight UTC of a day YYYY-MM-DD, 0 for none.

    Raises
    ------
    ConfigError
        If the text is no day.

    Examples
    --------
    >>> midnight_ms("1970-01-02", "start"), midnight_ms("", "start")
    (86400000, 0)
    """
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise ConfigError(f"expected {name} as YYYY-MM-DD, got {text!r}") from error


def date_of(ms: int) -> str:
    """Return the day of a time, as ``2025-09-30``."""
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d}"
