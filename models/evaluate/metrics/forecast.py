"""Forecasts against what happened: direction, probabilities, quantiles, intervals.

Every comparison with a constant uses the constant that fits the evaluated rows best, known only
in hindsight. That favours the constant, so a gain shown here is not an artefact of a stale prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from models.base.columns import QUANTILES
from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS, MILLIBITS
from models.evaluate.metrics.resampling import (
    DRAWS,
    UNKNOWN,
    Estimate,
    block_length,
    by_time,
    circular_ratio,
)
from models.evaluate.metrics.skill import split_gain

BINS: Final = 15
WINDOW_MS: Final = 30 * DAY_MS  # of the worst and best coverage
NOMINAL: Final = 0.9  # share of outcomes the interval is to hold
BLOCK_HOURS: Final = 3  # of the day, told apart in coverage
_HORIZON: Final = "horizon_candles"  # the one field that is not an array
_SMALLEST: Final = 1e-12  # probability; keeps the log of a wrong certainty finite


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts that were given (no abstentions), sorted by time.

    NaN in a head the model does not have or where the outcome is unknown; `forecast_metrics`
    uses, for each head, the rows that have both.

    Attributes
    ----------
    time_ms
        (N,) candle open times; equal times of several pairs may repeat.
    p
        (N, 3) probabilities of down, flat, up.
    outcome_class
        (N,) -1, 0 or 1.
    quantiles
        (N, 5) of the log return over the horizon, levels `models.base.columns.QUANTILES`.
    low, high
        (N,) ends of the interval of the log return.
    sigma
        (N,) forecast volatility of the log return over the horizon.
    outcome_return
        (N,) realised log return over the horizon.
    horizon_candles
        Candles the outcome spans; sets the bootstrap's block length.
    """

    time_ms: IntArray
    p: FloatArray
    outcome_class: FloatArray
    quantiles: FloatArray
    low: FloatArray
    high: FloatArray
    sigma: FloatArray
    outcome_return: FloatArray
    horizon_candles: int

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def joined(parts: Sequence[Forecasts]) -> Forecasts:
        """Return several pairs' forecasts as one, sorted by time."""
        if not parts:
            raise InputError("expected at least one series of forecasts, got none")
        order = np.argsort(np.concatenate([f.time_ms for f in parts]), kind="stable")
        arrays = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])[order]
            for f in fields(Forecasts)
            if f.name != _HORIZON
        }
        return Forecasts(**arrays, horizon_candles=max(f.horizon_candles for f in parts))

    def where(self, keep: BoolArray) -> Forecasts:
        """Return the rows where `keep`."""
        arrays = {f.name: getattr(self, f.name)[keep] for f in fields(self) if f.name != _HORIZON}
        return Forecasts(**arrays, horizon_candles=self.horizon_candles)

    @property
    def with_class(self) -> Forecasts:
        """Rows with probabilities and a known class."""
        return self.where(_finite_rows(self.p, self.outcome_class))

    @property
    def with_return(self) -> Forecasts:
        """Rows with quantiles, interval, volatility and a known return."""
        return self.where(
            _finite_rows(self.quantiles, self.low, self.high, self.sigma, self.outcome_return)
        )

    @property
    def moved(self) -> BoolArray:
        """Rows whose outcome was beyond costs, (N,)."""
        return np.asarray(self.outcome_class != 0)

    @property
    def right(self) -> FloatArray:
        """1 where the likelier of up and down is the side the outcome took, (N,)."""
        side = np.where(self.p[:, 2] > self.p[:, 0], 1.0, -1.0)
        return np.asarray(side == self.outcome_class, dtype=np.float64)

    def mean(
        self,
        values: FloatArray,
        rng: np.random.Generator,
        where: BoolArray | None = None,
        weights: FloatArray | None = None,
        draws: int = DRAWS,
    ) -> Estimate:
        """Return sum(values) / sum(weights) over rows `where`, with a block-bootstrap interval."""
        if not len(self):
            return UNKNOWN
        keep = np.ones(len(self)) if where is None else where.astype(np.float64)
        weight = np.ones(len(self)) if weights is None else weights
        top, bottom = by_time(self.time_ms, keep * values), by_time(self.time_ms, keep * weight)
        block = block_length(len(top), self.horizon_candles)
        return circular_ratio(top, bottom, block, rng, draws)


def _finite_rows(*arrays: FloatArray) -> BoolArray:
    return np.asarray(np.isfinite(np.column_stack(arrays)).all(axis=1))


