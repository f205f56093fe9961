"""Which piece of a study is which: whatever it depends on makes it another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.errors import ArtifactError
from models.scenarios.extreme import ExtremeValues
from models.scenarios.filtered import FilteredHistory
from models.scenarios.mixture import Mixture
from models.studies.scenarios.pieces import PieceKey, StudyPiece
from models.studies.scenarios.record import Trial
from models.studies.scenarios.study import study_keys
from tests.test_models.studies.scenarios.worlds import LawEngine, trial_of, true_history


@pytest.fixture(scope="module")
def trial() -> Trial:
    return trial_of(true_history(900, 3), 380, refit_days=65)


def digests(trial: Trial, engine: Any = None, far_paths: int = 2_048) -> list[str]:
    """Of the pieces of one engine: its folds, its far tail."""
    return [key.digest for key in study_keys([engine or LawEngine()], trial, far_paths)]


def with_candles(trial: Trial, **arrays: Any) -> Trial:
    return replace(trial, history=replace(trial.history, **arrays))


def nudged(values: np.ndarray) -> np.ndarray:
    out = values.copy()
    out.flat[len(out) // 2] += 1e-12
    return out


@pytest.mark.parametrize(
    "change",
    [
        lambda t: with_candles(t, close=nudged(t.history.close)),
        lambda t: with_candles(t, low=nudged(t.history.low)),
        lambda t: with_candles(t, high=nudged(t.history.high)),
        lambda t: with_candles(t, funding=nudged(t.history.funding)),
        lambda t: with_candles(t, time_ms=t.history.time_ms + 1),
        lambda t: with_candles(t, coins=("BTC/USDT:USDT", "ETH/USDT:USDT")),
        lambda t: replace(t, seed=1),
        lambda t: replace(t, paths=t.paths + 1),
        lambda t: replace(t, losses=t.losses[:3]),
    ],
    ids=["close", "low", "high", "funding", "times", "coins", "seed", "paths", "losses"],
)
def test_keys_when_anything_of_the_trial_changes_then_no_piece_is_the_same(
    trial: Trial, change: Callable[[Trial], Trial]
) -> None:
    before = digests(trial)
    assert len(set(before)) == len(before) == len(trial.folds) + 1
    assert digests(trial) == before
    assert not set(digests(change(trial))) & set(before)


def test_keys_when_one_fold_changes_then_only_its_piece_does(trial: Trial) -> None:
    first, second = trial.folds
    cut = replace(trial, folds=[first, replace(second, origins=second.origins[:-1])])
    assert [a == b for a, b in zip(digests(trial), digests(cut), strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    later = replace(trial, folds=[first, replace(second, fit_ms=second.fit_ms + 1)])
    assert digests(later)[1] != digests(trial)[1]


def test_keys_when_the_far_paths_change_then_crash_days_and_lows_are_asked_anew(
    trial: Trial,
) -> None:
    assert not set(digests(trial, far_paths=4_096)) & set(digests(trial))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LawEngine(), LawEngine(scale=1.1)),
        (ExtremeValues(), ExtremeValues(quantile=0.98)),
        (Mixture(), Mixture(base=ExtremeValues(base=FilteredHistory(fit_days=90.0)))),
        (Mixture(), Mixture(overlays=())),
    ],
)
def test_keys_when_a_setting_of_an_engine_changes_then_no_piece_is_the_same(
    trial: Trial, one: Any, other: Any
) -> None:
    assert digests(trial, one) == digests(trial, replace(one))
    assert not set(digests(trial, one)) & set(digests(trial, other))


def test_piece_when_its_bytes_are_read_then_they_are_exact_and_of_this_key_only() -> None:
    key = PieceKey("a fold", "12ab")
    piece = StudyPiece(
        arrays={"x": np.array([[0.1, np.nan, -0.0]]), "hit": np.array([True])},
        told={"lows": [{"value": 0.1 + 0.2, "none": None}], "notes": ["§"]},
    )
    again = StudyPiece.from_bytes(piece.to_bytes(key), key)
    assert again.told == piece.told
    for name, array in piece.arrays.items():
        assert again.arrays[name].dtype == array.dtype
        assert again.arrays[name].tobytes() == array.tobytes()
    with pytest.raises(ArtifactError, match="another piece's"):
        StudyPiece.from_bytes(piece.to_bytes(key), PieceKey("a fold", "34cd"))
