"""Small training jobs with a signal planted in them, and the artifact each network makes of one.

Row t's label is decided by feature `%-return_1` of the same row (named like a candle's return,
for networks that read raw candles only). The feature is independent from row to row, so a forecast
that is one candle early or late has nothing to go by.

A model that reads the time and no feature (`ModelSpec.reads_time`) is asked the same of what it
reads: candles are days, and the label follows the day of the week in a pattern that correlates
with none of its own shifts. One that says how far and never which way (not
`ModelSpec.directional`) is asked that: the pattern is the log of the next candle's volatility.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from typing import Any

import numpy as np
import torch

from models.base import columns
from models.base.types import Artifact, BoolArray, Float32Array, FloatArray, TrainingJob
from models.base.units import DAY_MS
from models.learn import catalog
from models.learn.jobs.pipeline import train
from models.learn.training.prepare import Prepared, prepare
from models.serve import session

NAMES = ("%-return_1", "%-noise_1", "%-noise_2", columns.FEATURE_SIGMA)
CANDLE_MS = 3_600_000
# Legendre symbols modulo 7: the correlation with every shift of it is -1/6.
WEEK = 1.5 * np.array([0.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0])
START_MS = 1_640_995_200_000
PURGE = 6  # candles the furthest label looks ahead
HELD_OUT_FRAC = 0.25  # validation, and calibration
SETTINGS: dict[str, dict[str, Any]] = {
    "labels": {"horizon_candles": 1, "cascade_horizon_candles": PURGE, "hazard_bins": 3},
    "training": {
        "segment_candles": 64,
        "batch": 4,
        "max_steps": 60,
        "evaluate_every": 20,
        "ema": 0.9,
        "learning_rate": 5e-3,
        "validation_frac": HELD_OUT_FRAC,
        "calibration_frac": HELD_OUT_FRAC,
        "cross_fit": 2,
    },
    "network": {},
}


def enough_rows(network: str) -> int:
    """Fewest rows whose three spans each are as long as the architecture asks for."""
    spec = catalog.load(network)
    span = max(2 * spec.contexts[-1], spec.minimum_rows, 512)
    return math.ceil((span + PURGE + 2) / HELD_OUT_FRAC)


def times(rows: int, candle_ms: int = CANDLE_MS) -> np.ndarray:
    return START_MS + candle_ms * np.arange(rows, dtype=np.int64)


def signal(job: TrainingJob) -> FloatArray:
    """What decides the labels of each row but for noise, (N,): a feature, or the weekday.

    It is their mean, or, for a model without direction, the log of their volatility.
    """
    if catalog.load(job.network).reads_time:
        return WEEK[job.time_ms // DAY_MS % len(WEEK)]
    return job.features[:, 0].astype(np.float64)


def planted_job(network: str, seed: int = 0, **changes: Any) -> TrainingJob:
    """A job whose labels follow the `signal` of the same row; `changes` replace its fields."""
    rows, rng = enough_rows(network), np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(NAMES)))
    x[:, -1] = 0.01 * np.exp(0.1 * x[:, -1])
    candle_ms = DAY_MS if catalog.load(network).reads_time else CANDLE_MS
    job = TrainingJob(
        network=network,
        features=x.astype(np.float32),
        feature_names=NAMES,
        labels={},
        time_ms=times(rows, candle_ms),
        candle_ms=candle_ms,
        settings=SETTINGS,
        title=f"planted {network}",
    )
    noise = rng.normal(size=rows)
    if catalog.load(network).directional:
        outcome = signal(job) + 0.5 * noise
    else:
        outcome = np.exp(signal(job)) * noise
        job = _with_ranges(job, rng)
    labels = {
        columns.LABEL_RETURN: outcome,
        columns.LABEL_DIRECTION: np.where(np.abs(outcome) > 0.5, np.sign(outcome), 0.0),
        columns.LABEL_CASCADE_DOWN: _onsets(rng, rows),
        columns.LABEL_CASCADE_UP: _onsets(rng, rows),
        # Behind the others, so that their random numbers stay what they were.
        columns.LABEL_PEAK: np.where(rng.random(rows) < 0.3, _onsets(rng, rows), np.nan),
        columns.LABEL_ACTION: -np.where(np.abs(outcome) > 0.5, np.sign(outcome), 0.0),
        **_ahead(outcome * x[:, -1]),
    }
    return dataclasses.replace(job, **{"labels": labels, **changes})


def _ahead(log_return: FloatArray) -> dict[str, FloatArray]:
    """What the next candle brings: it opens at the close before and goes straight to its own."""
    still = np.zeros(len(log_return))
    ends = (still, np.maximum(log_return, 0.0), np.minimum(log_return, 0.0), log_return)
    return dict(zip(columns.AHEAD_PRICES, ends, strict=True))


def _with_ranges(job: TrainingJob, rng: np.random.Generator) -> TrainingJob:
    """The job with the range of each candle, in sigma, as its first feature.

    It is what the row before it was told of: row t's label is about candle t + 1.
    """
    x = job.features.copy()
    x[0, 0] = 1.0
    x[1:, 0] = np.exp(signal(job)[:-1] + 0.2 * rng.normal(size=len(x) - 1))
    return dataclasses.replace(job, features=x, feature_names=("%-range", *NAMES[1:]))


def asked(job: TrainingJob, out: dict[str, FloatArray]) -> tuple[BoolArray, FloatArray]:
    """What a model is asked of the held-out rows, and its answers, (R,) each.

    Up or down of the rows that moved; of a model without direction, whether each row moved.
    """
    rows = held_out_rows(job)
    label = job.labels[columns.LABEL_DIRECTION][rows]
    if not catalog.load(job.network).directional:
        return label != 0, -out[columns.P_FLAT][rows]
    moved = label != 0
    return label[moved] > 0, out[columns.LABEL_DIRECTION][rows][moved]


def answer(network: str, out: dict[str, FloatArray]) -> FloatArray:
    """What a model says of the planted `signal`, (N,)."""
    if not catalog.load(network).directional:
        return np.asarray(np.log(out[columns.RETURN_QUANTILES[-1]]))
    (name,) = {columns.LABEL_RETURN} & set(answered(network)) or {columns.LABEL_DIRECTION}
    return out[name]


def held_out(job: TrainingJob) -> TrainingJob:
    """The job with its newest rows held out from training, instead of blocks left out in turn."""
    training = {**job.settings["training"], "cross_fit": 1}
    return dataclasses.replace(job, settings={**job.settings, "training": training})


def prepared(job: TrainingJob) -> Prepared:
    """The job's data as the pipeline hands it to the fitter of its architecture."""
    return prepare(job, catalog.load(job.network))