def forecast_metrics(f: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    """Return every forecast metric; estimates are value/low/high with 95 % block intervals."""
    classes, returns = f.with_class, f.with_return
    return {
        "rows": len(f),
        "rows_class_known": len(classes),
        "rows_return_known": len(returns),
        "direction": _direction(classes, rng),
        "probability": _probability(classes, rng),
        "interval": interval_metrics(returns, rng),
        "quantiles": _quantiles(returns, rng),
    }


def _direction(f: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    """Accuracy where the outcome moved beyond costs, overall and by confidence."""
    moved = np.flatnonzero(f.moved)
    confidence = np.abs(f.p[:, 2] - f.p[:, 0])
    deciles = []
    for rows in equal_mass(confidence[moved], 10):
        inside = np.zeros(len(f), dtype=np.bool_)
        inside[moved[rows]] = True
        estimate = f.mean(f.right, rng, inside) if len(rows) else UNKNOWN
        deciles.append({"rows": len(rows), **estimate.as_dict()})
    return {
        "rows_moved": len(moved),
        "accuracy": f.mean(f.right, rng, f.moved).as_dict(),
        "accuracy_by_confidence": deciles,
        "accuracy_top_decile": {k: deciles[-1][k] for k in ("value", "low", "high")},
    }


def _probability(f: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    if not len(f):
        return {}
    truth = np.eye(3)[(f.outcome_class + 1).astype(int)]  # (N, 3)
    prior = truth.mean(axis=0)
    loss, base = _log_loss(f.p, truth), _log_loss(np.broadcast_to(prior, truth.shape), truth)
    brier = ((f.p - truth) ** 2).sum(axis=1)
    brier_base = ((prior - truth) ** 2).sum(axis=1)
    top = f.p.argmax(axis=1)
    gain, apart = split_gain(f.p, f.outcome_class, prior), rng.spawn(2)
    return {
        "class_share": {"down": prior[0], "flat": prior[1], "up": prior[2]},
        "log_loss_nats": float(loss.mean()),
        "log_loss_prior_nats": float(base.mean()),
        "gain_millibits": f.mean((base - loss) * MILLIBITS, rng).as_dict(),
        "gain_volatility_millibits": f.mean(gain.volatility, apart[0]).as_dict(),
        "gain_direction_millibits": f.mean(gain.direction, apart[1]).as_dict(),
        "brier": float(brier.mean()),
        "brier_skill": f.mean(brier_base - brier, rng, weights=brier_base).as_dict(),
        "ece15": calibration_error(f.p.max(axis=1), truth[np.arange(len(f)), top]),
        "ece15_up": calibration_error(f.p[:, 2], truth[:, 2]),
        "ece15_down": calibration_error(f.p[:, 0], truth[:, 0]),
    }


def _log_loss(p: FloatArray, truth: FloatArray) -> FloatArray:
    out: FloatArray = -np.log(np.maximum((p * truth).sum(axis=1), _SMALLEST))
    return out


def equal_mass(score: FloatArray, bins: int) -> list[IntArray]:
    """Return the row numbers of `bins` groups of (almost) equal size, lowest score first."""
    return [np.asarray(rows) for rows in np.array_split(np.argsort(score, kind="stable"), bins)]


def calibration_error(p: FloatArray, truth: FloatArray, bins: int = BINS) -> float:
    """Return the expected calibration error over equal-mass bins (ECE); NaN without rows.

    A perfectly calibrated forecaster does not reach 0: with 20,000 rows about 0.008 is noise.

    Examples
    --------
    >>> calibration_error(np.full(10, 0.8), np.array([1.0] * 5 + [0.0] * 5), bins=1)
    0.3
    """
    if not len(p):
        return float("nan")
    groups = [rows for rows in equal_mass(p, bins) if len(rows)]
    gaps = [abs(float(p[rows].mean() - truth[rows].mean())) * len(rows) for rows in groups]
    return float(np.round(sum(gaps) / len(p), 12))


def reliability(
    f: Forecasts, side: int, rng: np.random.Generator, bins: int = 10
) -> list[dict[str, Any]]:
    """Return forecast probability against observed share in equal-mass bins, with intervals.

    Parameters
    ----------
    side
        -1 for P(down), +1 for P(up).
    """
    f = f.with_class
    p = f.p[:, 2] if side > 0 else f.p[:, 0]
    truth = (f.outcome_class == side).astype(np.float64)
    out = []
    for rows in equal_mass(p, bins):
        if not len(rows):
            continue
        inside = np.zeros(len(f), dtype=np.bool_)
        inside[rows] = True
        share = f.mean(truth, rng, inside).as_dict()
        out.append({"rows": len(rows), "forecast": float(p[rows].mean()), **share})
    return out


def interval_metrics(f: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    """Return how often the interval held: overall, by volatility, hour and 30 days, and its score.

    Parameters
    ----------
    f
        Rows with an interval and a known return: `Forecasts.with_return`.
    """
    inside = ((f.outcome_return >= f.low) & (f.outcome_return <= f.high)).astype(np.float64)
    rolling = rolling_share(f.time_ms, inside, WINDOW_MS)[1]
    score = interval_score(f.outcome_return, f.low, f.high, NOMINAL)
    of_score, by_volatility, by_clock = rng.spawn(3)
    block = f.time_ms // HOUR_MS % 24 // BLOCK_HOURS
    return {
        "nominal": NOMINAL,
        "coverage": f.mean(inside, rng).as_dict(),
        "width_bps": 1e4 * float((f.high - f.low).mean()) if len(f) else np.nan,
        "score_bps": f.mean(1e4 * score, of_score).as_dict(),
        "worst_30d_coverage": float(rolling.min()) if len(rolling) else np.nan,
        "best_30d_coverage": float(rolling.max()) if len(rolling) else np.nan,
        "by_volatility_decile": [
            _held(f, inside, rows, by_volatility) for rows in equal_mass(f.sigma, 10) if len(rows)
        ],
        "by_hour": [
            {"hour_utc": int(BLOCK_HOURS * number)}
            | _held(f, inside, np.flatnonzero(block == number), by_clock)
            for number in np.unique(block)
        ],
    }


def _held(
    f: Forecasts, inside: FloatArray, rows: IntArray, rng: np.random.Generator
) -> dict[str, Any]:
    """Return how often the interval held on some of the rows, and what it was there."""
    chosen = np.zeros(len(f), dtype=np.bool_)
    chosen[rows] = True
    return {
        "rows": len(rows),
        "sigma_bps": 1e4 * float(f.sigma[rows].mean()),
        "width_bps": 1e4 * float((f.high - f.low)[rows].mean()),
        **f.mean(inside, rng, chosen).as_dict(),
    }


def interval_score(y: FloatArray, low: FloatArray, high: FloatArray, coverage: float) -> FloatArray:
    """Return each interval's width and what it costs to have missed, (N,); lower is better.

    Lowest in the mean at the quantiles that leave half of ``1 - coverage`` on either side (Gneiting
    & Raftery 2007): neither a wide nor a narrow interval gets away with it.

    Examples
    --------
    >>> interval_score(np.array([0.0, 3.0]), np.full(2, -1.0), np.full(2, 2.0), 0.9).round(6)
    array([ 3., 23.])
    """
    missed = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return np.asarray(high - low + 2.0 / (1.0 - coverage) * missed)


def rolling_share(
    time_ms: IntArray, hit: FloatArray, window_ms: int
) -> tuple[IntArray, FloatArray]:
    """Return (time, mean of `hit` over the window that ends there), full windows only."""
    times = np.unique(time_ms)
    if not len(times):
        return times, np.empty(0)
    hits = np.concatenate(([0.0], np.cumsum(by_time(time_ms, hit))))
    rows = np.concatenate(([0.0], np.cumsum(by_time(time_ms, np.ones(len(hit))))))
    first = np.searchsorted(times, times - window_ms, side="right")
    full = times - times[0] >= window_ms * 0.99
    end = np.arange(1, len(times) + 1)
    share = (hits[end] - hits[first]) / (rows[end] - rows[first])
    return times[full], share[full]


def pinball(y: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Return the pinball loss averaged over levels, (N,); Koenker & Bassett 1978.

    Examples
    --------
    >>> pinball(np.array([1.0, -1.0]), np.zeros((2, 1)), [0.9])
    array([0.9, 0.1])
    """
    gap = y[:, None] - quantiles  # (N, Q)
    tau = np.asarray(levels)
    out: FloatArray = np.maximum(tau * gap, (tau - 1.0) * gap).mean(axis=1)
    return out


def _quantiles(f: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    if not len(f):
        return {}
    y = f.outcome_return
    constant = np.quantile(y, QUANTILES)
    loss = pinball(y, f.quantiles, QUANTILES)
    base = pinball(y, np.broadcast_to(constant, f.quantiles.shape), QUANTILES)
    below = [
        {"level": level, **f.mean((y <= f.quantiles[:, i]).astype(np.float64), rng).as_dict()}
        for i, level in enumerate(QUANTILES)
    ]
    return {
        "pinball_bps": 1e4 * float(loss.mean()),
        "pinball_unconditional_bps": 1e4 * float(base.mean()),
        "pinball_skill": f.mean(base - loss, rng, weights=base).as_dict(),
        "share_below": below,
    }
