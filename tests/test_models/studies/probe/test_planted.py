"""Shuffled labels keep what they are and lose where they were; a planted feature tells its part."""

from __future__ import annotations

import numpy as np
import pytest

from models.studies.probe.planted import gain_there_is, planted_feature, shuffled_labels

ROWS = 40_000


@pytest.fixture
def outcome() -> np.ndarray:
    rng = np.random.default_rng(1)
    drawn = rng.choice([-1.0, 0.0, 1.0], size=ROWS, p=[0.2, 0.6, 0.2])
    drawn[-4:] = np.nan
    return drawn


def test_labels_when_shuffled_then_rows_stay_together_and_say_nothing_of_their_place(
    outcome: np.ndarray,
) -> None:
    place = np.arange(ROWS, dtype=float)
    mixed = shuffled_labels({"class": outcome, "place": place}, np.random.default_rng(2))
    np.testing.assert_array_equal(mixed["class"], outcome[mixed["place"].astype(int)])
    assert sorted(mixed["place"]) == list(place)
    known = np.isfinite(mixed["class"]) & np.isfinite(outcome)
    assert abs(np.corrcoef(mixed["class"][known], outcome[known])[0, 1]) < 0.02


def test_feature_when_planted_then_it_tells_as_much_as_it_should(outcome: np.ndarray) -> None:
    known = np.isfinite(outcome)
    for true_frac in (0.0, 0.3, 1.0):
        feature = planted_feature(outcome, true_frac, np.random.default_rng(3))
        assert set(feature) == {-1.0, 0.0, 1.0}
        same = (feature[known] == outcome[known]).mean()
        assert same == pytest.approx(true_frac + (1 - true_frac) * 0.44, abs=0.01)


def test_gain_when_the_feature_tells_all_or_nothing_then_it_is_the_entropy_or_nothing(
    outcome: np.ndarray,
) -> None:
    known = np.isfinite(outcome)
    whole = gain_there_is(np.where(known, outcome, 0.0), outcome)
    shares = np.array([0.2, 0.6, 0.2])
    entropy = -1000 / np.log(2) * float((shares * np.log(shares)).sum())
    moved = 1000 * 0.4  # up or down given that it moves: one bit
    assert whole.direction[known].mean() == pytest.approx(moved, rel=0.03)
    assert whole.total[known].mean() == pytest.approx(entropy, rel=0.03)
    none = gain_there_is(planted_feature(outcome, 0.0, np.random.default_rng(4)), outcome)
    assert none.total[known].mean() == pytest.approx(0.0, abs=0.5)
    assert (whole.total[~known] == 0).all()
