"""From a job's data to the library's fit, the weights its parts earn, and the graph."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear

from models.base import columns
from models.base.errors import InputError, TrainingError
from models.base.types import FloatArray, IntArray, TrainingJob
from models.base.units import DAY_MS
from models.learn.calibration import fit_temperature
from models.learn.prophet.closed_form import PARTS, ClosedForm
from models.learn.prophet.graph import TINY, Heads, check_parity, served_graph
from models.learn.prophet.library import closed_form, fit_prophet, predict_prophet
from models.learn.prophet.path import log_price_path
from models.learn.prophet.prophet import ProphetConfig
from models.learn.prophet.residual import Residual, fit_residual
from models.learn.training.fitted import Fitted
from models.learn.training.prepare import Prepared


def fit_decomposition(data: Prepared) -> Fitted:
    """Fit the library on the training rows, weigh its parts on the validation rows, export."""
    started = time.monotonic()
    job, split, config = data.job, data.split, data.config
    train = slice(split.train.start, split.train.stop)
    horizon, origin = data.settings.labels.horizon_candles, int(job.time_ms[train.start])
    sigma = job.features[:, job.feature_names.index(columns.FEATURE_SIGMA)].astype(np.float64)
    price = log_price_path(job.labels[columns.LABEL_RETURN][train], sigma[train], horizon)
    rows = np.flatnonzero(np.isfinite(price))
    stride = -(-len(rows) // config.max_rows)
    rows = rows[::stride]
    model = _fit(job.time_ms[train][rows], price[rows], config, stride * job.candle_ms, job)
    form = closed_form(model, origin)
    heads, gain = _heads(form, data, sigma)
    gaps = check_parity(form, heads, *_probe(model, form, heads, job.time_ms, job.seed))
    facts = {
        "rows": len(rows),
        "candles_per_row": stride,
        **_model_facts(model, form, heads),
        # Of the parts over sigma alone; what is beyond it in `metrics` is volatility's.
        "parts_gain_millibits": gain,
        "parity": gaps,
    }
    return Fitted(
        onnx=served_graph(form, heads),
        seconds=time.monotonic() - started,
        facts={
            "time_origin_ms": origin,
            "parameters": sum(model.params[p].size for p in ("k", "m", "delta", "beta")),
            "prophet": facts,
            "constant_heads": ["hazard"],  # the onset rate of the training rows
        },
    )


def _model_facts(model: Any, form: ClosedForm, heads: Heads) -> dict[str, Any]:
    """Return what the manifest tells of the library's fit and of what is served of it."""
    return {
        "seasonality_orders": {
            name: season["fourier_order"] for name, season in model.seasonalities.items()
        },
        "events": _event_names(model),
        "weights": dict(zip(PARTS, heads.weights.tolist(), strict=True)),
        "slope_per_day": form.slope + float(form.bends.sum()),
        "validation_temperature": heads.temperature,
        "residual": vars(heads.residual),
    }


def _fit(
    times: IntArray, price: FloatArray, config: ProphetConfig, step_ms: int, job: TrainingJob
) -> Any:
    if len(times) < 3:
        raise InputError(
            "expected a price path in the training rows, got almost no known returns",
            where=job.title,
            cure=f"provide {columns.LABEL_RETURN} and {columns.FEATURE_SIGMA} on training rows",
        )
    try:
        return fit_prophet(times, price, config, step_ms, job.seed)
    except RuntimeError as error:  # the optimiser gave up, twice
        raise TrainingError(
            f"Prophet's optimiser failed: {error}",
            where=job.title,
            cure="raise changepoint_prior_scale or lower the seasonality orders",
        ) from error


