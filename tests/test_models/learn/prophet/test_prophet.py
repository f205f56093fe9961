"""Prophet: the library's numbers out of the served graph, and what it may and may not find."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.config import from_mapping
from models.base.errors import ArtifactError, ConfigError, TrainingError
from models.base.heads import HeadLayout
from models.base.types import Artifact, FloatArray, IntArray, TrainingJob
from models.base.units import DAY_MS, HOUR_MS
from models.learn.jobs.pipeline import train
from models.learn.prophet import library
from models.learn.prophet.closed_form import PARTS, ClosedForm
from models.learn.prophet.graph import Heads, check_parity, served_graph
from models.learn.prophet.prophet import ProphetConfig
from models.learn.prophet.residual import Residual, fit_residual
from models.serve.predictor import Predictor
from models.serve.session import Session, graph_input
from tests.places import ROOT
from tests.test_contract import planted

LAYOUT = HeadLayout(bin_edges=(1, 2, 4))


def stamp(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@cache
def fitted(step_hours: int = 6, years: float = 2.5) -> tuple[Any, ClosedForm, IntArray]:
    """A fit with every part: a halving, expiries, three seasons, a gap in time."""
    rows = int(years * 365.25 * 24 / step_hours)
    times = stamp(2022, 6, 1, 6) + step_hours * HOUR_MS * np.arange(rows, dtype=np.int64)
    times = np.delete(times, slice(400, 500))
    rng = np.random.default_rng(1)
    y = np.cumsum(0.01 * rng.normal(size=len(times)))
    model = library.fit_prophet(times, y, ProphetConfig(), step_hours * HOUR_MS, seed=3)
    return model, library.closed_form(model, int(times[0])), times


def heads(**changes: Any) -> Heads:
    prior = np.linspace(-2, -1, LAYOUT.width)
    return Heads(**{
        "layout": LAYOUT, "horizon": 4, "candle_ms": 6 * HOUR_MS, "sigma_column": 1, "features": 3,
        "weights": np.array([0.5, 0.9, 0.7]), "residual": Residual(2.0, 0.3, 1.5),
        "cost_frac": 0.002, "prior": prior, "temperature": 1.3, **changes,
    })  # fmt: skip


# -- parity ------------------------------------------------------------------------------------


def probe(first: int, last: int, count: int = 400) -> IntArray:
    """Candles of the fit's own grid."""
    step, origin = 6 * HOUR_MS, fitted()[1].origin_ms
    return np.unique(origin + (np.linspace(first, last, count) - origin) // step * step).astype(int)


@pytest.mark.parametrize("where", ["inside", "after", "around_the_end"])
def test_closed_form_when_compared_with_the_library_then_every_part_agrees(where: str) -> None:
    model, form, times = fitted()
    first, last, end = int(times[0]), int(times[-1]), int(times[-1])
    span = {
        "inside": (first, last),
        "after": (end, end + 900 * DAY_MS),
        "around_the_end": (end - 9 * DAY_MS, end + 9 * DAY_MS),
    }[where]
    at = probe(*span)
    later = at + 24 * HOUR_MS
    theirs = library.predict_prophet(model, at)
    ours = form.parts((at - form.origin_ms) / DAY_MS)
    assert np.abs(ours - theirs[:, :3]).max() < 1e-9
    assert np.abs(ours.sum(axis=1) - theirs[:, 3]).max() < 1e-9
    assert (theirs[:, :3].std(axis=0) > 0).all()  # none of the three was a constant
    gaps = check_parity(form, heads(), at, theirs, library.predict_prophet(model, later))
    assert len(gaps) == 7
    assert max(gaps.values()) < 1e-9


def test_fit_when_it_has_every_part_then_none_of_the_controls_is_empty() -> None:
    model, form, _ = fitted()
    assert set(model.seasonalities) == {"daily", "weekly", "yearly"}
    assert set(model.train_holiday_names) == {"halving", "monthly_expiry", "quarterly_expiry"}
    assert np.count_nonzero(form.bends) > 5
    assert form.holidays[0] == form.holidays[-1] == 0


@pytest.mark.parametrize("part", ["slope", "phase", "amplitude", "bends", "holidays"])
def test_parity_check_when_one_part_is_off_by_little_then_it_convicts(part: str) -> None:
    model, form, times = fitted()
    wrong = dataclasses.replace(form, **{part: getattr(form, part) * (1 + 1e-2)})
    at = probe(int(times[0]), int(times[-1]) + 200 * DAY_MS, 2000)
    now, later = (library.predict_prophet(model, t) for t in (at, at + 24 * HOUR_MS))
    with pytest.raises(ArtifactError, match="the closed form and Prophet"):
        check_parity(wrong, heads(), at, now, later)


def test_library_when_the_package_of_the_same_name_exists_then_it_is_still_the_library() -> None:
    import prophet

    import models.learn.prophet.prophet as ours

    assert "site-packages" in str(prophet.__file__)
    assert ours.SPEC.name == "prophet"


# -- heads -------------------------------------------------------------------------------------


def test_served_graph_when_run_then_its_outputs_are_the_worked_out_heads() -> None:
    _, form, _ = fitted()
    h = heads()
    sigma = np.array([0.002, 0.01, 0.05])[np.arange(300) % 3]
    number = 7 * np.arange(300)  # past the end of training
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:, 1], x[:, 3] = sigma, number
    y = Session(served_graph(form, h)).run(x[None].astype(np.float32))[0].astype(np.float64)
    scale = sigma.astype(np.float32).astype(np.float64) * 2  # root of four candles
    mean = form.implied(number * 6 / 24, 1.0) @ h.weights
    np.testing.assert_allclose(y[:, 5], mean / scale, rtol=1e-5, atol=1e-6)  # the median
    spread = h.residual.quantile(np.array(columns.QUANTILES))
    expected = (mean / scale)[:, None] + spread
    np.testing.assert_allclose(y[:, LAYOUT.quantiles], expected, rtol=1e-5, atol=1e-6)
    below = [h.residual.below((c - mean) / scale) for c in (-0.002, 0.002)]
    p = np.column_stack((below[0], below[1] - below[0], 1 - below[1]))
    prior = h.prior[LAYOUT.classes]
    logits = prior + (np.log(np.maximum(p, 1e-6)) - prior) / 1.3
    np.testing.assert_allclose(np.exp(y[:, LAYOUT.classes]), np.exp(logits), atol=1e-6)
    np.testing.assert_allclose(y[:, 8:], np.tile(h.prior[8:], (300, 1)), rtol=1e-6)


