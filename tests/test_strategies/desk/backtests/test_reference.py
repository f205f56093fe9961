"""The report's reference: trained as often as the run's model, on nothing later than it was."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.base.errors import TrainingError
from models.base.types import Artifact, Candles, TrainingJob
from models.data.features.candles import LOOKBACK
from models.data.labels.settings import LabelSettings
from models.learn.jobs.pipeline import train
from models.reports.backtest.record import RunRecord, TrainingRecord
from strategies.desk.backtests import reference
from strategies.desk.backtests.reference import reference_of
from tests.test_models import markets
from tests.test_models.reports.records import HOUR, PAIR, make_forecast, make_record

TRAINED = 3_700  # rows of a frame, of which 15 % must hold two contexts
SPLITS = (LOOKBACK + TRAINED, LOOKBACK + TRAINED + 200)
ROWS = SPLITS[1] + 200


class Here:
    """Trains in this process and keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []

    def check(self, network: str, blocks: dict[str, Any]) -> None: ...

    def run(self, job: TrainingJob) -> Artifact:
        self.jobs.append(job)
        return train(job)


class Broken(Here):
    def run(self, job: TrainingJob) -> Artifact:
        raise TrainingError("the worker died")


def record_of(market: Candles) -> RunRecord:
    """A run with two trainings, whose forecasts begin where the first of them ended."""
    series = make_forecast(market, np.random.default_rng(0), 0.0)
    keep = slice(SPLITS[0], None)
    arrays = {
        f.name: getattr(series, f.name)[keep]
        for f in dataclasses.fields(series)
        if isinstance(getattr(series, f.name), np.ndarray)
    }
    values = {name: column[keep] for name, column in series.values.items()}
    trainings = tuple(
        TrainingRecord(
            pair="btc",
            trained_until_ms=int(market.time_ms[split]),
            manifest={"spans_ms": {"train": [int(market.time_ms[split - TRAINED]), 0]}},
        )
        for split in SPLITS
    )
    return make_record(
        days=45,
        forecasts=(dataclasses.replace(series, values=values, **arrays),),
        trainings=trainings,
    )


def asked(market: Candles, executor: Here, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(reference, "load_checked", lambda *_: market)
    run: Any = SimpleNamespace(data=SimpleNamespace(datadir=""), labels=LabelSettings())
    return reference_of(record_of(market), run, executor)


def test_reference_when_a_run_is_reported_then_every_row_has_one_and_no_job_a_later_candle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market, executor = markets.random_walk(ROWS), Here()
    found = asked(market, executor, monkeypatch)
    assert [int(job.time_ms[-1]) for job in executor.jobs] == [
        int(market.time_ms[split]) - HOUR for split in SPLITS
    ]
    assert all(len(job.time_ms) == TRAINED for job in executor.jobs)
    for job in executor.jobs:
        assert all(np.isnan(values[-1]) for values in job.labels.values())
    assert found.title == "Volatility"
    p = found.p[PAIR]
    assert p.shape == (400, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    up = p[:, 2] / (p[:, 0] + p[:, 2])
    assert np.ptp(up[:200]) < 1e-12  # one share of ups per training
    assert np.ptp(up[200:]) < 1e-12
    # Another future changes no answer before it.
    changed = {f.name: getattr(market, f.name).copy() for f in dataclasses.fields(Candles)}
    for name in ("open", "high", "low", "close"):
        changed[name][SPLITS[1] :] *= 1.5
    other = asked(Candles(**changed), Here(), monkeypatch).p[PAIR]
    np.testing.assert_array_equal(other[:200], p[:200])
    assert not np.array_equal(other[200:], p[200:])


def test_reference_when_it_cannot_be_trained_then_the_report_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = asked(markets.random_walk(ROWS), Broken(), monkeypatch)
    assert not found.p
    assert "the worker died" in found.missing


def test_reference_when_a_runs_models_are_gone_then_the_report_says_so_and_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = markets.random_walk(ROWS)
    monkeypatch.setattr(reference, "load_checked", lambda *_: market)
    run: Any = SimpleNamespace(data=SimpleNamespace(datadir=""), labels=LabelSettings())
    record = dataclasses.replace(record_of(market), trainings=())
    found = reference_of(record, run, Here())
    assert not found.p
    assert f"no training of {PAIR} is kept" in found.missing
