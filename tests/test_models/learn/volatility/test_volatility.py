"""Volatility: what it recovers, what it cannot see, and that it never takes a side."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.config import from_mapping
from models.base.errors import ConfigError, InputError
from models.base.types import Artifact, Candles, FloatArray, TrainingJob
from models.base.units import DAY_MS, HOUR_MS
from models.base.windows import hour_of_week
from models.data.features.candles import LOOKBACK
from models.evaluate.metrics.skill import split_gain
from models.learn.jobs.pipeline import train
from models.learn.volatility.ahead import RangeRows, fit_regression
from models.learn.volatility.fitting import fit_parts, fit_volatility
from models.learn.volatility.volatility import VolatilityConfig
from models.serve.predictor import Predictor
from models.serve.ranges import PARKINSON, range_columns, range_inputs, squared_ranges
from models.serve.session import Session, graph_input
from tests.test_contract import planted
from tests.test_models.learn.volatility.rhythm import SETTINGS, market, market_job


@cache
def trained() -> Artifact:
    return train(market_job(market()))


def forecast(job: TrainingJob) -> dict[str, FloatArray]:
    return Predictor(trained()).predict(job.features, job.time_ms, job.feature_names)


# -- inputs ------------------------------------------------------------------------------------


def test_inputs_when_worked_out_by_hand_then_each_is_a_mean_of_past_squared_ranges() -> None:
    made = range_inputs((1, 3), True, horizon=4, candle_ms=HOUR_MS)
    assert made.names == ("range 1", "range 3", "same hours, 10 days")
    assert made.reach == 240
    squared = np.random.default_rng(0).random(400)
    t = 300
    same = [squared[t + ahead - 24 * day] for day in range(1, 11) for ahead in (1, 2, 3, 4)]
    expected = [squared[t], squared[t - 2 : t + 1].mean(), np.mean(same)]
    got = made.logs(squared)[t - made.reach + 1]
    np.testing.assert_allclose(np.exp(got) * PARKINSON, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("candle_ms", "horizon", "days"),
    [(HOUR_MS // 4, 4, 2), (4 * HOUR_MS, 4, 42), (DAY_MS, 4, 0), (HOUR_MS, 24, 0)],
)
def test_same_hours_when_candles_and_horizon_differ_then_they_never_reach_into_the_future(
    candle_ms: int, horizon: int, days: int
) -> None:
    made = range_inputs((1,), True, horizon, candle_ms)
    assert made.names[1:] == ((f"same hours, {days} days",) if days else ())
    np.testing.assert_allclose(made.kernel.sum(axis=1), 1.0)
    assert made.reach <= 256


def test_range_column_when_there_are_others_then_it_is_the_pair_s_own() -> None:
    own, other = "%-range_gen_BTC/USDTUSDT_1h", "%-range_gen_ETH/USDTUSDT_1h"
    names = ("%-range_mid_gen_BTC/USDTUSDT_1h", "%-range_gen_BTC/USDTUSDT_4h", own, "%-sigma")
    assert range_columns((*names, other), HOUR_MS) == (2, 3)
    assert range_columns(("%-sigma", "%-range"), HOUR_MS) == (1, 0)


# -- recovery ----------------------------------------------------------------------------------


def linear_rows(noise: float) -> tuple[RangeRows, FloatArray, FloatArray]:
    """Rows whose log range is linear in the inputs, and the coefficients."""
    rng = np.random.default_rng(4)
    logs = rng.normal(size=(3_000, 2)) * (0.5, 2.0) - 10.0
    hour = rng.integers(168, size=len(logs))
    of_hour = np.sin(np.arange(24)) + 0.0
    of_day = 0.3 * np.cos(np.arange(7))
    clock = of_hour[np.arange(168) % 24] + of_day[np.arange(168) // 24]
    slopes = np.array([0.3, 0.1])
    realised = 1.5 + logs @ slopes + clock[hour] + noise * rng.normal(size=len(logs))
    return RangeRows(np.arange(len(logs)), logs, hour, realised, np.ones(len(logs))), slopes, clock


def test_regression_when_the_log_range_is_linear_then_it_is_recovered_exactly() -> None:
    rows, slopes, clock = linear_rows(noise=0.0)
    inputs = range_inputs((1, 2), False, 1, HOUR_MS)
    found = fit_regression(rows, inputs, ridge=1e-9)
    np.testing.assert_allclose(found(rows.logs, rows.hour), rows.realised, atol=1e-7)
    np.testing.assert_allclose(found.slope / found.std, slopes, atol=1e-7)
    shape = found.clock - found.clock.mean()
    np.testing.assert_allclose(shape, clock - clock.mean(), atol=1e-7)


def test_regression_when_there_is_noise_then_it_is_found_within_its_error() -> None:
    rows, slopes, _ = linear_rows(noise=0.5)
    inputs = range_inputs((1, 2), False, 1, HOUR_MS)
    found = fit_regression(rows, inputs, VolatilityConfig().ridge)
    error = 0.5 / np.sqrt(len(rows.row)) / np.array([0.5, 2.0])
    assert (np.abs(found.slope / found.std - slopes) < 4 * error).all()


def test_training_when_ranges_follow_the_week_exactly_then_held_out_ranges_are_explained() -> None:
    job = planted.planted_job("volatility")
    x = job.features.copy()
    x[1:, 0] = np.exp(planted.signal(job)[:-1]) * 0.01 / x[1:, -1]
    x[0, 0] = 1.0
    settings = job.settings | {"network": {"ridge": 1e-3}}
    artifact = train(dataclasses.replace(job, features=x, settings=settings))
    assert artifact.manifest["volatility"]["explained_frac"]["validation"] > 0.9999


def test_forecast_when_volatility_is_planted_then_its_width_follows_it() -> None:
    job = market_job(market())
    out, rows = forecast(job), planted.held_out_rows(job)
    realised = np.abs(job.labels[columns.LABEL_RETURN] * job.features[:, -1])[rows]
    wide = out[columns.RETURN_QUANTILES[-1]][rows]
    order = np.argsort(wide)
    quarter = len(order) // 4
    assert realised[order[-quarter:]].mean() > 2 * realised[order[:quarter]].mean()
    inside = np.abs(2 * job.labels[columns.LABEL_RETURN] * job.features[:, -1])[rows] <= wide
    assert 0.84 < inside.mean() < 0.96


# -- no side -----------------------------------------------------------------------------------


def test_forecast_when_given_then_up_and_down_keep_the_share_they_had_in_training() -> None:
    job = market_job(market())
    out = forecast(job)
    prior = np.array(trained().manifest["calibration"]["prior_logits"])
    share = 1 / (1 + np.exp(prior[0] - prior[2]))
    given = np.isfinite(out[columns.P_UP])
    up, down = out[columns.P_UP][given], out[columns.P_DOWN][given]
    assert np.ptp(up + down) > 0.2  # it does know when
    np.testing.assert_allclose(up / (up + down), share, atol=1e-12)
    p = np.column_stack((down, out[columns.P_FLAT][given], up))
    outcome = job.labels[columns.LABEL_DIRECTION][given]
    known = np.isfinite(outcome)
    gain = split_gain(p[known], outcome[known], np.exp(prior))
    np.testing.assert_allclose(gain.direction, 0.0, atol=1e-6)
    assert gain.volatility.mean() > 10


def test_forecast_when_given_then_its_median_is_zero_and_its_quantiles_are_symmetric() -> None:
    out = forecast(market_job(market()))
    q = np.column_stack([out[name] for name in columns.RETURN_QUANTILES])
    q = q[np.isfinite(q[:, 0])]
    np.testing.assert_array_equal(q[:, 2], 0.0)
    np.testing.assert_allclose(q, -q[:, ::-1])
    assert (np.diff(q, axis=1) > 0).all()


def test_forecast_when_given_then_sigma_is_its_forecast_and_the_interval_follows_it() -> None:
    job = market_job(market())
    out, rows = forecast(job), planted.held_out_rows(job)
    sigma, high = out[columns.SIGMA][rows], out[columns.RETURN_HIGH][rows]
    outer = out[columns.RETURN_QUANTILES[-1]][rows]
    past = 2 * job.features[rows, -1].astype(np.float64)  # four candles
    r = np.abs(job.labels[columns.LABEL_RETURN][rows] * past)
    known = np.isfinite(r)
    assert (r / sigma)[known].std() < (r / past)[known].std()  # the better unit
    np.testing.assert_allclose((r[known] ** 2).mean() / (sigma[known] ** 2).mean(), 1.0, atol=0.3)
    # One width in units of sigma, stretched a little by the hour and to its level.
    assert np.corrcoef(np.log(high), np.log(sigma))[0, 1] > 0.95
    np.testing.assert_allclose(high, outer, rtol=1e-3)


# -- no look-ahead -----------------------------------------------------------------------------


def test_forecast_when_the_future_of_the_market_is_another_then_no_earlier_row_moves() -> None:
    candles, last = market(), LOOKBACK + 1_500
    rng = np.random.default_rng(5)
    changed = {f.name: getattr(candles, f.name).copy() for f in dataclasses.fields(Candles)}
    factor = np.exp(np.cumsum(0.1 * rng.normal(size=len(candles) - last - 1)))
    for name in ("open", "high", "low", "close"):
        changed[name][last + 1 :] *= factor
    one, two = forecast(market_job(candles)), forecast(market_job(Candles(**changed)))
    row = last - LOOKBACK
    assert np.isfinite(one[columns.P_UP][row])
    for name in columns.FORECAST:
        np.testing.assert_array_equal(one[name][: row + 1], two[name][: row + 1], err_msg=name)
    assert (one[columns.P_FLAT][row + 1 :] != two[columns.P_FLAT][row + 1 :]).any()


def test_training_when_all_after_its_rows_is_another_then_the_graph_is_the_same() -> None:
    job = market_job(market(), training={**SETTINGS["training"], "cross_fit": 1})
    before = train(job).manifest["onnx_sha256"]
    first = planted.prepared(job).split.validation.start
    x = job.features.copy()
    x[first:] *= np.random.default_rng(6).uniform(0.5, 2.0, size=x[first:].shape)
    labels = {name: values.copy() for name, values in job.labels.items()}
    for values in labels.values():
        values[first:] = values[first:][::-1]
    other = train(dataclasses.replace(job, features=x, labels=labels))
    assert Artifact.digest(other.onnx) == before
    x = job.features.copy()
    x[first - 100, job.feature_names.index("%-range")] *= 2  # the control: a training row counts
    other = train(dataclasses.replace(job, features=x))
    assert Artifact.digest(other.onnx) != before


def test_left_out_when_a_block_is_another_then_its_own_answers_go_by_the_rest_alone() -> None:
    job = market_job(market())
    data = planted.prepared(job)
    block, purge = data.blocks[1], data.settings.labels.purge_candles
    labels = {name: values.copy() for name, values in job.labels.items()}
    for values in labels.values():
        values[block.start : block.stop] = values[block.start : block.stop][::-1]
    before = fit_volatility(data).left_out
    after = fit_volatility(
        dataclasses.replace(
            planted.prepared(dataclasses.replace(job, labels=labels)), prior=data.prior
        )
    ).left_out
    assert before is not None
    assert after is not None
    rows = slice(block.start, block.stop)
    np.testing.assert_array_equal(before[rows], after[rows])
    others = slice(block.stop + purge, data.blocks[-1].stop)
    assert np.abs(before[others] - after[others]).max() > 1e-4  # the control: it is their training


# -- the graph ---------------------------------------------------------------------------------


def test_graph_when_run_then_its_outputs_are_the_worked_out_heads() -> None:
    job = market_job(market())
    data = planted.prepared(job)
    parts = fit_parts(data)
    regression, heads = parts.regression, parts.heads
    at = range_columns(job.feature_names, HOUR_MS)
    logs = regression.inputs.logs(squared_ranges(job.features, *at))
    rows = np.arange(regression.inputs.reach - 1, len(job.time_ms))
    log_v = regression(logs, hour_of_week(job.time_ms[rows], HOUR_MS))
    x = graph_input(job.features, job.time_ms, trained().manifest)
    got, layout = Session(trained().onnx).run(x[None])[0, rows].astype(np.float64), data.layout
    sigma = job.features[rows, job.feature_names.index(columns.FEATURE_SIGMA)].astype(np.float64)
    expected = np.exp(log_v)[:, None] * heads.quantiles / (2 * sigma[:, None])  # 4 candles
    np.testing.assert_allclose(got[:, layout.quantiles], expected, rtol=1e-4)
    np.testing.assert_allclose(
        got[:, layout.log_volatility.start], log_v - np.log(2 * sigma), atol=1e-4
    )
    p = np.exp(got[:, layout.classes])
    p /= p.sum(axis=1, keepdims=True)
    moves = heads.moves.hazard(log_v[:, None])[:, 0]
    np.testing.assert_allclose(1 - p[:, 1], moves, atol=1e-5)
    for side, hazard in zip((-1, 1), heads.sides, strict=True):
        answered = 1 / (1 + np.exp(-got[:, layout.hazard(side)]))
        np.testing.assert_allclose(answered, hazard.hazard(log_v[:, None]), rtol=1e-3)


def test_graph_when_candles_are_five_minutes_then_the_hour_changes_with_the_clock() -> None:
    five = HOUR_MS // 12
    times = 1_700_000_000_000 // HOUR_MS * HOUR_MS + five * np.arange(30)
    # The candle that opens at :55 closes at the next hour.
    assert np.flatnonzero(np.diff(hour_of_week(times, five))).tolist() == [10, 22]


# -- bad input ---------------------------------------------------------------------------------


def test_training_when_the_frame_has_no_range_then_it_is_refused_by_name() -> None:
    job = market_job(market())
    names = tuple(n.replace("%-range", "%-extent") for n in job.feature_names)
    with pytest.raises(InputError, match="expected the feature %-range of 1 h candles, got") as e:
        train(dataclasses.replace(job, feature_names=names))
    assert "include_timeframes" in e.value.cure


def test_training_when_no_stretch_is_as_long_as_its_windows_then_it_is_refused() -> None:
    job = market_job(market())
    x = job.features.copy()
    x[::200, 0] = np.nan
    with pytest.raises(InputError, match="expected 260 candles without a gap, got none"):
        train(dataclasses.replace(job, features=x))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"windows": []}, "expected different windows, at least one"),
        ({"windows": [2, 2]}, "expected different windows"),
        ({"windows": [1, 257]}, "expected windows from 1 to 256 candles"),
        ({"windows": "24"}, "a list of different whole numbers"),
        ({"ridge": 0.0}, "expected ridge finite and > 0"),
        ({"rigde": 1.0}, "did you mean 'ridge'"),
    ],
)
def test_settings_when_wrong_then_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_mapping(VolatilityConfig, wrong, where="network volatility")


def test_training_when_nothing_ever_moves_beyond_costs_then_its_probability_is_constant() -> None:
    job = market_job(market())
    direction = job.labels[columns.LABEL_DIRECTION].copy()
    direction[: planted.prepared(job).split.train.stop] *= 0
    still = dataclasses.replace(job, labels=job.labels | {columns.LABEL_DIRECTION: direction})
    parts = fit_parts(planted.prepared(still))
    regression, heads = parts.regression, parts.heads
    assert heads.moves.slope.tolist() == [0.0]
    assert heads.moves.hazard(np.array([[-9.0], [0.0]])).max() < 0.01
    assert np.abs(regression.slope).sum() > 0.1  # ranges are ranges, whatever the costs