def test_served_graph_when_a_candle_did_not_trade_then_its_numbers_are_finite() -> None:
    _, form, _ = fitted()
    x = np.zeros((1, 2, 4), dtype=np.float32)
    x[0, 1, 1] = -1.0
    assert np.isfinite(Session(served_graph(form, heads())).run(x)).all()


@pytest.mark.parametrize("sample", ["normal", "student", "skewed"])
def test_residual_when_fitted_to_a_sample_then_its_quantiles_are_the_samples(sample: str) -> None:
    rng = np.random.default_rng(0)
    x = {
        "normal": rng.normal(size=20_000),
        "student": rng.standard_t(3, size=20_000),
        "skewed": rng.gumbel(size=20_000),
    }[sample]
    x = x - np.median(x)
    found = fit_residual(x)
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(found.quantile(levels), np.quantile(x, levels), atol=0.06)
    assert found.quantile(np.array([0.5]))[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found.below(found.quantile(levels)), levels, atol=1e-12)


def test_residual_when_outcomes_do_not_vary_then_the_training_says_so() -> None:
    with pytest.raises(TrainingError, match="outcomes that vary"):
        fit_residual(np.zeros(300))


# -- time --------------------------------------------------------------------------------------


def test_time_when_it_travels_in_float32_then_every_minute_of_thirty_years_is_exact() -> None:
    origin, minute = stamp(2017, 8, 17, 4), 60_000
    times = origin + minute * np.array([0, 1, 999_999, 30 * 365 * 1440, 2**24 - 1], dtype=np.int64)
    manifest = {"time_origin_ms": origin, "candle_ms": minute}
    x = graph_input(np.ones((5, 2), dtype=np.float32), times, manifest)
    assert x.dtype == np.float32
    assert (origin + x[:, -1].astype(np.int64) * minute == times).all()


def test_time_when_the_manifest_has_no_origin_then_the_features_go_as_they_are() -> None:
    x = np.ones((5, 2), dtype=np.float32)
    assert graph_input(x, np.arange(5), {"candle_ms": 1}) is x


# -- what it sees ------------------------------------------------------------------------------


@cache
def artifact_and_job() -> tuple[Artifact, TrainingJob]:
    return planted.planted_artifact("prophet"), planted.planted_job("prophet")


