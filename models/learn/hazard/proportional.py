"""A discrete-time hazard whose odds move in proportion in all bins: logit h_k(x) = a_k + w x.

The logistic form of Cox's model for grouped times (Cox 1972; Prentice & Gloeckler 1978). Onsets
are counted in dozens, so one slope per feature is what they can carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.heads import sigmoid
from models.base.types import FloatArray

COVARIATE_CLIP: Final = 8.0  # standard deviations
_STEPS: Final = 50
_CLOSE: Final = 1e-8


@dataclass(frozen=True)
class ProportionalHazard:
    """A fitted hazard; a missing feature (NaN) stands at its training mean."""

    start: FloatArray  # (K,) logits of the bins at the mean of the features
    slope: FloatArray  # (F,) per standard deviation
    mean: FloatArray  # (F,)
    std: FloatArray  # (F,)

    def log_odds(self, x: FloatArray) -> FloatArray:
        """Return what the features (N, F) add to every bin's logit, (N,)."""
        return standardised(x, self.mean, self.std) @ self.slope

    def hazard(self, x: FloatArray) -> FloatArray:
        """Return P(onset in bin k | none before), (N, K)."""
        return sigmoid(self.start + self.log_odds(x)[:, None])


def standardised(x: FloatArray, mean: FloatArray, std: FloatArray) -> FloatArray:
    """Return (x - mean) / std within `COVARIATE_CLIP`, 0 where x is NaN."""
    z = (x - mean) / std
    return np.asarray(np.where(np.isnan(z), 0.0, np.clip(z, -COVARIATE_CLIP, COVARIATE_CLIP)))


def fit_proportional(
    x: FloatArray, event: FloatArray, at_risk: FloatArray, ridge: float = 1.0
) -> ProportionalHazard:
    """Return the hazard of highest penalised likelihood, by Newton's method.

    Parameters
    ----------
    x
        (R, F) features, NaN where missing; F may be 0.
    event, at_risk
        (R, K) of `models.base.heads.hazard_targets`.
    ridge
        Penalty on the squared slopes, in events.

    Raises
    ------
    InputError
        If shapes differ or nothing is at risk.
    """
    if len(x) != len(event) or event.shape != at_risk.shape:
        raise InputError(f"expected rows alike, got {x.shape}, {event.shape}, {at_risk.shape}")
    if not at_risk.any():
        raise InputError("expected rows at risk, got none", cure="bring labelled rows")
    with np.errstate(invalid="ignore"):
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / count
        std = np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / count)
    std = np.where(std > 0, std, 1.0)
    z = standardised(x, mean, std)  # (R, F)
    bins = event.shape[1]
    rate = (event.sum(axis=0) + 0.5) / (at_risk.sum(axis=0) + 1.0)
    theta = np.concatenate((np.log(rate / (1 - rate)), np.zeros(z.shape[1])))
    penalty = np.concatenate((np.full(bins, 1e-6), np.full(z.shape[1], ridge)))
    for _ in range(_STEPS):
        p = sigmoid(theta[:bins] + (z @ theta[bins:])[:, None])  # (R, K)
        miss, bend = at_risk * (event - p), at_risk * p * (1 - p)
        slope = np.concatenate((miss.sum(axis=0), z.T @ miss.sum(axis=1)))
        slope[bins:] -= penalty[bins:] * theta[bins:]
        curve = np.diag(penalty)
        curve[:bins, :bins] += np.diag(bend.sum(axis=0))
        curve[:bins, bins:] = bend.T @ z
        curve[bins:, :bins] = curve[:bins, bins:].T
        curve[bins:, bins:] += (z * bend.sum(axis=1)[:, None]).T @ z
        step = np.linalg.solve(curve, slope)
        theta = theta + step / max(1.0, float(np.abs(step).max()) / 2.0)  # damped far from the top
        if np.abs(step).max() < _CLOSE:
            break
    return ProportionalHazard(theta[:bins], theta[bins:], mean, std)
