"""How much wider or narrower a model's quantiles are served than its graph gives them.

A graph gives quantiles in units of the past's volatility, and what it knows of calm, storms and the
hour is not enough: held against what came, they are too narrow in calm and at the American opening,
and too wide in storms and at night. The factor is a regression that was fitted on rows the model
was not trained on (`models.learn.stretch`); it reads the row's own width, its volatility and
ranges, and the clock, all known at the row's close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray, IntArray
from models.serve.conditions import ConditionInputs, ConditionTerm

_HALF_WIDTH: Final = "half width"
SMALLEST_HALF_WIDTH: Final = 1e-3  # sigma
SIGMA_INPUT: Final = 1  # the input that is the logarithm of sigma
_LONGEST: Final = 3.0  # |log| of the factor


class StretchInputs:
    """What the regression reads: half the quantiles' width, and `ConditionInputs`."""

    def __init__(self, names: Sequence[str], candle_ms: int) -> None:
        self._conditions = ConditionInputs(names, candle_ms)
        self.clock = self._conditions.clock
        self.names = (_HALF_WIDTH, *self._conditions.names)  # (W,)

    def __call__(self, quantiles: FloatArray, x: Float32Array) -> FloatArray:
        """Return the inputs (N, W) of rows with quantiles (N, 5) and raw features (N, F)."""
        half = (quantiles[:, -1] - quantiles[:, 0]) / 2
        width = np.log(np.maximum(half, SMALLEST_HALF_WIDTH))
        return np.column_stack((width, self._conditions(x)))


class Stretch:
    """Outputs (N, H) -> the same with quantiles further from, or nearer to, their median.

    The factor's logarithm is a `ConditionTerm`. Quantiles stay in order, and the median where it
    is.

    Parameters
    ----------
    fitted
        `models.learn.stretch.fit_stretch`; None for a model without quantiles, whose outputs stay
        as they are.
    """

    def __init__(
        self,
        fitted: Mapping[str, Any] | None,
        names: Sequence[str],
        candle_ms: int,
        layout: HeadLayout,
    ) -> None:
        self._quantiles, self._inputs = layout.quantiles, StretchInputs(names, candle_ms)
        self._term = None if fitted is None else ConditionTerm(fitted)

    def __call__(self, raw: FloatArray, x: Float32Array, time_ms: IntArray) -> FloatArray:
        """Return the outputs (N, H) of rows with raw features (N, F) and open times (N,)."""
        if self._term is None:
            return raw
        q = raw[:, self._quantiles]
        log = self._term(self._inputs(q, x), self._inputs.clock(time_ms))
        factor = np.exp(np.clip(log, -_LONGEST, _LONGEST))[:, None]
        out = raw.copy()
        out[:, self._quantiles] = q[:, 2:3] + factor * (q - q[:, 2:3])
        return out
