"""Has the market moved away from what a model was trained on? Population stability index.

Over the newest `WINDOW` candles the shares of each feature in the training sample's quantile bins
are held against the training's own, ``PSI = sum (p - q) ln(p / q)``.
Source: Siddiqi, Credit Risk Scorecards (2006): "act" from 0.25 on.

DIFF: 0.25 is for independent rows. Candles follow each other, and a feature over a month hardly
moves within eleven days: four windows in five of the training sample itself are beyond. So each
feature counts in units of its own: 1 is what 99 % of its training windows stay under, at least
0.25. The score is the worst feature's, in units of what 99 % of training windows stay under.

It sees shares, not sizes: candles three times as wild fall into the same bins, scaled by their own
volatility; for those there is the novelty. NumPy only: live computes it of the rows of a backtest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from models.base.types import BoolArray, Float32Array, FloatArray, IntArray
from models.base.windows import MAX_CONTEXT_CANDLES

WINDOW: Final = MAX_CONTEXT_CANDLES  # a running bot is not handed more
_ACT: Final = 0.25
_BINS: Final = 10
_USUAL: Final = 0.99  # of the training windows
_HALF: Final = 0.5  # counted into every bin (Jeffreys), so that an empty one has a logarithm
_CHUNK: Final = 256  # windows at once
# Of a smaller sample nobody knows what is usual: retrained monthly on BTC, ETH and LTC 1h of
# 2023-25, 5 % of the hours after 365 days of training count as drifted, 16 % after 180, 37 % after
# 90. After two years and without retraining it is 2 % of 2025.
LEAST: Final = 20 * WINDOW


class Drift:
    """Rows of raw features -> how unlike the training the `WINDOW` ending at each is.

    Parameters
    ----------
    reference
        As `fit_drift` returns it.
    used
        (F,) which of the features it was fitted on.
    """

    def __init__(self, reference: Mapping[str, Any], used: BoolArray) -> None:
        self._used = used
        self._edges = np.asarray(reference["edges"], np.float32)  # (F, K - 1)
        self._terms = _terms(np.asarray(reference["shares"], np.float64))
        threshold = reference["threshold"]
        self._unit = np.asarray(reference["usual"], np.float64) * np.float64(threshold)

    def __call__(self, x: Float32Array) -> FloatArray:
        """Return the score, (N, F) -> (N,); > 1 is drifted.

        Row t knows rows <= t only. NaN before there are enough of them, and everywhere if the
        training sample was too small to tell.
        """
        out = np.full(len(x), np.nan)
        if len(x) >= WINDOW:
            index = _stability(_placed(x[:, self._used], self._edges), self._terms)
            out[WINDOW - 1 :] = (index / self._unit).max(axis=1)
        return out


def fit_drift(rows: Float32Array) -> dict[str, Any]:
    """Return bins and what is usual in a training sample, as the manifest keeps them.

    Parameters
    ----------
    rows
        (N, F) finite raw features of the training candles in their order; fewer than `LEAST` have
        no threshold.
    """
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    edges = np.quantile(rows, inner, axis=0).T.astype(np.float32)  # (F, K - 1)
    placed = _placed(rows, edges)
    counts = np.stack([np.bincount(bins, minlength=_BINS) for bins in placed.T])  # (F, K)
    shares = _shares(counts, len(rows))
    usual, threshold = np.full(rows.shape[1], _ACT), None
    if len(rows) >= LEAST:
        own = stability(rows, edges, shares)
        usual = np.maximum(np.quantile(own, _USUAL, axis=0), _ACT)
        threshold = max(float(np.quantile((own / usual).max(axis=1), _USUAL)), 1.0)
    return {
        "edges": edges.tolist(),
        "shares": shares.tolist(),
        "usual": usual.tolist(),
        "threshold": threshold,
    }


def stability(x: Float32Array, edges: Float32Array, shares: FloatArray) -> FloatArray:
    """Return each feature's index over every whole window of (N, F), (N - WINDOW + 1, F)."""
    return _stability(_placed(x, edges), _terms(shares))


def _stability(placed: IntArray, terms: FloatArray) -> FloatArray:
    """Return the index of features in bins (N, F), by its terms (K, F, WINDOW + 1)."""
    count, width = placed.shape
    features = np.arange(width)
    # Where a bin's count stands among the terms, so that one addition moves it to the next.
    base = np.arange(_BINS * width).reshape(_BINS, width) * (WINDOW + 1)
    numbers = np.bincount((placed[:WINDOW] * width + features).ravel(), minlength=_BINS * width)
    first = (base + numbers.reshape(_BINS, width)).astype(np.int32)
    out = np.empty((count - WINDOW + 1, width))
    for start in range(0, len(out), _CHUNK):
        size = min(_CHUNK, len(out) - start)
        # What enters and what leaves from one window to the next; the first one is counted.
        begin = 1 if start == 0 else 0
        places = np.zeros((_BINS, size, width), np.int32)
        places[:, 0] = first
        steps = np.arange(begin, size)[:, None]
        # A feature enters one bin and leaves one, so that no place is named twice.
        places[placed[WINDOW - 1 + start + begin : WINDOW - 1 + start + size], steps, features] += 1
        places[placed[start + begin - 1 : start + size - 1], steps, features] -= 1
        np.cumsum(places, axis=1, out=places)
        first = places[:, -1].copy()
        out[start : start + size] = terms.ravel().take(places).sum(axis=0)
    return out


def _terms(shares: FloatArray) -> FloatArray:
    """Return a bin's part of the index for every number of rows in it, (K, F, WINDOW + 1)."""
    p = _shares(np.arange(WINDOW + 1), WINDOW)
    q = shares.T[:, :, None]
    terms: FloatArray = (p - q) * np.log(p / q)
    return terms


def _placed(x: Float32Array, edges: Float32Array) -> IntArray:
    """Return the bin of every value, (N, F); NaN counts as the smallest."""
    out = np.zeros(x.shape, np.int8)
    for edge in edges.T:
        out += x >= edge
    return out.astype(np.int64)


def _shares(counts: Any, rows: int) -> FloatArray:
    out: FloatArray = (counts + _HALF) / (rows + _HALF * _BINS)
    return out