def answered(network: str) -> tuple[str, ...]:
    """The forecast columns an architecture fills; those of heads it does not have are NaN."""
    spec = catalog.load(network)
    heads = {*spec.absent, *columns.EXTRA_HEADS} - set(spec.extra)
    absent = {name for head in heads for name in columns.OF_HEAD[head]}
    # The planted sample is too small to know which drift is usual, and mostly how often alarms are
    # false: then its manifest says so.
    absent |= {columns.DRIFT, *(f"false_alarms_{side}" for side in unfitted_sides(network))}
    return tuple(name for name in columns.FORECAST if name not in absent)


def unfitted_sides(network: str) -> list[str]:
    """The sides whose false alarms the planted artifact could not count."""
    alarms = planted_artifact(network).manifest["calibration"]["false_alarms"] or {}
    return [side for side, found in alarms.items() if found["unfitted"]]


UNSEEN = 77  # seed of planted rows that no model is trained on


def shuffled_job(network: str, seed: int = 0) -> TrainingJob:
    """The planted job with every row's labels moved to a random other row."""
    job = planted_job(network, seed)
    order = np.random.default_rng(1).permutation(len(job.time_ms))
    return dataclasses.replace(job, labels={k: v[order] for k, v in job.labels.items()})


def graph_input(artifact: Artifact, job: TrainingJob) -> Float32Array:
    """The rows of `job` as the artifact's graph is fed them."""
    return session.graph_input(job.features, job.time_ms, artifact.manifest)


def held_out_rows(job: TrainingJob) -> slice:
    """The calibration rows: newer than any the weights or the checkpoint were chosen on."""
    return slice(int(len(job.time_ms) * (1 - HELD_OUT_FRAC)), len(job.time_ms) - PURGE)


def _onsets(rng: np.random.Generator, rows: int) -> FloatArray:
    return np.minimum(rng.geometric(0.05, rows), PURGE + 1).astype(np.float64)


@cache
def planted_artifact(network: str) -> Artifact:
    torch.set_num_threads(1)
    return train(planted_job(network))


@cache
def shuffled_artifact(network: str) -> Artifact:
    torch.set_num_threads(1)
    return train(shuffled_job(network))
