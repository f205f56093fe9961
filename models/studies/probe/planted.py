"""Labels that nothing can forecast, and a feature from which a known part of them can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.base.types import FloatArray
from models.evaluate.metrics.skill import SplitGain, split_gain

PLANTED: Final = "planted"


def shuffled_labels(
    labels: Mapping[str, FloatArray], rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return the labels, (N,) each, in an order that has nothing to do with the rows'.

    All labels of one row stay together, so that they still fit each other.
    """
    order = rng.permutation(len(next(iter(labels.values()))))
    return {name: values[order] for name, values in labels.items()}


def planted_feature(
    outcome_class: FloatArray, true_frac: float, rng: np.random.Generator
) -> FloatArray:
    """Return (N,) a feature that is the row's own outcome with probability `true_frac`.

    Else it is the outcome of a row drawn at random, so it says nothing then. It looks ahead on
    purpose. Where the outcome is not known it is one drawn at random, too.
    """
    known = outcome_class[np.isfinite(outcome_class)]
    drawn = rng.choice(known, size=len(outcome_class))
    tells = (rng.random(len(outcome_class)) < true_frac) & np.isfinite(outcome_class)
    return np.where(tells, outcome_class, drawn)


def gain_there_is(feature: FloatArray, outcome_class: FloatArray) -> SplitGain:
    """Return what the best forecast from the planted feature alone gains, millibits a row, (N,).

    Parameters
    ----------
    feature, outcome_class
        (N,) of -1, 0, 1; rows whose outcome is not known are left out of the frequencies, and 0.
    """
    known = np.isfinite(outcome_class)
    outcome = np.where(known, outcome_class, 0.0)
    cells = np.zeros((3, 3))
    np.add.at(cells, ((feature[known] + 1).astype(int), (outcome[known] + 1).astype(int)), 1.0)
    given = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1.0)
    prior = cells.sum(axis=0) / max(cells.sum(), 1.0)
    gain = split_gain(given[(feature + 1).astype(int)], outcome, prior)
    return SplitGain(*(np.where(known, part, 0.0) for part in gain))
