"""From raw outputs of the network to forecast columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.base import columns
from models.base.heads import (
    HeadLayout,
    chained,
    cumulative_incidence,
    onset_probability,
    quantile_mean,
    relative_volatility,
    sigmoid,
    softmax,
)
from models.base.policy import packed_policy
from models.base.types import Float32Array, FloatArray, IntArray
from models.serve.conditions import ConditionTerm, MoveInputs
from models.serve.manifest import needed_features
from models.serve.stretch import Stretch


class Decoder:
    """Outputs (N, H), raw features (N, F), times and log volatility ahead (N,) -> columns (N,).

    All it needs of the manifest is read once: a live forecast is one row, and looking things up
    would take longer than the arithmetic.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        calibration, novelty = manifest["calibration"], manifest["novelty"]
        self._layout = HeadLayout.of(manifest)
        self._calibration = calibration
        self._competing = bool(manifest.get("competing_sides"))
        self._prior = np.asarray(calibration["prior_logits"])
        self._moves, self._direction = calibration["moves_slope"], calibration["direction_slope"]
        names, candle_ms = list(manifest["feature_names"]), int(manifest["candle_ms"])
        self._conditions = MoveInputs.of(manifest)
        self._of_moves = ConditionTerm(calibration["moves"])
        self._stretch = Stretch(calibration["stretch"], names, candle_ms, self._layout)
        # < 0 narrows the interval, at most to the median; None where there is none.
        self._offset = np.float64(calibration["conformal_offset"])
        # How much of a claim to believe, as a best guess and at least; None where it is not known.
        edge = calibration["edge"] or {"slope": np.nan, "low": np.nan}
        self._slope, self._low = float(edge["slope"]), float(edge["low"])
        self._alarms = {
            side: {name: np.asarray(found[name]) for name in ("hazard", "per_week")}
            for side, found in (calibration["false_alarms"] or {}).items()
        }
        self._sigma = names.index(columns.FEATURE_SIGMA)
        self._unit = np.sqrt(manifest["horizon_candles"])
        self._mean, self._std = (np.asarray(novelty[key], np.float32) for key in ("mean", "std"))
        self._threshold = float(novelty["threshold"])
        absent = manifest.get("absent_heads", ())
        lacking = (*absent, *self._layout.lacks)
        self._absent = [name for head in lacking for name in columns.OF_HEAD[head]]
        # A feed that is missing is not unlike anything.
        needed = needed_features(manifest)
        self._optional = None if needed.all() else ~needed
        self._present = self._layout.present(absent)

    def __call__(
        self, raw: FloatArray, x: Float32Array, time_ms: IntArray, log_volatility: FloatArray
    ) -> dict[str, FloatArray]:
        prior, layout, n = self._prior, self._layout, len(raw)
        raw = self._stretch(raw, x, time_ms)
        conditions = self._conditions(log_volatility, x)  # (N, W)
        calm = self._of_moves(conditions, self._conditions.clock(time_ms))  # (N,)
        p = chained(raw[:, layout.classes], prior, self._moves, self._direction, calm)  # (N, 3)
        sigma = x[:, self._sigma].astype(np.float64)
        unknown = 0.0 * raw[:, 0]  # NaN where there is no forecast
        scale = sigma * self._unit + unknown
        q = raw[:, layout.quantiles] * scale[:, None]  # (N, 5) log return over the horizon
        claimed = quantile_mean(q)  # (N,) log return over the horizon
        volatility = scale * relative_volatility(raw, layout)
        offset = self._offset * volatility
        hazard = calibrated_hazards(raw, layout, self._calibration)  # (N, side, K)
        onset = onset_probabilities(hazard, self._competing)  # (N, side)
        soon = onset_probabilities(hazard[..., :1], self._competing)
        z = (x - self._mean) / self._std
        if self._optional is not None:
            z = np.where(self._optional & np.isnan(z), np.float32(0.0), z)
        novelty = novelty_score(z) / self._threshold + unknown
        out = {
            columns.LABEL_RETURN: q[:, 2],
            columns.LABEL_DIRECTION: p[:, 2] - p[:, 0],
            columns.LABEL_CASCADE_DOWN: onset[:, 0],
            columns.LABEL_CASCADE_UP: onset[:, 1],
            columns.P_DOWN: p[:, 0],
            columns.P_FLAT: p[:, 1],
            columns.P_UP: p[:, 2],
            **{name: q[:, i] for i, name in enumerate(columns.RETURN_QUANTILES)},
            columns.RETURN_LOW: np.minimum(q[:, 0] - offset, q[:, 2]),
            columns.RETURN_HIGH: np.maximum(q[:, -1] + offset, q[:, 2]),
            columns.EDGE: self._slope * claimed,
            columns.EDGE_LOW: self._low * claimed,
            columns.SIGMA: volatility,
            columns.HAZARD_DOWN: soon[:, 0],
            columns.HAZARD_UP: soon[:, 1],
            columns.FALSE_ALARMS_DOWN: false_alarms_per_week(onset[:, 0], self._alarms.get("down")),
            columns.FALSE_ALARMS_UP: false_alarms_per_week(onset[:, 1], self._alarms.get("up")),
            columns.NOVELTY: novelty,
        }
        if layout.peak_edges:
            reached = sigmoid(raw[:, layout.peak])  # (N, J)
            out[columns.PEAK_PASSED] = reached[:, 0]
            out[columns.LABEL_PEAK] = expected_peak(reached, layout.peak_edges)
        if layout.action:
            action = softmax(raw[:, layout.actions])  # (N, 3)
            for i, name in enumerate((columns.P_DECREASE, columns.P_MAINTAIN, columns.P_INCREASE)):
                out[name] = action[:, i]
            out[columns.LABEL_ACTION] = action[:, 2] - action[:, 0]
        if layout.policy:
            out[columns.POLICY] = packed_policy(raw[:, layout.choices].astype(np.float64))
        out |= {name: np.full(n, np.nan) for name in self._absent}
        known = np.isfinite(raw[:, self._present]).all(axis=1) & np.isfinite(scale + novelty)
        # Without volatility there is no unit for a return: such candles did not trade.
        out[columns.ABSTAIN] = np.where(known & (novelty <= 1.0) & (scale > 0), 0.0, 1.0)
        return out


