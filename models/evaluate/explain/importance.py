"""What drives a model's forecasts in general: the mean size of what moved a sample of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import Float32Array, FloatArray
from models.evaluate.explain.forecast import AGES, WindowForecaster, age_blocks
from models.evaluate.explain.shapley import mean_and_error, shapley

PAIRS: Final = 2  # of walks; the mean over forecasts evens out what they leave open
_NORMAL = float(np.sqrt(2 / np.pi))  # mean absolute value of a standard normal


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Mean absolute attribution over a sample of forecasts, by feature and by age of candle.

    Features and ages are two questions, each asked with the other whole. ``noise`` is what the
    sampling of walks alone would show for a feature that moves nothing on balance.
    """

    forecasts: int
    by_feature: tuple[dict[str, Any], ...]  # largest first: feature, value, error, noise
    by_age: tuple[dict[str, Any], ...]  # youngest first, as far as models look back: age, ...


def evaluations(forecaster: WindowForecaster) -> int:
    """Return how often the graph is asked for one forecast of the sample."""
    once: int = 2 * PAIRS * len(forecaster.inputs) + 2 ** len(AGES)
    return len(forecaster.baselines()) * once


def importance(
    sample: Sequence[tuple[WindowForecaster, Float32Array]],
    target: str = "advantage",
    *,
    seed: int = 0,
) -> Importance:
    """Return what drives the forecasts of a sample of (forecaster, window (T, F')).

    Raises
    ------
    InputError, AlignmentError
        If the sample is empty, or its forecasters do not read the same features.
    """
    if not sample:
        raise InputError("expected at least one forecast to explain")
    inputs = sample[0][0].inputs
    if any(forecaster.inputs != inputs for forecaster, _ in sample):
        raise AlignmentError("the forecasters of the sample read different features")
    features = np.zeros((2, len(sample), len(inputs)))  # value and error of each forecast
    blocks = 1 + max(int(age_blocks(len(window)).max()) for _, window in sample)
    ages = np.zeros((2, len(sample), blocks))  # a shorter context has no old candles: 0
    for i, (forecaster, window) in enumerate(sample):
        function, baselines = forecaster.function(target), forecaster.baselines()
        by_feature = np.broadcast_to(np.arange(len(inputs)), window.shape)
        by_age = np.broadcast_to(age_blocks(len(window))[:, None], window.shape)
        for players, out in ((by_feature, features), (by_age, ages)):
            found = shapley(function, window, baselines, players, pairs=PAIRS, seed=seed + i)
            out[:, i, : found.samples.shape[1]] = found.value, found.error
    rows = _rows("feature", inputs, features)
    return Importance(
        forecasts=len(sample),
        by_feature=tuple(sorted(rows, key=lambda row: -row["value"])),
        by_age=tuple(_rows("age", tuple(AGES)[:blocks], ages)),
    )


def _rows(what: str, names: tuple[str, ...], found: FloatArray) -> list[dict[str, Any]]:
    """Return a row per name of values and errors (2, N, P)."""
    value, error = mean_and_error(np.abs(found[0]))
    noise = _NORMAL * found[1].mean(axis=0)
    return [
        {what: name, "value": float(v), "error": float(e), "noise": float(s)}
        for name, v, e, s in zip(names, value, error, noise, strict=True)
    ]