def test_fit_when_calibration_rows_and_later_ones_change_then_the_network_is_the_same() -> None:
    artifact, job = artifact_and_job()
    first = planted.held_out_rows(job).start
    x, labels = job.features.copy(), {k: v.copy() for k, v in job.labels.items()}
    x[first:, 3] *= 3
    for values in labels.values():
        values[first:] = values[first:][::-1]
    other = train(dataclasses.replace(job, features=x, labels=labels))
    assert other.onnx == artifact.onnx


def test_fit_when_rows_after_the_training_span_change_then_the_fitted_function_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, job = artifact_and_job()
    forms: list[ClosedForm] = []

    def spied(model: Any, origin_ms: int) -> ClosedForm:
        forms.append(library.closed_form(model, origin_ms))
        return forms[-1]

    monkeypatch.setattr("models.learn.prophet.fitting.closed_form", spied)
    first = len(job.time_ms) // 2 - planted.PURGE  # end of the training rows
    labels = {k: v.copy() for k, v in job.labels.items()}
    labels[columns.LABEL_RETURN][first:] *= -2
    weights = [
        train(dataclasses.replace(job, labels=given)).manifest["prophet"]["weights"]
        for given in (job.labels, labels)
    ]
    for name in ClosedForm.__dataclass_fields__:
        np.testing.assert_array_equal(*(getattr(form, name) for form in forms), err_msg=name)
    assert weights[0]["seasonality"] > 0.8  # the planted week
    assert weights[1]["seasonality"] == 0  # upside down on validation rows: not trusted


def test_forecast_when_other_features_change_then_only_novelty_does() -> None:
    artifact, job = artifact_and_job()
    x = job.features.copy()
    x[:, :3] = x[::-1, :3]
    one, two = (
        Predictor(artifact).predict(rows, job.time_ms, job.feature_names)
        for rows in (job.features, x)
    )
    for name in set(columns.FORECAST) - {columns.NOVELTY, columns.ABSTAIN}:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    assert (one[columns.NOVELTY] != two[columns.NOVELTY]).any()


def test_hazard_when_forecast_then_it_is_the_training_rate_and_the_manifest_says_so() -> None:
    artifact, job = artifact_and_job()
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    assert artifact.manifest["constant_heads"] == ["hazard"]
    assert np.ptp(out[columns.HAZARD_DOWN]) == 0
    assert out[columns.HAZARD_DOWN][0] == pytest.approx(0.05, abs=0.02)  # planted, per candle


def test_manifest_when_written_then_it_names_parts_orders_events_and_parity() -> None:
    facts = artifact_and_job()[0].manifest["prophet"]
    json.dumps(facts, allow_nan=False)
    assert facts["seasonality_orders"] == {"weekly": 3, "yearly": 10}  # days have no day inside
    assert facts["events"] == ["halving", "monthly_expiry", "quarterly_expiry"]
    assert max(facts["parity"].values()) < 1e-6
    assert facts["parts_gain_millibits"] > 300


# -- what it finds -----------------------------------------------------------------------------


