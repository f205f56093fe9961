"""Jobs and settings that training must refuse, with the right error, before it spends any time.

`test_networks.py` asks the plainest of these of every network; here is one network and every
refusal, its wording, and jobs with several things wrong at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import AlignmentError, ConfigError, InputError, PackError
from models.base.types import FloatArray, TrainingJob
from models.learn import catalog
from models.learn.jobs.pipeline import check, train
from models.learn.nets.base import NetworkSpec
from models.learn.training import networks
from models.learn.training.prepare import Prepared
from tests.test_contract import planted

NETWORK = "lstm"
JOB = planted.held_out(planted.planted_job(NETWORK))
ROWS = len(JOB.time_ms)
EVERY = slice(None)
TRAINING_ROWS = slice(0, ROWS // 2)  # the span before validation and calibration


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that gets as far as the first optimiser step was not refused in time."""

    def fit(*_: Any, **__: Any) -> None:
        raise AssertionError("the job was accepted: training began")

    monkeypatch.setattr(networks, "fit", fit)


def features(*edits: tuple[Any, int, Any]) -> TrainingJob:
    """The planted job with (rows, column, values) written over its features."""
    x = JOB.features.copy()
    for rows, column, values in edits:
        x[rows, column] = values
    return dataclasses.replace(JOB, features=x)


def label(name: str, change: Callable[[FloatArray], FloatArray]) -> TrainingJob:
    return dataclasses.replace(JOB, labels={**JOB.labels, name: change(JOB.labels[name].copy())})


def first(rows: int) -> TrainingJob:
    """The planted job's first rows."""
    return dataclasses.replace(
        JOB,
        features=JOB.features[:rows],
        time_ms=JOB.time_ms[:rows],
        labels={name: values[:rows] for name, values in JOB.labels.items()},
    )


def settings(**blocks: Any) -> TrainingJob:
    """The planted job with keys added to the blocks of its settings."""
    merged = {**JOB.settings}
    for name, block in blocks.items():
        merged[name] = {**merged.get(name, {}), **block}
    return dataclasses.replace(JOB, settings=merged)


def refusal(job: TrainingJob, kind: type[PackError]) -> PackError:
    with pytest.raises(kind) as caught:
        train(job)
    assert type(caught.value) is kind
    return caught.value


def test_control_when_the_job_is_sound_then_it_is_not_refused() -> None:
    with pytest.raises(AssertionError, match="training began"):
        train(JOB)


# -- columns ------------------------------------------------------------


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, ROWS // 2, ROWS - 1])
def test_column_when_infinite_in_any_one_row_then_it_is_refused_by_name(
    row: int, value: float
) -> None:
    error = refusal(features((row, 1, value)), InputError)
    assert error.problem == "%-noise_1 is infinite"
    assert error.where == JOB.title
    assert error.cure


@pytest.mark.parametrize("value", [0.0, 1.0, -7.7, 3e-9, 1e20])
def test_column_when_constant_at_any_value_then_it_is_refused_by_name(value: float) -> None:
    assert refusal(features((EVERY, 2, value)), InputError).problem == "%-noise_2 is constant"


def test_column_when_constant_but_for_gaps_then_it_is_refused_by_name() -> None:
    job = features((EVERY, 2, 5.0), (slice(100, 140), 2, np.nan))
    assert refusal(job, InputError).problem == "%-noise_2 is constant"


def test_column_when_nan_in_every_row_then_it_is_refused_by_name() -> None:
    job = features((EVERY, 0, np.nan))
    assert refusal(job, InputError).problem == "%-return_1 is NaN in every row"


def test_columns_when_each_row_lacks_one_then_there_is_no_row_to_learn_from() -> None:
    job = features((slice(0, None, 2), 0, np.nan), (slice(1, None, 2), 1, np.nan))
    assert refusal(job, InputError).problem == "no row has all 4 features"


