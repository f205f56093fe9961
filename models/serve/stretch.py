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

from models.base.columns import FEATURE_SIGMA, feature_name
from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray, IntArray
from models.base.windows import WEEK_HOURS, hour_of_week

CLOCK_HOURS: Final = 48  # those of a day of work, and behind them those of a day of rest
_DAY: Final = CLOCK_HOURS // 2
# Saturday and Sunday are the third and fourth day of a week that begins on Thursday.
_OF_WEEK: Final = np.concatenate(
    [np.arange(_DAY) + _DAY * (day in (2, 3)) for day in range(WEEK_HOURS // _DAY)]
)
_HALF_WIDTH: Final = "half width"
_SIGMA: Final = feature_name(FEATURE_SIGMA)
# What is added before a logarithm: candles that hardly trade are alike. Ranges are in sigma.
_LOGS: Final = {_SIGMA: 1e-9, "range": 0.05, "range_mid": 0.05}
_RATIOS: Final = ("vol_fast_mid", "vol_mid_slow")  # logarithms already
SMALLEST_HALF_WIDTH: Final = 1e-3  # sigma
INPUT_CLIP: Final = 4.0  # standard deviations
SIGMA_INPUT: Final = 1  # the input that is the logarithm of sigma
_LONGEST: Final = 3.0  # |log| of the factor


class StretchInputs:
    """What the regression reads, found among the features by name.

    Parameters
    ----------
    names
        Of the F features. Of those it would read it takes the first of each name, the pair's own
        under FreqAI, and does without the ones that are not there.
    """

    def __init__(self, names: Sequence[str], candle_ms: int) -> None:
        plain = [feature_name(name) for name in names]
        logs = {plain.index(n): least for n, least in _LOGS.items() if n in plain}
        self._read = [*logs, *(plain.index(name) for name in _RATIOS if name in plain)]
        self._least, self._candle_ms = np.array([*logs.values()]), candle_ms
        self.names = (_HALF_WIDTH, *(names[i] for i in self._read))  # (W,)

    def __call__(self, quantiles: FloatArray, x: Float32Array) -> FloatArray:
        """Return the inputs (N, W) of rows with quantiles (N, 5) and raw features (N, F)."""
        out = np.empty((len(x), len(self.names)))
        half = (quantiles[:, -1] - quantiles[:, 0]) / 2
        out[:, 0] = np.log(np.maximum(half, SMALLEST_HALF_WIDTH))
        out[:, 1:] = x[:, self._read]
        logs = out[:, 1 : 1 + len(self._least)]
        logs[:] = np.log(np.maximum(logs, 0.0) + self._least)
        return out

    def clock(self, time_ms: IntArray) -> IntArray:
        """Return the hour at each candle's close, (N,), 0 to `CLOCK_HOURS` - 1.

        Examples
        --------
        >>> inputs = StretchInputs([FEATURE_SIGMA], 3_600_000)
        >>> inputs.clock(np.array([0, 48 * 3_600_000]))  # a Thursday's first hour, a Saturday's
        array([ 1, 25])
        """
        out: IntArray = _OF_WEEK[hour_of_week(time_ms, self._candle_ms)]
        return out


class Stretch:
    """Outputs (N, H) -> the same with quantiles further from, or nearer to, their median.

    ``log factor = intercept + slope . z + clock[hour]``, z the standardised inputs within
    `INPUT_CLIP`. Quantiles stay in order, and the median where it is.

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
        self._fitted = fitted is not None
        if fitted is not None:
            self._mean, self._std, self._slope, self._clock = (
                np.asarray(fitted[key], np.float64) for key in ("mean", "std", "slope", "clock")
            )
            self._intercept = float(fitted["intercept"])

    def __call__(self, raw: FloatArray, x: Float32Array, time_ms: IntArray) -> FloatArray:
        """Return the outputs (N, H) of rows with raw features (N, F) and open times (N,)."""
        if not self._fitted:
            return raw
        q = raw[:, self._quantiles]
        z = np.clip(
            (self._inputs(q, x) - self._mean) / self._std, -INPUT_CLIP, INPUT_CLIP
        )  # (N, W)
        # Row by row: a matrix product rounds a row by how many others there are.
        log = self._intercept + np.vecdot(z, self._slope) + self._clock[self._inputs.clock(time_ms)]
        factor = np.exp(np.clip(log, -_LONGEST, _LONGEST))[:, None]
        out = raw.copy()
        out[:, self._quantiles] = q[:, 2:3] + factor * (q - q[:, 2:3])
        return out