def onset_probabilities(hazard: FloatArray, competing: bool) -> FloatArray:
    """Return P(onset within the bins of `hazard` (N, side, K)), (N, side)."""
    if competing:
        return np.stack(cumulative_incidence(hazard[:, 0], hazard[:, 1]), axis=1)
    return onset_probability(hazard)


def false_alarms_per_week(onset: FloatArray, fitted: Mapping[str, Any] | None) -> FloatArray:
    """Return how often warning at each row's P(onset) or above was wrong, (N,) -> (N,) per week.

    Never rises with the probability. NaN where that is, and where nothing is `fitted`.

    Parameters
    ----------
    fitted
        One side's ``hazard`` levels from 0 on and their ``per_week``, of
        `models.learn.hazard.alarms.false_alarm_levels`; None, or without levels, is not fitted.

    Examples
    --------
    >>> fitted = {"hazard": [0.0, 0.1, 0.4], "per_week": [7.0, 0.5, 0.001]}
    >>> false_alarms_per_week(np.array([0.05, 0.1, 0.9, np.nan]), fitted)
    array([7.e+00, 5.e-01, 1.e-03,    nan])
    """
    if not fitted or not len(fitted["hazard"]):
        return np.full(len(onset), np.nan)
    at = np.searchsorted(fitted["hazard"], onset, side="right") - 1
    return np.where(np.isfinite(onset), np.asarray(fitted["per_week"])[at], np.nan)


def calibrated_hazards(
    raw: FloatArray, layout: HeadLayout, calibration: Mapping[str, Any]
) -> FloatArray:
    """Return P(onset in bin k | none before), (N, side, K), from raw outputs (N, H)."""
    logits = raw[:, layout.hazards].reshape(len(raw), 2, layout.bins)
    fitted = calibration.get("hazard")
    if isinstance(fitted, Mapping):
        offset, slope = (np.array(fitted[key])[:, None] for key in ("offset", "slope"))
        logits = offset + slope * logits
    return sigmoid(logits)


def expected_peak(reached: FloatArray, edges: tuple[int, ...]) -> FloatArray:
    """Return the expected candles to the peak, (N,), from its hazards (N, J).

    A bin counts with its middle, and what survives them all with the last edge; the label counts
    from 1, the answer from 0 = now or behind.

    Examples
    --------
    >>> expected_peak(np.array([[1.0, 0.5], [0.0, 1.0]]), (1, 5))
    array([0. , 2.5])
    """
    still = np.cumprod(1.0 - reached, axis=1)
    before = np.column_stack((np.ones(len(reached)), still[:, :-1]))
    low = np.array((0, *edges[:-1])) + 1
    middle = (low + np.array(edges)) / 2 - 1
    out: FloatArray = (before * reached) @ middle + still[:, -1] * (edges[-1] - 1)
    return out


def novelty_score(z: Float32Array) -> FloatArray:
    """Return the mean squared standardised feature of each row, (N, F) -> (N,).

    A diagonal Mahalanobis distance: cheap, monotone, and large for candles unlike the training's.
    """
    exact = z.astype(np.float64)
    return np.asarray(np.vecdot(exact, exact) / z.shape[1])
