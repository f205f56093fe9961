"""False alarms of a trained model: counted on rows left out, kept in the manifest, and served."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.types import Artifact, FloatArray, TrainingJob
from models.base.units import HOUR_MS
from models.data.labels.cascade import candles_to_onset
from models.learn.hazard.alarms import Watch, raise_alarms
from models.learn.jobs.pipeline import train
from models.serve.predictor import Predictor

ROWS = 6000
WEEKS = ROWS / 168
NAMES = ("%-danger", "%-noise", columns.FEATURE_SIGMA)
HORIZON = 12
SETTINGS: dict[str, dict[str, Any]] = {
    "labels": {"cascade_horizon_candles": HORIZON, "hazard_bins": 3},
    "training": {"cross_fit": 3},
}


def onsets_of(danger: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Rows of onsets a day apart at least, likelier where there was danger the candle before."""
    hit = rng.random(ROWS) < 1 / (1 + np.exp(7.0 - 3.0 * np.concatenate(([0.0], danger[:-1]))))
    rows = np.flatnonzero(hit)
    return rows[np.diff(rows, prepend=-99) > 24]


def job(seed: int, *, quiet: bool = False) -> tuple[TrainingJob, FloatArray]:
    """One market with a feature that tells of falls, and where they start; squeezes are alike."""
    rng = np.random.default_rng(seed)
    danger = np.convolve(rng.normal(size=ROWS + 11), np.ones(12), "valid") / np.sqrt(12)
    onset = np.zeros(ROWS, bool)
    if not quiet:
        onset[onsets_of(danger, rng)] = True
    steps = candles_to_onset(onset, np.ones(ROWS, bool), HORIZON)
    r = rng.normal(size=ROWS)
    labels = {
        columns.LABEL_RETURN: r,
        columns.LABEL_DIRECTION: np.sign(np.trunc(2 * r)),
        columns.LABEL_CASCADE_DOWN: steps,
        columns.LABEL_CASCADE_UP: steps,
    }
    x = np.column_stack((danger, rng.normal(size=ROWS), np.full(ROWS, 0.01)))
    x[:, 2] *= np.exp(0.1 * rng.normal(size=ROWS))
    made = TrainingJob(
        network="boosted", features=x.astype(np.float32), feature_names=NAMES, labels=labels,
        time_ms=HOUR_MS * np.arange(ROWS, dtype=np.int64), candle_ms=HOUR_MS, settings=SETTINGS,
    )  # fmt: skip
    return made, np.flatnonzero(onset)


@cache
def trained(*, quiet: bool = False) -> Artifact:
    return train(job(0, quiet=quiet)[0])


def served(artifact: Artifact, market: TrainingJob) -> dict[str, FloatArray]:
    kept = Artifact(artifact.onnx, json.loads(json.dumps(artifact.manifest)))
    return Predictor(kept).predict(market.features, market.time_ms, NAMES)


@pytest.mark.parametrize("per_week", [0.5, 1.0])
def test_model_when_it_warns_at_its_own_level_then_other_rows_see_as_many_false_alarms(
    per_week: float,
) -> None:
    market, onsets = job(1)
    out = served(trained(), market)
    rate = out[columns.FALSE_ALARMS_DOWN]
    asked = np.isfinite(rate)
    for onset in onsets:
        asked[onset : onset + 24] = False  # no other can come
    watch = Watch((rate <= per_week).astype(np.float64), asked, onsets)
    found = raise_alarms(watch, 1.0, HORIZON)
    expected = per_week * WEEKS
    assert abs(found.false - expected) < 3 * np.sqrt(2 * expected)
    chance = (found.false + found.caught.sum()) * HORIZON / ROWS
    assert found.caught.mean() > 2 * chance


def test_model_when_it_is_trained_then_levels_are_counted_on_every_row_left_out() -> None:
    alarms = trained().manifest["calibration"]["false_alarms"]
    _, onsets = job(0)
    for side in columns.SIDE_NAMES:
        found = alarms[side]
        assert found["unfitted"] is None
        assert found["onsets"] == len(onsets) - int(onsets[0] < HORIZON)
        # A day behind each onset nobody is asked.
        assert found["weeks"] == pytest.approx((ROWS - HORIZON - 24 * len(onsets)) / 168, abs=0.2)
    assert not [w for w in trained().manifest["card"]["warnings"] if "is an alarm" in w]


def test_model_when_no_onset_was_seen_then_it_says_so_and_no_level_is_an_alarm() -> None:
    artifact = trained(quiet=True)
    told = [w for w in artifact.manifest["card"]["warnings"] if "is an alarm" in w]
    assert [w.split(":")[0] for w in told] == [
        "no level of the down hazard is an alarm", "no level of the up hazard is an alarm",
    ]  # fmt: skip
    assert "0 onsets in 35" in told[0]
    out = served(artifact, job(1)[0])
    assert np.isfinite(out[columns.LABEL_CASCADE_DOWN]).all()
    assert np.isnan(out[columns.FALSE_ALARMS_DOWN]).all()
    assert (out[columns.ABSTAIN] == 0).mean() > 0.9


def test_model_when_the_future_changes_then_its_rates_do_not() -> None:
    market = job(1)[0]
    other = market.features.copy()
    other[4000:] = other[4000:][::-1]
    one, two = (
        served(trained(), dataclasses.replace(market, features=x)) for x in (market.features, other)
    )
    for name in (columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP):
        np.testing.assert_array_equal(one[name][:4000], two[name][:4000])
        assert (one[name][4000:] != two[name][4000:]).any()