def _heads(form: ClosedForm, data: Prepared, sigma: FloatArray) -> tuple[Heads, float]:
    """Return weights, spread and temperature, estimated on the validation rows.

    Beside them, how much the classes there gain in millibits from knowing the parts.
    """
    job, labels, layout = data.job, data.settings.labels, data.layout
    rows = slice(data.split.validation.start, data.split.validation.stop)
    outcome, direction = (
        job.labels[name][rows] for name in (columns.LABEL_RETURN, columns.LABEL_DIRECTION)
    )
    known = np.isfinite(outcome) & np.isfinite(direction) & (sigma[rows] > TINY)
    if not known.any():
        raise InputError("no validation row has a known return and class", where=job.title)
    days = (job.time_ms[rows][known] - form.origin_ms) / DAY_MS
    ahead_days = labels.horizon_candles * job.candle_ms / DAY_MS
    scale = sigma[rows][known] * np.sqrt(labels.horizon_candles)
    parts = form.implied(days, ahead_days) / scale[:, None]  # (R, 3) units of sigma
    weights = np.ones(len(PARTS))
    if data.config.earned_weights:
        weights = _weights(parts, outcome[known], labels.horizon_candles)
    error = outcome[known] - parts @ weights
    residual = fit_residual(error - np.median(error))
    prior = data.prior.double().numpy()
    classes, cost = direction[known] + 1, labels.cost_frac / scale
    logits = _log_probability(residual, parts @ weights, cost)
    beyond = logits - _log_probability(residual, np.zeros_like(cost), cost)
    heads = Heads(
        layout=layout,
        horizon=labels.horizon_candles,
        candle_ms=job.candle_ms,
        sigma_column=job.feature_names.index(columns.FEATURE_SIGMA),
        features=len(job.feature_names),
        weights=weights,
        residual=residual,
        cost_frac=labels.cost_frac,
        prior=prior,
        temperature=fit_temperature(logits, classes, prior[layout.classes]),
    )
    gain = beyond[np.arange(len(classes)), classes.astype(int)].mean()
    return heads, float(gain * 1000 / np.log(2))


def _weights(parts: FloatArray, outcome: FloatArray, horizon: int) -> FloatArray:
    """Return the weight (3,) within 0..1 each part (R, 3) deserves by least squares, shrunk.

    The shrinkage (chi2 - p) / chi2 of van Houwelingen & le Cessie (Statistics in Medicine 9,
    1990), where R overlapping outcomes count as R / horizon: a week ahead, two months of hours
    are eight outcomes and three weights explain a third of anything.
    """
    moving = np.flatnonzero(np.abs(parts).max(axis=0) > 0)
    out = np.zeros(parts.shape[1])
    if not len(moving):
        return out
    out[moving] = lsq_linear(parts[:, moving], outcome, bounds=(0.0, 1.0)).x
    explained = parts @ out
    unexplained = float(np.mean((outcome - explained) ** 2))
    chi2 = float(explained @ explained) / horizon / max(unexplained, 1e-12)
    out *= max(0.0, 1.0 - len(moving) / max(chi2, 1e-12))
    return np.where(out < 1e-3, 0.0, out)


def _log_probability(residual: Residual, mean: FloatArray, cost: FloatArray) -> FloatArray:
    """Return the log probability (R, 3) of down, flat and up; mean and cost in units of sigma."""
    low, high = (residual.below(side * cost - mean) for side in (-1.0, 1.0))
    return np.log(np.maximum(np.column_stack((low, high - low, 1 - high)), 1e-6))


def _probe(
    model: Any, form: ClosedForm, heads: Heads, time_ms: IntArray, seed: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return candles before and after the end of training, and the library's answers there."""
    rng = np.random.default_rng(seed)
    span = int((time_ms[-1] - time_ms[0]) // heads.candle_ms) + 1
    number = np.sort(rng.choice(2 * span, size=min(500, 2 * span), replace=False))
    times = form.origin_ms + heads.candle_ms * number
    ahead_ms = heads.horizon * heads.candle_ms
    return times, predict_prophet(model, times), predict_prophet(model, times + ahead_ms)


def _event_names(model: Any) -> list[str]:
    return [] if model.holidays is None else sorted(set(model.holidays["holiday"]))
