"""Fitting how likely a move beyond costs is, given the model's evidence and the row's conditions.

Costs are a fixed part of the price and the models read the past in units of its volatility, so that
in a calm year each of them held too many moves for likely, and in a wild one too few. A logistic
regression on rows the model was not trained on (the calibration of Platt, "Probabilistic outputs
for support vector machines", 1999, with covariates) says how much of the evidence to believe, and
what volatility, ranges and the clock add to it, and above all a forecast of volatility that the
model's training makes beside it. Applying it: `models.serve`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from models.base.errors import InputError
from models.base.heads import sigmoid, two_questions
from models.base.types import FloatArray, IntArray
from models.learn.calibration import require_rows
from models.serve.conditions import CLOCK_HOURS, within_clip

STEEPEST: Final = 4.0  # of the evidence; underconfident networks are rare
# Rows that say "as without it". Of left-out blocks of Bitcoin's training rows, LSTM and WaveNet,
# 0.5 to 400 tried, 25 forecast the others best; 4 to 100 nearly alike.
_TRUST: Final = 25.0
_PRIOR: Final = 1.0  # the same of level, evidence and forecasts: enough to keep them finite
_GRADIENT: Final = 1e-8  # per row, where the search ends


def fit_moves(
    logits: FloatArray,
    classes: FloatArray,
    prior_logits: FloatArray,
    inputs: FloatArray,
    clock: IntArray,
    forecasts: int = 0,
) -> tuple[float, dict[str, Any]]:
    """Return the slope of the evidence for a move, 0 to 4, and a `ConditionTerm` to add to it.

    Parameters
    ----------
    logits, classes
        (R, 3) and the class index 0..2 (R,) of rows the model was not trained on.
    prior_logits
        (3,) of the class frequencies.
    inputs, clock
        (R, W) and (R,) of `models.serve.conditions.MoveInputs`.
    forecasts
        How many of the inputs, the first ones, are forecasts of volatility: evidence, hardly held
        back.

    Raises
    ------
    InputError
        If there are fewer rows than a calibration needs, a number is not finite, or the search
        does not end.
    """
    require_rows(len(classes))
    if wrong := int((~(np.isfinite(logits).all(axis=1) & np.isfinite(inputs).all(axis=1))).sum()):
        raise InputError(
            f"expected finite logits and conditions, got {wrong} of {len(logits)} rows without"
        )
    base = float(two_questions(prior_logits)[0])
    evidence = two_questions(logits)[0] - base
    mean, std = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-6)
    z = within_clip(inputs, mean, std)
    conditions = np.hstack((np.ones((len(z), 1)), z, np.eye(CLOCK_HOURS)[clock]))  # (R, 1 + W + 48)
    penalty = np.full(conditions.shape[1], _TRUST)
    penalty[: 1 + forecasts] = _PRIOR
    moved = (classes != 1).astype(np.float64)

    slope, found = _most_likely(conditions, evidence, moved, base, penalty)
    if not 0.0 <= slope <= STEEPEST:
        slope = float(np.clip(slope, 0.0, STEEPEST))
        none = np.zeros_like(evidence)
        _, found = _most_likely(conditions, none, moved, base + slope * evidence, penalty)
    width = z.shape[1]
    return slope, {
        "mean": mean.tolist(),
        "std": std.tolist(),
        "slope": found[1 : 1 + width].tolist(),
        "clock": found[1 + width :].tolist(),
        "intercept": float(found[0]),
    }


def _most_likely(
    conditions: FloatArray,
    evidence: FloatArray,
    moved: FloatArray,
    offset: float | FloatArray,
    penalty: FloatArray,
) -> tuple[float, FloatArray]:
    """Return the evidence's slope, held near 1, and the conditions' coefficients, near 0."""
    design = np.column_stack((evidence, conditions))  # (R, C)
    weights = np.concatenate(([_PRIOR], penalty))
    known, rows = offset + evidence, len(moved)

    def loss(at: FloatArray) -> tuple[float, FloatArray]:
        odds = known + design @ at
        value = float((np.logaddexp(0.0, odds) - moved * odds).sum() + 0.5 * weights @ at**2)
        return value / rows, (design.T @ (sigmoid(odds) - moved) + weights * at) / rows

    def curve(at: FloatArray) -> FloatArray:
        p = sigmoid(known + design @ at)
        out: FloatArray = ((design * (p * (1.0 - p))[:, None]).T @ design + np.diag(weights)) / rows
        return out

    found = minimize(
        loss, np.zeros(design.shape[1]), jac=True, hess=curve, method="trust-exact",
        options={"gtol": _GRADIENT},
    )  # fmt: skip
    if not found.success:
        raise InputError(
            f"no odds of a move found in {found.nit} steps: {found.message}",
            where=f"{rows} rows",
            cure="look at the model's logits and the features: one may be far from all others",
        )
    return 1.0 + float(found.x[0]), found.x[1:]
