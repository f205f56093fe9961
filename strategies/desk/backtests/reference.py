"""The report's reference line: the volatility regression, trained whenever the run's model was.

It is given the same candles, and asked about the same rows: what the run's model gains beyond it is
more than knowing when markets are wild.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from models.base import columns
from models.base.errors import InputError, PackError
from models.base.types import Candles, Float32Array, FloatArray
from models.base.windows import MAX_CONTEXT_CANDLES
from models.data.features.frame import market_features
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from models.learn import catalog
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.learn.jobs.job import MarketRows, feature_matrix
from models.reports.backtest.record import ForecastSeries, Reference, RunRecord, TrainingRecord
from models.serve.predictor import Predictor
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.results import Run

REFERENCE: Final = "volatility"  # catalogue key
_FEATURES: Final = ("%-range", columns.FEATURE_SIGMA)  # all it reads beside the time
_CLASSES: Final = (columns.P_DOWN, columns.P_FLAT, columns.P_UP)


def reference_of(record: RunRecord, run: Run, executor: Executor | None = None) -> Reference:
    """Return the reference's probabilities for every row of the run's forecasts.

    A run it cannot be trained for says why; its report is still worth reading.
    """
    executor = executor or ProcessExecutor()
    try:
        return Reference(
            title=catalog.titles()[REFERENCE],
            p={
                series.pair: _probabilities(
                    series,
                    _trainings_of(series.pair, record.trainings),
                    load_checked(run.data.datadir, series.pair, record.timeframe),
                    (record.candle_ms, run.labels),
                    executor,
                )
                for series in record.forecasts
            },
        )
    except PackError as error:
        return Reference(missing=str(error))


def _trainings_of(pair: str, trainings: Sequence[TrainingRecord]) -> list[TrainingRecord]:
    coin = pair.split("/")[0].lower()  # as FreqAI names the folder of a training
    found = [t for t in trainings if t.pair.lower() == coin]
    if not found:  # of a run whose models were removed
        raise InputError(
            f"no training of {pair} is kept to train the reference at",
            cure="set freqai.save_backtest_models to true, and run the backtest again",
        )
    return found


def _probabilities(
    series: ForecastSeries,
    trainings: Sequence[TrainingRecord],
    market: Candles,
    asked: tuple[int, LabelSettings],
    executor: Executor,
) -> FloatArray:
    """Return P(down, flat, up) of the series' rows (N, 3), NaN before the first training."""
    candle_ms, labels = asked
    computed = market_features(market, candle_ms)
    x = feature_matrix([computed[name] for name in _FEATURES])
    out = np.full((len(series.time_ms), len(_CLASSES)), np.nan)
    ends = [*(t.trained_until_ms for t in trainings[1:]), int(market.time_ms[-1]) + candle_ms]
    for training, end_ms in zip(trainings, ends, strict=True):
        split, stop = np.searchsorted(market.time_ms, (training.trained_until_ms, end_ms))
        job = _known(market, slice(0, split), x, candle_ms, labels).cut(
            market.time_ms[:split] >= training.manifest["spans_ms"]["train"][0]
        ).job(
            REFERENCE,
            settings={"labels": dataclasses.asdict(labels)},
            seed=0,
            title=f"{REFERENCE} {series.pair}, the report's reference",
        )  # fmt: skip
        tail = slice(max(split - MAX_CONTEXT_CANDLES, 0), split)
        predictor = Predictor(executor.run(job), x[tail], market.time_ms[tail])
        given = predictor.predict(x[split:stop], market.time_ms[split:stop], _FEATURES)
        rows = np.flatnonzero(np.isin(series.time_ms, market.time_ms[split:stop]))
        at = np.searchsorted(market.time_ms[split:stop], series.time_ms[rows])
        out[rows] = np.column_stack([given[name] for name in _CLASSES])[at]
    return out


def _known(
    market: Candles, before: slice, x: Float32Array, candle_ms: int, labels: LabelSettings
) -> MarketRows:
    """Return the rows of the candles there were; labels that need later ones are NaN."""
    known = market.cut(before)
    return MarketRows(
        features=x[before],
        feature_names=_FEATURES,
        labels=label_columns(known, candle_ms, labels),
        time_ms=known.time_ms,
        candle_ms=candle_ms,
    )