def test_job_when_several_things_are_wrong_then_all_are_listed_at_once() -> None:
    job = features((9, 0, np.inf), (EVERY, 1, np.nan))
    labels = {name: v for name, v in JOB.labels.items() if name != columns.LABEL_CASCADE_UP}
    labels[columns.LABEL_RETURN] = np.full(ROWS, np.nan)
    names = ("%-return_1", "%-noise_1", "%-noise_2", "%-not_sigma")
    error = refusal(dataclasses.replace(job, labels=labels, feature_names=names), InputError)
    assert error.problem.split("; ") == [
        "%-return_1 is infinite",
        "%-noise_1 is NaN in every row",
        "%-sigma is missing",
        "forecasts are scaled by it",
        "label &-return has no known value",
        "label &-cascade_up is missing",
    ]


# -- rows ------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 400, planted.enough_rows(NETWORK) - 80])
def test_rows_when_too_few_then_the_need_and_each_spans_length_are_named(rows: int) -> None:
    error = refusal(first(rows), InputError)
    need = 2 * catalog.load(NETWORK).contexts[-1]
    assert error.problem.startswith(f"expected at least {need} rows in each of ")
    assert error.problem.endswith(f" of {rows} rows")
    assert "train_period_days" in error.cure


def test_rows_when_there_are_none_then_it_is_an_input_error() -> None:
    refusal(first(0), InputError)


@pytest.mark.parametrize("change", ["repeated", "backwards"])
def test_times_when_not_increasing_then_the_row_is_named(change: str) -> None:
    times = JOB.time_ms.copy()
    if change == "repeated":
        times[77] = times[76]
    else:
        times = times[::-1].copy()
    error = refusal(dataclasses.replace(JOB, time_ms=times), AlignmentError)
    assert error.where == ("row 77" if change == "repeated" else "row 1")
    assert str(times[77 if change == "repeated" else 1]) in error.problem


# -- names and settings ------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstn", "", "base", "LSTM", "../lstm"])
def test_network_when_unknown_then_the_known_ones_are_listed(name: str) -> None:
    error = refusal(dataclasses.replace(JOB, network=name), ConfigError)
    assert error.problem == f"unknown network {name!r}"
    assert error.cure == f"known networks: {', '.join(catalog.names())}"
    with pytest.raises(ConfigError, match="unknown network"):
        check(name, {})


@pytest.mark.parametrize(
    ("blocks", "problem", "where"),
    [
        ({"trainin": {}}, "unknown setting 'trainin'; did you mean 'training'?", ""),
        ({"network": {"hiden": 8}}, "unknown setting 'hiden'; did you mean 'hidden'?", "lstm"),
        ({"training": {"max_step": 1}}, "unknown setting 'max_step'; did you mean 'max_steps'?",
         "training"),
        ({"labels": {"horizon": 1}}, "unknown setting 'horizon'; did you mean 'horizon_candles'?",
         "labels"),
        ({"training": {"max_steps": "10"}}, "expected a whole number for max_steps, got '10'",
         "training"),
        ({"training": {"ema": "0.9"}}, "expected a number for ema, got '0.9'", "training"),
        ({"training": {"ema": True}}, "expected a number for ema, got True", "training"),
        ({"training": {"batch": 0}}, "expected batch >= 1, got 0", "training"),
        ({"training": {"learning_rate": float("nan")}},
         "expected learning_rate finite and > 0, got nan", "training"),
        ({"network": {"hidden": 2.5}}, "expected a whole number for hidden, got 2.5", "lstm"),
        ({"network": {"dropout": 1.0}}, "expected 0 <= dropout < 1, got 1.0", "lstm"),
    ],
)  # fmt: skip
def test_settings_when_wrong_then_expected_and_actual_are_named_in_training_and_in_the_check(
    blocks: dict[str, Any], problem: str, where: str
) -> None:
    error = refusal(settings(**blocks), ConfigError)
    assert error.problem == problem
    assert where in error.where
    assert error.cure.startswith("known settings: ")
    with pytest.raises(ConfigError) as caught:
        check(NETWORK, blocks)
    assert caught.value.problem == problem


# -- parts that do not fit each other ------------------------------------------------------------


def _direction(value: float) -> TrainingJob:
    return label(columns.LABEL_DIRECTION, lambda v: np.where(v == 1, value, v))


