"""Refits are consecutive and know only what was before; the days a person types are days."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import ConfigError, InputError
from models.base.types import Artifact, Candles, TrainingJob
from models.data.features.candles import LOOKBACK
from models.learn.jobs.pipeline import train
from strategies.desk.studies.refits import RefitOptions, refit_folds, walk_forward_forecast
from tests.test_models import markets

HOUR, DAY = 3_600_000, 24


@pytest.fixture
def options(tmp_path: Path) -> RefitOptions:
    return RefitOptions(
        data=tmp_path, model="volatility", train_days=155, refit_days=10, horizon_candles=24,
        start="2022-06-20", stop="2022-07-15", userdir=tmp_path / "user",
    )  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Candles:
    return markets.random_walk(LOOKBACK + 200 * DAY)


class InProcess:
    """Trains here, and keeps the jobs it was given."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []

    def check(self, network: str, blocks: dict[str, Any]) -> None: ...

    def run(self, job: TrainingJob) -> Artifact:
        self.jobs.append(job)
        return train(job)


def at(market: Candles, day: str) -> int:
    return int(np.searchsorted(market.time_ms, np.datetime64(day, "ms").astype(np.int64)))


def test_folds_when_cut_then_they_are_consecutive_and_know_only_what_was_before(
    market: Candles, options: RefitOptions
) -> None:
    made = refit_folds(market, HOUR, options)
    splits = [at(market, day) for day in ("2022-06-20", "2022-06-30", "2022-07-10", "2022-07-15")]
    assert [fold.split for fold in made] == splits[:3]
    assert [fold.stop for fold in made] == splits[1:]
    assert [fold.split - fold.start for fold in made] == [155 * DAY] * 3
    # In the beginning as much as there is, once features are complete.
    long = refit_folds(market, HOUR, dataclasses.replace(options, train_days=5_000))
    assert {fold.start for fold in long} == {LOOKBACK}
    last = refit_folds(market, HOUR, dataclasses.replace(options, stop=""))[-1]
    assert last.stop == len(market)


@pytest.mark.parametrize("start", ["2022-01-12", "2022-07-15", "2023-01-01", ""])
def test_folds_when_the_start_leaves_too_little_then_it_is_refused(
    market: Candles, options: RefitOptions, start: str
) -> None:
    with pytest.raises(InputError, match="expected a start at least 10 days and") as caught:
        refit_folds(market, HOUR, dataclasses.replace(options, start=start))
    assert "--start" in caught.value.cure


def test_forecasts_when_the_future_changes_then_the_past_ones_do_not(
    market: Candles, options: RefitOptions
) -> None:
    """The real regression is fitted for both: a later candle is neither seen nor learned from."""
    cut = at(market, "2022-07-04")  # inside the second of three spans
    changed = {k: getattr(market, k).copy() for k in Candles.__annotations__}
    for name in ("open", "high", "low", "close"):
        changed[name][cut:] **= 1.5
    executor = InProcess()
    known = walk_forward_forecast(market, HOUR, options, executor)
    other = walk_forward_forecast(Candles(**changed), HOUR, options, executor)
    assert [int(job.time_ms[-1]) + HOUR for job in executor.jobs[:3]] == [
        int(market.time_ms[fold.split]) for fold in refit_folds(market, HOUR, options)
    ]
    start, later = at(market, "2022-06-20"), slice(cut, at(market, "2022-07-15"))
    for name in (columns.SIGMA, columns.P_UP, columns.ABSTAIN):
        np.testing.assert_array_equal(known[name][:cut], other[name][:cut])
        assert np.isnan(known[name][:start]).all()
    sigma = known[columns.SIGMA], other[columns.SIGMA]
    assert not np.isclose(sigma[0][later], sigma[1][later], rtol=1e-3).any()  # the control
    assert np.isfinite(sigma[0][start:cut]).mean() > 0.9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "volatilty"}, "unknown model 'volatilty'"),
        ({"start": "May"}, "expected start as YYYY-MM-DD, got 'May'"),
        ({"stop": "2022-13-01"}, "expected stop as YYYY-MM-DD, got '2022-13-01'"),
        ({"refit_days": 0}, "expected refit_days >= 1, got 0"),
    ],
)
def test_options_when_wrong_then_refused_by_name(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        RefitOptions(data=tmp_path, **wrong)
