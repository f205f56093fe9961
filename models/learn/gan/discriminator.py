"""A classifier that tries to tell generated windows from real ones, on windows it did not see."""

from __future__ import annotations

import numpy as np

from models.base.types import FloatArray

_FOLDS = 5
_DRAWS = 4  # generated windows per real one
_RIDGE = 5.0
_NEWTON_STEPS = 12


def discriminator_auc(real: FloatArray, generated: FloatArray, seed: int) -> float:
    """Return the area under the curve of a ridge logistic regression, 0.5 = cannot tell.

    Parameters
    ----------
    real, generated
        (W, S, A) and (W, G, S, A); folds are made of moments, in time order, so no moment is on
        both sides.
    """
    del seed  # nothing is drawn; kept beside the other gates
    draws = min(_DRAWS, generated.shape[1])
    x = np.concatenate([_described(real), *(_described(generated[:, g]) for g in range(draws))])
    label = np.repeat((1.0, 0.0), (len(real), draws * len(real)))
    fold = np.tile(np.arange(len(real)) * _FOLDS // len(real), 1 + draws)
    score = np.zeros(len(x))
    for k in range(_FOLDS):
        inside = fold != k
        mean, std = x[inside].mean(axis=0), x[inside].std(axis=0) + 1e-9
        z = np.clip((x - mean) / std, -5, 5)
        score[~inside] = z[~inside] @ _logistic(z[inside], label[inside])[1:]
        score[~inside] -= score[~inside].mean()  # folds differ in their intercept
    return _auc(score, label > 0)


def _described(windows: FloatArray) -> FloatArray:
    """Return what is looked at, (W, D): returns, their sizes, order statistics and clustering."""
    flat = np.arcsinh(windows).reshape(len(windows), -1)
    size = np.sort(np.abs(flat), axis=1)
    z = np.abs(np.arcsinh(windows))
    near = (z[:, 1:] * z[:, :-1]).mean(axis=(1, 2)) if windows.shape[1] > 1 else z.mean(axis=(1, 2))
    turn = (windows[:, 1:] * windows[:, :-1]).mean(axis=(1, 2))
    total = np.abs(flat.sum(axis=1))
    return np.column_stack((flat, size, near, turn, total, size.std(axis=1)))


def _logistic(x: FloatArray, label: FloatArray) -> FloatArray:
    """Return intercept and weights (1 + D,) by Newton's method with balanced classes."""
    design = np.column_stack((np.ones(len(x)), x))
    weight = np.where(label > 0, 0.5 / label.mean(), 0.5 / (1 - label.mean()))
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[0] = 1e-6
    beta = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        slope = design.T @ (weight * (label - p)) - penalty * beta
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        beta = beta + np.linalg.solve(curve, slope)
    return beta


def _auc(score: FloatArray, positive: np.ndarray) -> float:
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    n = int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))
