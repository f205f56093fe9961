"""How jobs are made of a market's rows; the numbers must not change on the way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.base import columns
from models.base.errors import InputError
from models.base.types import TrainingJob
from models.learn.jobs.job import FEWEST_PEER_ROWS, MarketRows, feature_matrix, peer_of
from tests.test_contract import planted

SETTINGS = {"training": {"max_steps": 7}}


def rows(of: TrainingJob) -> MarketRows:
    return MarketRows(
        features=of.features,
        feature_names=of.feature_names,
        labels=of.labels,
        time_ms=of.time_ms,
        candle_ms=of.candle_ms,
    )


@pytest.fixture(scope="module")
def made() -> TrainingJob:
    return planted.planted_job("linear")


def test_job_when_made_of_rows_then_it_holds_them_and_what_was_requested(made: TrainingJob) -> None:
    job = rows(made).job("tcn", settings=SETTINGS, seed=3, title="BTC until today")
    assert (job.network, job.seed, job.title) == ("tcn", 3, "BTC until today")
    assert job.settings == SETTINGS
    assert job.features is made.features
    assert job.labels is made.labels
    assert job.peers == ()


def test_job_when_it_is_to_run_on_a_cluster_then_it_is_the_same_job(made: TrainingJob) -> None:
    place = {"executor": "ray", "ray_address": "head:6379"}
    there = {"training": SETTINGS["training"] | place}
    assert rows(made).job("tcn", settings=there, seed=3, title="BTC").settings == SETTINGS


def test_rows_when_some_are_left_out_then_those_are_empty_and_the_tail_is_cut(
    made: TrainingJob,
) -> None:
    keep = np.arange(len(made.time_ms)) % 3 == 0
    keep[50:] = False
    held = rows(made).only(keep)
    assert len(held.time_ms) == 49
    np.testing.assert_array_equal(held.time_ms, made.time_ms[:49])
    assert np.isnan(held.features[~keep[:49]]).all()
    np.testing.assert_array_equal(held.features[keep[:49]], made.features[keep])
    assert held.features.dtype == np.float32
    for name, values in held.labels.items():
        assert np.isnan(values[~keep[:49]]).all()
        np.testing.assert_array_equal(values[keep[:49]], made.labels[name][keep])


def test_matrix_when_made_of_columns_then_each_is_rounded_once_to_single_precision() -> None:
    one, two = np.array([0.1, np.nan]), np.array([1e-40, 1e30])
    matrix = feature_matrix([one, two])
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix[:, 0], one.astype(np.float32))
    np.testing.assert_array_equal(matrix[:, 1], two.astype(np.float32))


def test_peer_when_it_reaches_beyond_the_job_then_only_the_rows_inside_are_there(
    made: TrainingJob,
) -> None:
    inside = slice(100, len(made.time_ms) - 200)
    job = rows(made).cut(inside).job("hedge", settings=SETTINGS, seed=1, title="BTC")
    peer = peer_of(job, rows(made), "LTC")
    np.testing.assert_array_equal(peer.time_ms, job.time_ms)
    np.testing.assert_array_equal(peer.features, job.features)
    assert (peer.title, peer.network, peer.seed) == ("LTC", "hedge", 1)
    assert list(peer.labels) == list(job.labels)


def test_peer_when_it_has_one_usable_row_too_few_then_it_is_refused(made: TrainingJob) -> None:
    enough = rows(made).cut(slice(0, FEWEST_PEER_ROWS))
    assert len(peer_of(made, enough, "LTC").time_ms) == FEWEST_PEER_ROWS
    short = enough.cut(slice(1, None))
    with pytest.raises(InputError, match=f"{FEWEST_PEER_ROWS - 1} usable candles, at least"):
        peer_of(made, short, "LTC")


def test_peer_when_a_label_is_never_known_then_it_is_named(made: TrainingJob) -> None:
    blind = {**made.labels, columns.LABEL_RETURN: np.full(len(made.time_ms), np.nan)}
    with pytest.raises(InputError, match=f"{columns.LABEL_RETURN} is never known"):
        peer_of(made, dataclasses.replace(rows(made), labels=blind), "LTC")