def _longer(values: FloatArray) -> FloatArray:
    return np.concatenate((values, values[-5:]))


def _unknown_in_training(values: FloatArray) -> FloatArray:
    return np.where(np.arange(ROWS) < TRAINING_ROWS.stop, np.nan, values)


@pytest.mark.parametrize(
    ("job", "kind", "said"),
    [
        (dataclasses.replace(JOB, feature_names=JOB.feature_names[1:]),
         AlignmentError, "expected one name per feature column, got 3 for 4"),
        (dataclasses.replace(JOB, feature_names=("%-new", *JOB.feature_names)),
         AlignmentError, "expected one name per feature column, got 5 for 4"),
        (dataclasses.replace(JOB, feature_names=("%-new", "%-new", *JOB.feature_names[2:])),
         AlignmentError, "feature names come twice: ['%-new']"),
        (dataclasses.replace(JOB, features=JOB.features[:, 0]),
         InputError, f"expected features of shape (rows, features), got ({ROWS},)"),
        (dataclasses.replace(JOB, time_ms=JOB.time_ms[:-5]),
         AlignmentError, f"expected one time per row, got {ROWS - 5} for {ROWS}"),
        (dataclasses.replace(JOB, time_ms=planted.times(ROWS + 5)),
         AlignmentError, f"expected one time per row, got {ROWS + 5} for {ROWS}"),
        (label(columns.LABEL_RETURN, lambda v: v[:-5]),
         AlignmentError, f"expected one &-return per row, got {ROWS - 5} for {ROWS}"),
        (label(columns.LABEL_RETURN, _longer),
         AlignmentError, f"expected one &-return per row, got {ROWS + 5} for {ROWS}"),
        (_direction(2.0), InputError, "label &-direction must be -1, 0 or 1, got [2.0]"),
        (_direction(-2.0), InputError, "label &-direction must be -1, 0 or 1, got [-2.0]"),
        (_direction(0.5), InputError, "label &-direction must be -1, 0 or 1, got [0.5]"),
        (label(columns.LABEL_RETURN, _unknown_in_training),
         InputError, "label &-return is unknown in every training row"),
        (label(columns.LABEL_DIRECTION, _unknown_in_training),
         InputError, "label &-direction is unknown in every training row"),
        (features((TRAINING_ROWS, 1, np.nan)),
         InputError, "%-noise_1 is NaN in every training row"),
        (features((slice(0, ROWS // 2, 2), 0, np.nan), (slice(1, ROWS // 2, 2), 1, np.nan)),
         InputError, "no training row has all 4 features"),
        (features((EVERY, -1, -JOB.features[:, -1])),
         InputError, "%-sigma is negative; it is a standard deviation"),
        (features((EVERY, 1, 1e-40 * JOB.features[:, 1])),
         InputError, "%-noise_1 has a standard deviation of"),
        (dataclasses.replace(JOB, seed=-1), ConfigError, "expected a seed >= 0, got -1"),
    ],
)  # fmt: skip
def test_job_when_its_parts_do_not_fit_then_what_is_wrong_is_named(
    job: TrainingJob, kind: type[PackError], said: str
) -> None:
    error = refusal(job, kind)
    assert error.problem.startswith(said)
    assert error.where == JOB.title


def test_column_when_its_numbers_are_enormous_then_they_are_standardised_all_the_same() -> None:
    enormous = planted.prepared(features((EVERY, 1, 1e25 * JOB.features[:, 1])))
    np.testing.assert_allclose(
        _standardised(enormous), _standardised(planted.prepared(JOB)), atol=1e-5
    )


def _standardised(data: Prepared) -> np.ndarray:
    """What the network inside the shell is handed for the first rows, (1, 64, F)."""
    assert isinstance(data.spec, NetworkSpec)
    model, seen = networks.build_forecaster(data.spec, data, seed=0), []
    model.network.register_forward_pre_hook(lambda _, args: seen.append(args[0].numpy()))
    model(data.rows.features[None, :64])
    return seen[0]
