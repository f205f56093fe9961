"""From raw outputs of the network to forecast columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models import columns
from models.heads import HeadLayout, onset_probability, sigmoid, softmax
from models.types import Float32Array, FloatArray


class Decoder:
    """Raw outputs (N, H) and raw features (N, F) of the same rows -> every forecast column (N,).

    All it needs of the manifest is read once: a live forecast is one row, and looking things up
    would take longer than the arithmetic.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        calibration, novelty = manifest["calibration"], manifest["novelty"]
        self._layout = HeadLayout(bin_edges=tuple(manifest["hazard_bin_edges"]))
        self._prior = np.asarray(calibration["prior_logits"])
        self._temperature = calibration["temperature"]
        # < 0 narrows the interval, at most to the median; None where there is none.
        self._offset = np.float64(calibration["conformal_offset"])
        self._sigma = list(manifest["feature_names"]).index(columns.FEATURE_SIGMA)
        self._unit = np.sqrt(manifest["horizon_candles"])
        self._mean, self._std = (np.asarray(novelty[key], np.float32) for key in ("mean", "std"))
        self._threshold = float(novelty["threshold"])
        absent = manifest.get("absent_heads", ())
        self._absent = [name for head in absent for name in columns.OF_HEAD[head]]
        self._present = self._layout.present(absent)

    def __call__(self, raw: FloatArray, x: Float32Array) -> dict[str, FloatArray]:
        prior, layout, n = self._prior, self._layout, len(raw)
        p = softmax(prior + (raw[:, layout.classes] - prior) / self._temperature)  # (N, 3)
        sigma = x[:, self._sigma].astype(np.float64)
        unknown = 0.0 * raw[:, 0]  # NaN where there is no forecast
        scale = sigma * self._unit + unknown
        q = raw[:, layout.quantiles] * scale[:, None]  # (N, 5) log return over the horizon
        offset = self._offset * scale
        hazard = sigmoid(raw[:, layout.quantiles.stop :]).reshape(n, 2, -1)  # (N, side, K)
        onset = onset_probability(hazard)  # (N, side)
        novelty = novelty_score((x - self._mean) / self._std) / self._threshold + unknown
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
            columns.SIGMA: scale,
            columns.HAZARD_DOWN: hazard[:, 0, 0],
            columns.HAZARD_UP: hazard[:, 1, 0],
            columns.NOVELTY: novelty,
        }
        out |= {name: np.full(n, np.nan) for name in self._absent}
        known = np.isfinite(raw[:, self._present]).all(axis=1) & np.isfinite(scale + novelty)
        # Without volatility there is no unit for a return: such candles did not trade.
        out[columns.ABSTAIN] = np.where(known & (novelty <= 1.0) & (scale > 0), 0.0, 1.0)
        return out


def novelty_score(z: Float32Array) -> FloatArray:
    """Return the mean squared standardised feature of each row, (N, F) -> (N,).

    A diagonal Mahalanobis distance: cheap, monotone, and large for candles unlike the training's.
    """
    exact = z.astype(np.float64)
    return np.asarray(np.vecdot(exact, exact) / z.shape[1])
