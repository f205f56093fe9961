"""How wrong each forecast of a served model was, in numbers that are the worse the higher.

The same function judges the rows a training left out, the candles a running bot has answered, and
both sides of a challenge. NumPy only: the bot does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.base import columns
from models.base.types import FloatArray, TrainingJob

FEATURES: Final = "features"  # how unlike the training's spread the newest features are
COVERAGE: Final = "coverage"  # whether the return fell outside the interval
LOSS: Final = "loss"  # of the class, beyond what the forecast itself expects, nats
CLAIM: Final = "edge"  # what was claimed less what came, weighted by the claim; in sigmas squared
BOLDNESS: Final = "exposure"  # how far the forecast takes a side
SCORES: Final = (FEATURES, COVERAGE, LOSS, CLAIM, BOLDNESS)

_SMALLEST: Final = 1e-9  # of a probability
_UNLIKE: Final = 3.0  # beyond, one strange feature would outshout every candle after it


def row_scores(
    forecast: Mapping[str, FloatArray], log_return: FloatArray, direction: FloatArray
) -> dict[str, FloatArray]:
    """Return each row's scores by name, (N,) each; NaN where there is no forecast or no outcome.

    Parameters
    ----------
    forecast
        Columns of `models.base.columns`, (N,) each, as a predictor answers.
    log_return
        (N,) what came: log return over the model's horizon, NaN while it is not known.
    direction
        (N,) its class, -1, 0, 1.

    Notes
    -----
    A calm market is easier to foretell than a middling one, whoever forecasts: the mean of `LOSS`
    is 0 where probabilities come true, in every market, and > 0 where they do not.

    `FEATURES` and `BOLDNESS` are known at the row's close, the others one horizon later. The mean
    of `CLAIM` is 0 where claims come true on average, and > 0 where less came than was claimed;
    rows that claim nothing count nothing. `BOLDNESS` adds the advantage |P(up) - P(down)| and the
    return that is vouched for, |edge's lower bound| in sigmas: what decides whether and how much
    is bought. What has no such head is NaN in it, but for `BOLDNESS`, which then is the advantage.

    Examples
    --------
    >>> one = np.ones(1)
    >>> told = {name: 0.0 * one for name in columns.FORECAST}
    >>> told |= {"p_up": 0.7 * one, "p_down": 0.1 * one, "p_flat": 0.2 * one, "sigma": 0.01 * one}
    >>> told |= {"edge": 0.002 * one, "edge_low": 0.001 * one}
    >>> found = row_scores(told, 0.001 * one, one)
    >>> {name: round(float(found[name][0]), 4) for name in ("loss", "edge", "exposure")}
    {'loss': -0.4451, 'edge': 0.02, 'exposure': 0.7}
    """
    up, down = forecast[columns.P_UP], forecast[columns.P_DOWN]
    low, high = forecast[columns.RETURN_LOW], forecast[columns.RETURN_HIGH]
    within = np.isfinite(low) & np.isfinite(high) & np.isfinite(log_return)
    sigma = np.where(forecast[columns.SIGMA] > 0, forecast[columns.SIGMA], np.nan)
    claimed = forecast[columns.EDGE] / sigma
    vouched = np.abs(forecast[columns.EDGE_LOW]) / sigma
    return {
        FEATURES: np.minimum(forecast[columns.DRIFT], _UNLIKE),
        COVERAGE: np.where(within, ((log_return < low) | (log_return > high)) + 0.0, np.nan),
        LOSS: class_loss(forecast, direction) - _expected_loss(forecast),
        CLAIM: claimed * (claimed - log_return / sigma),
        BOLDNESS: np.abs(up - down) + np.where(np.isfinite(vouched), vouched, 0.0),
    }


def class_loss(forecast: Mapping[str, FloatArray], direction: FloatArray) -> FloatArray:
    """Return each row's negative log likelihood of the class, nats (N,); parameters as above."""
    classes = _classes(forecast)
    known = np.isfinite(direction)
    of_class = classes[np.arange(len(classes)), np.where(known, direction + 1, 0).astype(np.int64)]
    return np.where(known, -np.log(np.maximum(of_class, _SMALLEST)), np.nan)


def _expected_loss(forecast: Mapping[str, FloatArray]) -> FloatArray:
    """Return the entropy of each row's classes, nats: its mean loss if it is right, (N,)."""
    p = np.maximum(_classes(forecast), _SMALLEST)
    out: FloatArray = -(p * np.log(p)).sum(axis=1)
    return out


def _classes(forecast: Mapping[str, FloatArray]) -> FloatArray:
    return np.column_stack([forecast[n] for n in (columns.P_DOWN, columns.P_FLAT, columns.P_UP)])


def job_outcome(job: TrainingJob, horizon_candles: int) -> tuple[FloatArray, FloatArray]:
    """Return (log return over the horizon, class) of each row of a job, (N,); NaN if not known.

    A job has its returns in units of the volatility that stands among its features.
    """
    sigma = job.features[:, job.feature_names.index(columns.FEATURE_SIGMA)].astype(np.float64)
    scaled = job.labels[columns.LABEL_RETURN]
    return scaled * sigma * np.sqrt(horizon_candles), job.labels[columns.LABEL_DIRECTION]
