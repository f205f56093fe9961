"""Fitting the calibration on rows the network never saw. Applying it: `models.serve`.

Temperature: Guo et al., "On calibration of modern neural networks", ICML 2017.
Conformal offset: Romano, Patterson & Candès, "Conformalized quantile regression", NeurIPS 2019.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from models.base.errors import InputError
from models.base.heads import chained, sigmoid, softmax
from models.base.types import FloatArray

_HAZARD_TRUST = 100.0
_HAZARD_STEPS = 100
_ROUNDING = 1e-9  # of a likelihood that is a sum of thousands of rows
MIN_ROWS = 200  # below this a temperature or a 90 % offset is mostly noise


def tempered(logits: FloatArray, prior_logits: FloatArray, temperature: float) -> FloatArray:
    """Return probabilities (R, 3) with evidence beyond the prior divided by `temperature`.

    # DIFF: Guo et al. shrink towards the uniform distribution; a forecaster without skill must
    # shrink towards the class frequencies instead.
    """
    return softmax(prior_logits + (logits - prior_logits) / temperature)


def fit_temperature(logits: FloatArray, classes: FloatArray, prior_logits: FloatArray) -> float:
    """Return the temperature (0.25 to 20) of lowest log loss for logits (R, 3), classes (R,).

    Parameters
    ----------
    classes
        Class index 0..2 of each row, from a later slice than the network was trained on.

    Raises
    ------
    InputError
        If there are fewer than `MIN_ROWS` rows.
    """
    require_rows(len(classes))
    rows = np.arange(len(classes))

    def log_loss(log_t: float) -> float:
        p = tempered(logits, prior_logits, float(np.exp(log_t)))
        return float(-np.log(np.maximum(p[rows, classes.astype(int)], 1e-12)).mean())

    found = minimize_scalar(log_loss, bounds=(np.log(0.25), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def fit_direction_slope(logits: FloatArray, classes: FloatArray, prior_logits: FloatArray) -> float:
    """Return the slope, 0 to 1, of lowest log loss of the evidence for up given that it moves.

    Evidence for a direction is believed at most as it stands. By the chain rule the loss is a sum
    of one part for each question, so that of moving (`models.learn.moves`) changes nothing here.

    Parameters
    ----------
    logits, classes
        As for `fit_temperature`.

    Raises
    ------
    InputError
        If there are fewer than `MIN_ROWS` rows.
    """
    require_rows(len(classes))
    rows, index = np.arange(len(classes)), classes.astype(int)

    def log_loss(slope: float) -> float:
        p = chained(logits, prior_logits, 0.0, slope)
        return float(-np.log(np.maximum(p[rows, index], 1e-12)).mean())

    return float(minimize_scalar(log_loss, bounds=(0.0, 1.0), method="bounded").x)


def fit_conformal_offset(
    low: FloatArray, high: FloatArray, outcome: FloatArray, coverage: float
) -> float:
    """Return the amount to widen (or narrow, if negative) [low, high] by, same unit as they are.

    Finite-sample quantile of max(low - y, y - high), so that an exchangeable new outcome falls
    inside with probability >= `coverage`. Returns are not exchangeable: the guarantee is marginal
    and only as good as the slice is like the future.
    """
    require_rows(len(outcome))
    score = np.maximum(low - outcome, outcome - high)
    level = min(1.0, np.ceil((len(score) + 1) * coverage) / len(score))
    return float(np.quantile(score, level, method="higher"))


def require_rows(rows: int) -> None:
    """Raise InputError if there are fewer than `MIN_ROWS` rows to calibrate on."""
    if rows < MIN_ROWS:
        raise InputError(
            f"expected at least {MIN_ROWS} calibration rows, got {rows}",
            cure="lengthen the training window or raise training.calibration_frac",
        )


def fit_hazard_scale(
    logits: FloatArray, event: FloatArray, at_risk: FloatArray
) -> tuple[float, float]:
    """Return (offset, slope) of hazard logits (R, K) with the highest penalised likelihood.

    Onsets come in dozens and are dependent, so both are held near 0 and 1: the penalty weighs as
    much as some `_HAZARD_TRUST` rows before an onset.

    Parameters
    ----------
    event, at_risk
        (R, K) of `models.base.heads.hazard_targets`, from a later slice than was trained on.

    Raises
    ------
    InputError
        If a logit is not finite, or the search does not end.
    """
    if not np.isfinite(logits).all():
        wrong = int((~np.isfinite(logits)).sum())
        raise InputError(
            f"expected finite hazard logits, got {wrong} of {logits.size} that are not"
        )
    centre = float(np.log(max(event.sum(), 0.5) / max(at_risk.sum(), 1.0)))
    z = logits - centre  # so that slope and offset are nearly independent

    def likelihood(at: FloatArray) -> float:
        y = centre + at[0] + at[1] * z
        known = at_risk * (event * y - np.logaddexp(0.0, y))
        return float(known.sum() - _HAZARD_TRUST / 2 * (at[0] ** 2 + (at[1] - 1.0) ** 2))

    at = np.array([0.0, 1.0])
    for _ in range(_HAZARD_STEPS):
        step = _newton_step(at, z, centre, event, at_risk)
        # From far away a whole step overshoots a concave function, and the next one further.
        before = likelihood(at)
        while likelihood(at + step) < before - _ROUNDING * abs(before):
            step = step / 2
        at = at + step
        if np.abs(step).max() < 1e-8:
            return float(centre + at[0] - at[1] * centre), float(at[1])
    raise InputError(
        f"no offset and slope of hazard logits found in {_HAZARD_STEPS} steps",
        where=f"{len(logits)} rows, {int(event.sum())} before an onset, last step {step}",
        cure="look at the hazard logits: one of them may not be finite",
    )


def _newton_step(
    at: FloatArray, z: FloatArray, centre: float, event: FloatArray, at_risk: FloatArray
) -> FloatArray:
    """Return Newton's whole step of (offset, slope) up the penalised likelihood."""
    p = sigmoid(centre + at[0] + at[1] * z)
    miss, bend = at_risk * (event - p), at_risk * p * (1 - p)
    gradient = np.array([miss.sum(), (miss * z).sum()])
    gradient -= _HAZARD_TRUST * np.array([at[0], at[1] - 1.0])
    curve = np.array([[bend.sum(), (bend * z).sum()], [(bend * z).sum(), (bend * z * z).sum()]])
    return np.linalg.solve(curve + _HAZARD_TRUST * np.eye(2), gradient)