def rolling_mase(y: FloatArray, season: int, ahead: int, origins: range) -> float:
    """Mean absolute error of forecasts from several origins over the seasonal-naive one's."""
    times = stamp(2023, 1, 1) + DAY_MS * np.arange(len(y), dtype=np.int64)
    ours, naive = [], []
    for origin in origins:
        config = ProphetConfig(yearly_order=0, holidays=False)
        model = library.fit_prophet(times[:origin], y[:origin], config, DAY_MS, seed=0)
        form = library.closed_form(model, int(times[0]))
        rows = np.arange(origin, origin + ahead)
        ours.append(np.abs(form.parts(rows.astype(float)).sum(axis=1) - y[rows]))
        naive.append(np.abs(y[rows - season * (1 + (rows - origin) // season)] - y[rows]))
    return float(np.mean(ours) / np.mean(naive))


def test_rolling_origin_when_a_week_is_planted_then_it_beats_the_seasonal_naive() -> None:
    rng = np.random.default_rng(2)
    y = 0.001 * np.arange(500) + 0.05 * planted.WEEK[np.arange(500) % 7]
    y = y + 0.02 * rng.normal(size=500)
    # Independent noise: the naive forecast has it twice, so a perfect one scores 1 / sqrt(2).
    assert rolling_mase(y, 7, 14, range(200, 480, 40)) < 0.8


def test_rolling_origin_when_there_is_only_a_random_walk_then_it_is_no_better_than_naive() -> None:
    walks = [np.cumsum(0.02 * np.random.default_rng(s).normal(size=500)) for s in range(4)]
    # The level it extrapolates lies on average further off than last week's price.
    assert np.mean([rolling_mase(y, 7, 14, range(200, 480, 40)) for y in walks]) > 0.95


def test_forecast_when_returns_are_noise_then_it_stays_near_zero_on_held_out_rows() -> None:
    job = planted.shuffled_job("prophet")
    artifact, rows = planted.shuffled_artifact("prophet"), planted.held_out_rows(job)
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    median = (out[columns.LABEL_RETURN] / out[columns.SIGMA])[rows]
    outcome = job.labels[columns.LABEL_RETURN][rows]
    assert np.abs(outcome - median).mean() > 0.98 * np.abs(outcome).mean()
    assert np.sqrt((median**2).mean()) < 0.25 * outcome.std()


# -- settings and surroundings -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"changepoints": -1}, "0 <= changepoints"),
        ({"daily_order": 101}, "daily_order <= 100"),
        ({"changepoint_prior_scale": 0.0}, "changepoint_prior_scale finite and > 0"),
        ({"seasonality_prior_scale": float("inf")}, "seasonality_prior_scale finite"),
        ({"holidays_prior_scale": -1.0}, "holidays_prior_scale finite"),
        ({"changepoint_range_frac": 0.0}, "0 < changepoint_range_frac"),
        ({"max_rows": 10}, "max_rows >= 200"),
        ({"holidays": 1}, "true or false for holidays"),
    ],
)
def test_settings_when_out_of_range_then_they_are_refused_by_name(
    setting: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(ProphetConfig, setting, where="network prophet")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("span_days", "step_days", "expected"),
    [
        (400, 1 / 24, {"daily": 4, "weekly": 3}),
        (800, 1 / 24, {"daily": 4, "weekly": 3, "yearly": 10}),
        (400, 1 / 6, {"daily": 2, "weekly": 3}),  # six candles a day: two waves
        (400, 1 / 2, {"weekly": 3}),
        (2000, 7, {"yearly": 10}),
        (13, 1 / 24, {"daily": 4}),
        (1, 1 / 24, {}),
    ],
)
def test_seasons_when_rows_are_few_or_coarse_then_only_those_that_can_be_told_are_fitted(
    span_days: float, step_days: float, expected: dict[str, int]
) -> None:
    assert library.seasonal_orders(ProphetConfig(), span_days, step_days) == expected


def test_fit_when_everything_is_switched_off_then_a_trend_is_left() -> None:
    times = stamp(2023, 1, 1) + DAY_MS * np.arange(300, dtype=np.int64)
    config = ProphetConfig(
        changepoints=0, daily_order=0, weekly_order=0, yearly_order=0, holidays=False
    )
    model = library.fit_prophet(times, 0.01 * np.arange(300.0), config, DAY_MS, seed=0)
    form = library.closed_form(model, int(times[0]))
    np.testing.assert_allclose(form.implied(np.arange(400.0), 5.0)[:, 0], 0.05, rtol=1e-3)
    at = times[::7]
    now, later = (library.predict_prophet(model, t) for t in (at, at + 4 * DAY_MS))
    check_parity(form, heads(candle_ms=DAY_MS), at, now, later)
    assert PARTS[0] == "trend"


def test_training_when_weights_need_not_be_earned_then_noise_is_extrapolated_in_full() -> None:
    job = planted.shuffled_job("prophet")
    settings = {**planted.SETTINGS, "network": {"earned_weights": False}}
    full = train(dataclasses.replace(job, settings=settings)).manifest["prophet"]
    earned = planted.shuffled_artifact("prophet").manifest["prophet"]
    assert set(full["weights"].values()) == {1.0}
    assert sum(earned["weights"].values()) < 0.5
    assert full["parts_gain_millibits"] < earned["parts_gain_millibits"]


def test_training_when_rows_are_thinned_then_the_manifest_says_how() -> None:
    job = artifact_and_job()[1]
    settings = {**planted.SETTINGS, "network": {"max_rows": 300, "weekly_order": 3}}
    facts = train(dataclasses.replace(job, settings=settings)).manifest["prophet"]
    assert facts["candles_per_row"] == 4
    assert facts["rows"] <= 300
    assert facts["seasonality_orders"] == {"yearly": 10}  # four days apart, a week cannot be told


def test_training_when_it_runs_then_nothing_is_printed_and_no_file_is_left(tmp_path: Path) -> None:
    code = (
        "from tests.test_contract import planted\nassert planted.planted_artifact('prophet').onnx\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout + done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} <= {".ses"}  # ONNX Runtime's own
