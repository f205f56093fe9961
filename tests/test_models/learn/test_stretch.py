"""Fitted stretches: intervals that hold at every hour and in every weather, on rows to come."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from models.base import columns
from models.base.columns import FEATURE_SIGMA
from models.base.errors import InputError
from models.base.heads import HeadLayout
from models.base.types import Artifact, BoolArray, Float32Array, FloatArray, IntArray, TrainingJob
from models.base.units import HOUR_MS
from models.learn.calibration import MIN_ROWS
from models.learn.jobs.pipeline import train
from models.learn.stretch import fit_stretch, relative_error
from models.serve.predictor import Predictor
from models.serve.stretch import Stretch, StretchInputs
from tests.test_contract import planted

NAMES = ("%-range", FEATURE_SIGMA)
LAYOUT = HeadLayout(bin_edges=(1,))
NORMAL = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])


class Market(NamedTuple):
    """Outputs that know nothing of spread, and returns whose spread they should know."""

    raw: FloatArray
    x: Float32Array
    time_ms: IntArray
    outcome: FloatArray
    calm: FloatArray  # log of sigma over its mean


def busy(time_ms: IntArray) -> BoolArray:
    """Whether a candle closes from 12 to 16."""
    hour = (time_ms // HOUR_MS + 1) % 24
    return (hour >= 12) & (hour < 16)


def market(rows: int, seed: int, *, hour: float = 0.6, reverts: float = 0.5) -> Market:
    """Returns in units of sigma: wilder from 12 to 16 by `hour`, and where sigma is low."""
    rng = np.random.default_rng(seed)
    calm = rng.normal(size=rows)
    x = np.column_stack((np.ones(rows), 0.01 * np.exp(calm))).astype(np.float32)
    time_ms = HOUR_MS * np.arange(rows, dtype=np.int64)
    spread = np.exp(hour * busy(time_ms) - reverts * calm)
    raw = np.zeros((rows, LAYOUT.width))
    raw[:, LAYOUT.quantiles] = NORMAL
    return Market(raw, x, time_ms, spread * rng.standard_t(4, rows), calm)


def fit_on(m: Market) -> Stretch:
    inputs, q = StretchInputs(NAMES, HOUR_MS), m.raw[:, LAYOUT.quantiles]
    fitted = fit_stretch(q, m.outcome, inputs(q, m.x), inputs.clock(m.time_ms), horizon_candles=1)
    return Stretch(fitted, NAMES, HOUR_MS, LAYOUT)


def held(m: Market, by: Stretch | None) -> FloatArray:
    """1 where the outer quantiles hold the outcome, (N,)."""
    q = (m.raw if by is None else by(m.raw, m.x, m.time_ms))[:, LAYOUT.quantiles]
    return ((m.outcome >= q[:, 0]) & (m.outcome <= q[:, -1])).astype(np.float64)


def groups(m: Market) -> list[IntArray]:
    """Rows of each tenth of sigma, and of each three hours."""
    tenths = np.array_split(np.argsort(m.calm), 10)
    block = m.time_ms // HOUR_MS % 24 // 3
    return [*tenths, *(np.flatnonzero(block == b) for b in range(8))]


def test_stretch_when_fitted_then_new_rows_are_held_as_often_in_every_group() -> None:
    fitted, new = fit_on(market(15_000, seed=0)), market(60_000, seed=1)
    before, after = held(new, None), held(new, fitted)
    assert min(before[rows].mean() for rows in groups(new)) < 0.75  # the control
    assert max(before[rows].mean() for rows in groups(new)) > 0.95
    for rows in groups(new):
        assert after[rows].mean() == pytest.approx(0.9, abs=0.03)


def test_stretch_when_quantiles_are_right_already_then_it_leaves_them_nearly_alone() -> None:
    m = market(15_000, seed=2, hour=0.0, reverts=0.0)
    right = m._replace(outcome=np.random.default_rng(3).standard_normal(15_000))
    q = fit_on(right)(right.raw, right.x, right.time_ms)[:, LAYOUT.quantiles]
    ratio = q[:, -1] / NORMAL[-1]
    assert np.log(ratio).std() < 0.05
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)


def test_stretch_when_the_unit_of_returns_changes_then_the_factor_does_not() -> None:
    m = market(3_000, seed=4)
    half = m._replace(raw=0.5 * m.raw, outcome=0.5 * m.outcome)
    one, other = (
        fit_on(each)(each.raw, each.x, each.time_ms)[:, LAYOUT.quantiles] for each in (m, half)
    )
    np.testing.assert_allclose(other, 0.5 * one, rtol=1e-6)


def test_stretch_when_few_rows_tell_of_an_hour_then_it_is_held_near_the_others() -> None:
    few, many = market(MIN_ROWS, seed=5, reverts=0.0), market(40_000, seed=5, reverts=0.0)
    factors = []
    for m in (few, many):
        q = fit_on(m)(many.raw, many.x, many.time_ms)[:48, LAYOUT.quantiles]
        factors.append(np.ptp(np.log(q[:, -1])))
    assert factors[0] < 0.5 * factors[1]


def test_stretch_when_fitted_again_then_the_same_to_the_bit() -> None:
    m = market(2_000, seed=6)
    one, two = (fit_on(m)(m.raw, m.x, m.time_ms) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_stretch_when_a_model_says_nothing_of_spread_then_it_is_still_found() -> None:
    m = market(2_000, seed=7)
    m.raw[::2, LAYOUT.quantiles] = 0.0  # a width of nothing cannot be stretched
    assert np.isfinite(fit_on(m)(m.raw, m.x, m.time_ms)).all()


@pytest.mark.parametrize("rows", [0, MIN_ROWS - 1])
def test_stretch_when_there_are_too_few_rows_then_they_are_refused(rows: int) -> None:
    with pytest.raises(InputError, match="calibration rows"):
        fit_on(market(rows, seed=8))


def test_relative_error_when_sides_differ_then_each_is_measured_by_its_own() -> None:
    q = np.array([[-1.0, -0.5, 0.0, 2.0, 4.0]] * 3)
    np.testing.assert_allclose(relative_error(q, np.array([-1.0, 4.0, 1.0])), [1.0, 1.0, 0.25])


def busy_job(network: str, seed: int) -> TrainingJob:
    """Six planted jobs as one, three times as far from 12 to 16, of which no feature tells."""
    jobs = [planted.planted_job(network, 6 * seed + i) for i in range(6)]
    labels = {n: np.concatenate([j.labels[n] for j in jobs]) for n in jobs[0].labels}
    times = planted.times(len(labels[columns.LABEL_RETURN]))
    labels[columns.LABEL_RETURN] *= np.where(busy(times), 3.0, 1.0)
    return dataclasses.replace(
        jobs[0], features=np.concatenate([j.features for j in jobs]), labels=labels, time_ms=times
    )


@cache
def busy_artifact(network: str) -> Artifact:
    return train(busy_job(network, seed=0))


@pytest.mark.parametrize("network", ["linear", "boosted"])
def test_training_when_hours_differ_then_the_served_interval_holds_in_all_of_them(
    network: str,
) -> None:
    job = busy_job(network, seed=1)
    out = Predictor(busy_artifact(network)).predict(job.features, job.time_ms, job.feature_names)
    sigma = job.features[:, job.feature_names.index(FEATURE_SIGMA)].astype(np.float64)
    came = job.labels[columns.LABEL_RETURN] * sigma  # over a horizon of one candle
    low, high = out[columns.RETURN_LOW], out[columns.RETURN_HIGH]
    known = np.isfinite(low)
    inside, wild = (came >= low) & (came <= high), busy(job.time_ms)
    for rows in (known & wild, known & ~wild):
        assert inside[rows].mean() == pytest.approx(0.9, abs=0.04)
    width = np.log(high - low)
    assert width[known & wild].mean() - width[known & ~wild].mean() > np.log(1.8)


def test_serving_when_asked_candle_by_candle_then_stretched_as_in_one_pass() -> None:
    job = busy_job("linear", seed=1)
    x, times, names = job.features, job.time_ms, job.feature_names
    live = Predictor(busy_artifact("linear"))
    whole, context = live.predict(x, times, names), live.context
    for t in range(context + 5, context + 29):  # every hour of a day
        rows = slice(t + 1 - context, t + 1)
        now = live.latest(x[rows], times[rows], names)
        for name in (*columns.RETURN_QUANTILES, columns.RETURN_LOW, columns.EDGE):
            np.testing.assert_allclose(now[name], whole[name][t : t + 1], rtol=1e-5, atol=1e-9)
