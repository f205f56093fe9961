"""Prophet: the log price as a broken line, seasons and calendar events.

Source: Taylor & Letham, "Forecasting at scale", The American Statistician 72, 2018, fitted by the
`prophet` library. It sees time and price only: features other than sigma play no part. The
forecast of a row is what trend, seasons and events add over the horizon, never a return to the
fitted level. The library takes the price around its fit for independent noise, which a price is
not, so each part gets the weight (0..1) it earns on validation rows.
# DIFF: its intervals come from simulated changepoints and that noise; here the spread is the
outcomes' own, in units of sigma. Cascades are beyond it: both hazards are the constant rate of
the training rows.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import lsq_linear

from models.base import columns
from models.base.errors import InputError, TrainingError
from models.base.spec import Fitted, ModelSpec
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.learn.calibration import fit_temperature
from models.learn.prophet.closed_form import PARTS, ClosedForm
from models.learn.prophet.graph import TINY, Heads, check_parity, served_graph
from models.learn.prophet.library import closed_form, fit_prophet, predict_prophet
from models.learn.prophet.path import log_price_path
from models.learn.prophet.residual import Residual, fit_residual

if TYPE_CHECKING:
    from models.learn.training.prepare import Prepared


@dataclass(frozen=True, kw_only=True)
class ProphetConfig:
    """What the library is asked to fit; an order of 0 switches a season off."""

    changepoints: int = 25
    changepoint_range_frac: float = 0.8  # of the rows; the last fifth then fixes the slope ahead
    changepoint_prior_scale: float = 0.05
    daily_order: int = 4  # candles longer than a day have none
    weekly_order: int = 3
    yearly_order: int = 10  # where the training rows cover two years
    seasonality_prior_scale: float = 10.0
    holidays: bool = True  # halvings and expiries
    # The library's 10 lets one day's price move pass for the effect of its event.
    holidays_prior_scale: float = 0.05
    # False: each part counts in full. In ten windows of hourly BTC (4, 24 and 168 candles ahead) no
    # part earned any weight, and full weights cost 12 millibits on validation rows (median).
    earned_weights: bool = True
    max_rows: int = 8_000  # evenly thinned above; fitting takes 1 to 2 seconds per 5,000

    def __post_init__(self) -> None:
        for name in ("changepoints", "daily_order", "weekly_order", "yearly_order"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"expected 0 <= {name} <= 100, got {getattr(self, name)}")
        for name in ("changepoint", "seasonality", "holidays"):
            value = getattr(self, f"{name}_prior_scale")
            if not 0 < value < math.inf:
                raise ValueError(f"expected {name}_prior_scale finite and > 0, got {value}")
        if not 0 < self.changepoint_range_frac <= 1:
            raise ValueError(
                f"expected 0 < changepoint_range_frac <= 1, got {self.changepoint_range_frac}"
            )
        if self.max_rows < 200:
            raise ValueError(f"expected max_rows >= 200, got {self.max_rows}")


@dataclass(frozen=True, kw_only=True)
class ProphetSpec(ModelSpec):
    """The one architecture that is a library's fit, written out."""

    def fit(self, data: Prepared) -> Fitted:
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
        return Fitted(
            onnx=served_graph(form, heads),
            seconds=time.monotonic() - started,
            facts={
                "time_origin_ms": origin,
                "parameters": sum(model.params[p].size for p in ("k", "m", "delta", "beta")),
                "prophet": {
                    "rows": len(rows),
                    "candles_per_row": stride,
                    "seasonality_orders": {
                        name: season["fourier_order"]
                        for name, season in model.seasonalities.items()
                    },
                    "events": _event_names(model),
                    "weights": dict(zip(PARTS, heads.weights.tolist(), strict=True)),
                    # Of the parts over sigma alone; what is beyond it in `metrics` is volatility's.
                    "parts_gain_millibits": gain,
                    "slope_per_day": form.slope + float(form.bends.sum()),
                    "validation_temperature": heads.temperature,
                    "residual": vars(heads.residual),
                    "parity": gaps,
                },
                "constant_heads": ["hazard"],  # the onset rate of the training rows
            },
        )


def _fit(times: IntArray, price: FloatArray, config: ProphetConfig, step_ms: int, job: Any) -> Any:
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


SPEC = ProphetSpec(
    name="prophet",
    title="Prophet",
    forecaster="ProphetForecaster",
    config=ProphetConfig,
    contexts=(1,),
    description=(
        "A log price taken apart into a trend that bends at a few dates, repeating days, weeks and "
        "years, and the days of halvings and expiries. The forecast is what these add over the "
        "horizon, as far as they earned it on validation rows; volatility sets its spread."
    ),
    failure_modes=(
        "knows the calendar and the volatility only: no candle changes its mind",
        "carries the last trend on; a turn is seen when the model is trained again",
        "takes a random walk for seasons where weights need not be earned",
        "forecasts no cascades: both hazards are the constant rate of the training rows",
    ),
    useful_rows=1_000,
    natural_use="daily to weekly",
    source="Taylor & Letham 2018",
    reads_time=True,
    minimum_rows=300,  # of validation: spread, weights and temperature come from there
)
